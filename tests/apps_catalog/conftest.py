"""The people of the catalog's tests."""

from __future__ import annotations

import pytest

from portal.people.models import User
from tests.factories import make_person


@pytest.fixture
def curator(db: None) -> User:
    return make_person("curator", is_curator=True)


@pytest.fixture
def stranger(db: None) -> User:
    return make_person("stranger")


@pytest.fixture
def teammate(db: None) -> User:
    return make_person("teammate")
