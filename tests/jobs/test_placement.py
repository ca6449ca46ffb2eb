"""Whom a doorbell rings at."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from jobs import placement
from jobs.models import Host, MachineType
from jobs.states import JobState
from portal.people.models import User
from tests.factories import make_host, make_job, make_machine

pytestmark = pytest.mark.django_db
Capture = Callable[..., AbstractContextManager[Any]]


@pytest.fixture
def ring(settings: Any, django_capture_on_commit_callbacks: Capture) -> Callable[..., list[tuple[str, str]]]:
    """Wake, and (queue, machine type) of each message that the broker then has."""
    settings.BROKER_URL = "postgres"

    def rung(*names: str, **how: Any) -> list[tuple[str, str]]:
        with django_capture_on_commit_callbacks(execute=True):
            placement.wake(set(names), **how)
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM dramatiq.queue RETURNING queue_name, message -> 'args' ->> 0")
            return sorted(cursor.fetchall())

    return rung


def test_hosts_with_a_free_slot_are_woken_and_all_where_none_has(owner: User, ring: Any) -> None:
    make_machine("n1")
    make_host("full", serves={"n1": 1})
    make_job(owner, state=JobState.RUNNING)  # on the one host that there is
    assert ring("n1") == [("host-full", "n1")]
    make_host("idle", serves={"n1": 1})
    assert ring("n1") == [("host-idle", "n1")]


def test_at_most_three_are_woken_unless_all_are_asked_for(ring: Any) -> None:
    make_machine("n1")
    for name in "dacb":
        make_host(name)
    assert ring("n1") == [("host-a", "n1"), ("host-b", "n1"), ("host-c", "n1")]
    assert len(ring("n1", hosts_max=None)) == 4


def test_each_machine_type_is_rung_at_hosts_of_its_own(ring: Any) -> None:
    make_machine("n1")
    make_machine("gpu1", requires=["gpu=a100"])
    make_host("plain", serves={"n1": 1, "gpu1": 1})
    make_host("tagged", serves={"gpu1": 1}, tags=["gpu=a100", "zone=a"])
    assert ring("n1", "gpu1", "gone") == [("host-plain", "n1"), ("host-tagged", "gpu1")]
    assert ring() == []


@pytest.mark.parametrize(
    "over",
    [
        {"serves": {"n2": 1}},
        {"tags": []},
        {"draining": True},
        {"engine_fault": "The engine does not answer."},
        {"heartbeat_at": timezone.now() - timedelta(hours=1)},
        {"heartbeat_at": None},
    ],
    ids=lambda over: next(iter(over)),
)
def test_who_can_not_take_the_work_is_not_woken(over: dict[str, Any], ring: Any) -> None:
    machine: MachineType = make_machine("n1", requires=["zone=a"])
    make_host("fit", tags=["zone=a"])
    other = make_host("unfit", **{"tags": ["zone=a"], **over})
    assert ring("n1") == [("host-fit", "n1")]
    alive = Host.objects.alive().filter(pk=other.pk).first()
    assert alive is None or placement.unfit(machine, alive)  # the same rule in Python, which says why
