"""A JARVICE door that is open, with an owner whose key fits it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core import signals
from django.core.cache import cache
from django.db import close_old_connections

from portal.people.models import ApiToken, User
from tests.compat.jarvice_client import JarviceClient


def key_of(user: User, *scopes: str, **over: Any) -> str:
    return ApiToken.issue(user, name="old clients", scopes=list(scopes or ("jarvice",)), **over)[1]


def client_of(user: User, *scopes: str, **over: Any) -> JarviceClient:
    return JarviceClient(user.username, key_of(user, *scopes, **over))


@pytest.fixture
def door(db: None, settings: Any) -> Iterator[None]:
    """Open. Requests share the test's connection and transaction: Django must not close it after each."""
    settings.JARVICE_API = True
    cache.clear()
    for signal in (signals.request_started, signals.request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (signals.request_started, signals.request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def theirs(door: None, owner: User) -> JarviceClient:
    """The owner's client."""
    return client_of(owner)
