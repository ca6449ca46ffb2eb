"""A program of the test's own behind a relay."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from portal.people.models import User
from tests.factories import make_person
from tests.jobs.proxied import Served, committed, relayed
from tests.jobs.relay.programs import Sink


@pytest.fixture
def sink() -> Iterator[Sink]:
    made = Sink()
    yield made
    made.listener.close()


@pytest.fixture(scope="module")
def person(rows_of_module: None) -> User:
    return committed(make_person, "owner")


@pytest.fixture
def site(person: User, sink: Sink) -> Iterator[Served]:
    with relayed(person, sink.port) as found:
        yield found
