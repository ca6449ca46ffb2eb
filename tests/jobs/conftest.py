"""What tests of jobs stand on: a store and a work folder of their own, a runtime in memory, and the owner signed in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from jobs.runtimes.fake import FakeRuntime
from portal.people.models import User


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, settings: Any) -> Path:
    """STORE_ROOT, VAULT_ROOT and WORK_ROOT below the test's own folder."""
    settings.STORE_ROOT = tmp_path / "store"
    settings.VAULT_ROOT = tmp_path / "vaults"
    settings.WORK_ROOT = tmp_path / "work"
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(settings.STORE_ROOT)},
        },
    }
    return tmp_path


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime()


@pytest.fixture
def as_owner(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client
