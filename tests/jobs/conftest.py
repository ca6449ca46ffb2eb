"""What tests of jobs stand on: folders of their own, a runtime in memory, and the owner signed in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from jobs.models import Host
from jobs.runtimes.base import Runtime
from jobs.runtimes.fake import FakeRuntime
from jobs.slots import Slots
from portal.people.models import User
from tests.factories import make_host, make_machine
from tests.jobs.workers import Start

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


@pytest.fixture
def start(settings: Any) -> Iterator[Start]:
    """Start a host's slots over a runtime; all are let go of at the end."""
    settings.BROKER_URL = "none"
    settings.HEARTBEAT_S = 1
    settings.STOP_GRACE_S = 1
    begun: list[Slots] = []

    def begin(runtime: Runtime, *, host: Host | None = None, **serve: int) -> Slots:
        serve = serve or {"n1": 2}
        for name in serve:
            make_machine(name)
        slots = Slots(host=host or make_host(serves=serve), runtime=runtime, serve=serve)
        slots.start()
        begun.append(slots)
        return slots

    yield begin
    for slots in begun:
        slots.leave()
        slots.watcher.superseded.set()
    time.sleep(1.1)


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
