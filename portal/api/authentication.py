"""Who calls the API: a bearer token, or the session of a signed-in browser (then with CSRF protection)."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from portal.people.models import ApiToken, User

USE_NOTED_EVERY = timedelta(minutes=1)
REFUSED = "This token is unknown, expired or revoked. Make a new one on the page Account, Tokens."


class TokenAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer slw_...`. The person comes with those roles only that the token's scopes name."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        words = authentication.get_authorization_header(request).split()
        if not words or words[0].lower() != b"bearer":
            return None
        if len(words) != 2:
            raise exceptions.AuthenticationFailed("Write the header as: Authorization: Bearer <token>.")
        token = ApiToken.objects.presented(words[1].decode("latin-1"))
        if token is None:
            raise exceptions.AuthenticationFailed(REFUSED)
        note_use(token)
        return narrowed(token.user, token.scopes), token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="slipway"'


class SessionAuthentication(authentication.SessionAuthentication):
    """The browser's session; a method that changes something needs the CSRF token in X-CSRFToken."""


def narrowed(user: User, scopes: list[str]) -> User:
    """The person without the roles that these scopes leave out. Every later check of a role so heeds the token."""
    user.is_curator = user.curates and "curate" in scopes
    user.is_operator = user.operates and "operate" in scopes
    user.is_staff = user.is_superuser = False
    return user


def note_use(token: ApiToken) -> None:
    """When it was last used, to the minute."""
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at > USE_NOTED_EVERY:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
