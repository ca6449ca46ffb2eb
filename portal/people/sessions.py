"""A person's sessions: how many there are, and ending them."""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib.auth import SESSION_KEY, get_user
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.utils import timezone

from portal.people.models import User


def user_of(session_key: str) -> User | None:
    """Who is signed in by this session now, as Django itself would judge it: not after a sign-out or a new password."""
    request = HttpRequest()
    request.session = SessionStore(session_key)
    user = get_user(request)
    return user if isinstance(user, User) else None


def sessions_of(user: User) -> Iterator[Session]:
    """The live sessions of this person. A session row does not name its person, so all live ones are read."""
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        if session.get_decoded().get(SESSION_KEY) == str(user.pk):
            yield session


def end_sessions(user: User, *, but: str | None = None) -> int:
    """Sign the person out everywhere, but in the session with the key `but`. Returns how many sessions ended."""
    keys = [session.session_key for session in sessions_of(user) if session.session_key != but]
    Session.objects.filter(session_key__in=keys).delete()
    return len(keys)
