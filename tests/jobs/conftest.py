"""What tests of jobs stand on: folders of their own, a runtime in memory, and the owner signed in."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from jobs.runtimes.fake import FakeRuntime
from portal.people.models import User


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
