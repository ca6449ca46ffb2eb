"""Fault tests share one installation: its rows stay from test to test, and after each test the invariants are checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from portal.local.postgres import Supervisor
from tests.faults.site import Process, Site, database, made_site

LIMITS = {"HEARTBEAT_S": 2, "STOP_GRACE_S": 2, "LOG_LIMIT_MIB": 5, "JOBS_RUNNING_MAX": 200, "JOBS_QUEUED_MAX": 2000}


@pytest.fixture(scope="package")
def installation(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any) -> Iterator[Site]:
    """On a PostgreSQL of its own, which tests may restart, and whose rows real processes see."""
    root = tmp_path_factory.mktemp("site")
    storage = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(root / "store")},
    }
    roots = {
        "STORE_ROOT": root / "store",
        "VAULT_ROOT": root / "vaults",
        "WORK_ROOT": root / "work",
        "STORAGES": {**settings.STORAGES, "default": storage},
        "BROKER_URL": "postgres",
    }
    server = Supervisor(root / "database", fast=True)
    with django_db_blocker.unblock(), override_settings(**roots, **LIMITS), database(server):
        site = made_site(root, server, **{name: str(value) for name, value in LIMITS.items()})
        try:
            yield site
        finally:
            site.stop()
            site.runtime.close()


@pytest.fixture
def site(installation: Site) -> Iterator[Site]:
    yield installation
    installation.check()


@pytest.fixture(scope="package")
def worker(installation: Site) -> Process:
    """A worker that no test harms: host `calm` with four slots of n1."""
    installation.machine("n1")
    return installation.worker("calm", "--serve", "n1=4")
