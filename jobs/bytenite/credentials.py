"""Access tokens: what a client gets for its API key, and sends from then on. A cookie never counts.

An access token is the key's row number, signed with the installation's key, and good for an hour; it dies with the key.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core import signing
from django.core.cache import cache
from django.http import HttpRequest

from jobs.bytenite.calls import Caller
from portal.api.authentication import narrowed, note_use
from portal.errors import PortalError
from portal.people.attempts import room_left
from portal.people.audit import audit
from portal.people.models import ApiToken

LASTS_S = 3600
SALT = "slipway.bytenite.access"
MISSING = "Send an access token in the header Authorization: POST /v1/auth/access_token gives one for an API key."
REFUSED = "This access token is not valid, or its hour is over. Get a new one at POST /v1/auth/access_token."
KEY_REFUSED = "This API key is unknown, expired or revoked. Make a new one on the page Account, Tokens."
LIMITED = "Too many failed attempts. Wait five minutes, then try again."


def unauthorized(message: str) -> PortalError:
    return PortalError(message, code="unauthorized", status=401)


@dataclass(frozen=True)
class Access:
    """A new access token, and the scopes it has."""

    token: str
    scopes: tuple[str, ...]


def exchange(request: HttpRequest, text: str) -> Access:
    """An access token for an API key. Raises PortalError: 401, or 429 after many failures from one address.

    A right key is served all the same: it has 256 random bits, which nobody guesses, and a stranger must not be able to
    stop the clients of another.
    """
    key = ApiToken.objects.presented(text)
    if key is None:
        address = request.META.get("REMOTE_ADDR", "")
        if not room_left("bytenite", address, most=settings.LOGIN_ATTEMPTS * 4, within_s=300):
            raise PortalError(LIMITED, code="too_many_attempts", status=429)
        audit("bytenite.failed", request=request, actor=AnonymousUser(), target=f"{text[:4]}...")
        raise unauthorized(KEY_REFUSED)
    note_use(key)
    return Access(signing.dumps(key.pk, salt=SALT), tuple(key.scopes))


def caller(request: HttpRequest, scope: str) -> Caller:
    """Who sends this access token, or the API key itself. Raises PortalError: 401, and 403 where the key lacks the scope."""
    text = sent(request)
    if not text:
        raise unauthorized(MISSING)
    key = _key(text)
    if key is None:
        raise unauthorized(REFUSED)
    if scope not in key.scopes:
        said = f"This API key lacks the scope '{scope}'. Make one that has it on the page Account, Tokens."
        raise PortalError(said, code="scope_missing", status=403)
    return Caller(narrowed(key.user, key.scopes), key)


def sign_out(request: HttpRequest) -> None:
    """This access token opens nothing any more."""
    cache.set(_gone(sent(request)), 1, timeout=LASTS_S)


def sent(request: HttpRequest) -> str:
    """`Authorization: <token>` or `Authorization: Bearer <token>`."""
    text = request.headers.get("Authorization", "").strip()
    scheme, space, rest = text.partition(" ")
    return rest.strip() if space and scheme.lower() == "bearer" else text


def _key(text: str) -> ApiToken | None:
    if text.startswith("slw_"):
        key = ApiToken.objects.presented(text)
        if key is not None:
            note_use(key)
        return key
    try:
        pk = signing.loads(text, salt=SALT, max_age=LASTS_S)
    except signing.BadSignature:
        return None
    if cache.get(_gone(text)):
        return None
    return ApiToken.objects.live().select_related("user").filter(pk=pk, user__is_active=True).first()


def _gone(text: str) -> str:
    return f"bytenite:gone:{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()}"
