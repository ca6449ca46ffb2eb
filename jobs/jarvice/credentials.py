"""Who calls: `username` and `apikey` are a person and a token of theirs with the scope jarvice. A cookie never counts."""

from __future__ import annotations

import hmac

from django.conf import settings
from django.contrib.auth.models import AnonymousUser

from jobs.jarvice.calls import Call, text_of
from portal.api.authentication import narrowed, note_use
from portal.errors import PortalError
from portal.people.attempts import room_left
from portal.people.audit import audit
from portal.people.models import ApiToken, User

SCOPE = "jarvice"
TOKEN_BEGINS = "slw_"  # noqa: S105  how the text of every token begins
MISSING = "Send `username` and `apikey`: a token with the scope jarvice, from the page Account, Tokens."
REFUSED = "This username and API key don't go together, or the key is expired or revoked."
LACKS_SCOPE = "This key lacks the scope jarvice. Make one that has it on the page Account, Tokens."
LIMITED = "Too many failed attempts. Wait five minutes, then try again."


def unauthorized(message: str) -> PortalError:
    return PortalError(message, code="unauthorized", status=401)


def caller(call: Call) -> User:
    """The person, with those roles only that the token's scopes name. Raises PortalError: 401, or 429 after many failures.

    What is limited is failing, by address and name. A right key is served all the same: it has 256 random bits, which
    nobody guesses, and a stranger must not be able to stop the clients of another.
    """
    username, key = _sent(call)
    if not username or not key:
        raise unauthorized(MISSING)
    token = ApiToken.objects.presented(key)
    if token is None or not hmac.compare_digest(token.user.username.encode(), username.encode()):
        raise _failed(call, username)
    if SCOPE not in token.scopes:
        raise unauthorized(LACKS_SCOPE)
    note_use(token)
    return narrowed(token.user, token.scopes)


def _sent(call: Call) -> tuple[str, str]:
    """From `user` of a submission, else from the fields."""
    user = call.fields.get("user")
    if isinstance(user, dict) and ("username" in user or "apikey" in user):
        return text_of(user.get("username"), "user.username"), text_of(user.get("apikey"), "user.apikey")
    return call.text("username"), call.text("apikey")


def _failed(call: Call, username: str) -> PortalError:
    """Count it, with the limits of failed log-ins. One row of the audit trail each, up to the limit."""
    most = settings.LOGIN_ATTEMPTS
    address = call.request.META.get("REMOTE_ADDR", "")
    known = room_left("jarvice", f"{address} {username.lower()}", most=most, within_s=300)
    if not (room_left("jarvice", address, most=most * 20, within_s=60) and known):
        return PortalError(LIMITED, code="too_many_attempts", status=429)
    shown = f"{TOKEN_BEGINS}..." if username.startswith(TOKEN_BEGINS) else username  # the two swapped by mistake
    audit("jarvice.failed", request=call.request, actor=AnonymousUser(), target=shown)
    return unauthorized(REFUSED)
