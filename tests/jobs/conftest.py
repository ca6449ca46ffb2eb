"""What tests of jobs stand on: folders of their own, a runtime in memory, and the owner signed in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.test import Client

from jobs.runtimes.fake import FakeRuntime
from portal.people.models import User

if TYPE_CHECKING:
    from tests.jobs.object_store import ObjectStore


@pytest.fixture(autouse=True)
def in_folders(folders: Path) -> Path:
    """Every test of jobs has its own."""
    return folders


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime()


@pytest.fixture
def as_owner(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


@pytest.fixture(scope="session")
def one_object_store() -> Iterator[ObjectStore]:
    from tests.jobs.object_store import ObjectStore  # slow to import: only for those who ask

    store = ObjectStore()
    yield store
    store.stop()


@pytest.fixture
def object_store(one_object_store: ObjectStore) -> ObjectStore:
    """An S3 service that answers, one for all tests; each makes buckets of its own."""
    return one_object_store
