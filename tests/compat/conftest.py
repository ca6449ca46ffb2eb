"""A JARVICE door that is open, with an owner whose key fits it."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache

from portal.people.models import ApiToken, User
from tests.compat.jarvice_client import JarviceClient


def key_of(user: User, *scopes: str, **over: Any) -> str:
    return ApiToken.issue(user, name="old clients", scopes=list(scopes or ("jarvice",)), **over)[1]


def client_of(user: User, *scopes: str, **over: Any) -> JarviceClient:
    return JarviceClient(user.username, key_of(user, *scopes, **over))


@pytest.fixture
def door(db: None, settings: Any) -> None:
    """Open, and nobody has failed at it yet."""
    settings.JARVICE_API = True
    cache.clear()


@pytest.fixture
def theirs(door: None, owner: User) -> JarviceClient:
    """The owner's client."""
    return client_of(owner)
