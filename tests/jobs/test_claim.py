"""The claim: order, tags, incarnations, limits; and adoption of what a dead process had begun."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from jobs import claim, limits
from jobs.models import Attempt, Host, OwnerLoad, Task
from jobs.states import JobState, TaskState
from portal.people.models import User
from tests.factories import make_host, make_job, make_machine, make_person

pytestmark = pytest.mark.django_db


def take(host: Host, machine: str = "n1", *, incarnation: uuid.UUID | None = None) -> Attempt | None:
    return claim.claim(
        host=host,
        incarnation=incarnation or host.incarnation,
        machine_id=make_machine(machine).pk,
        slot=0,
        prefix="slipway-test",
    )


def numbers(host: Host, count: int) -> list[int]:
    taken = [take(host) for _ in range(count)]
    return [attempt.task.job_id for attempt in taken if attempt]


def test_order_is_priority_then_job_number(owner: User) -> None:
    host = make_host()
    low, high, second = make_job(owner), make_job(owner), make_job(owner)
    Task.objects.filter(job=high).update(priority=5)
    assert numbers(host, 4) == [high.number, low.number, second.number]


def test_claiming_moves_job_task_and_counters_together(owner: User) -> None:
    job = make_job(owner)
    attempt = take(make_host())
    assert attempt is not None
    job.refresh_from_db()
    task = job.tasks.get()
    assert (job.state, task.state, task.attempt_number) == (JobState.RUNNING, TaskState.RUNNING, 1)
    assert job.started_at is not None
    load = OwnerLoad.objects.get(owner=owner)
    assert (load.queued, load.running) == (0, 1)
    assert list(job.events.values_list("kind", flat=True)) == ["claimed"]


def test_nothing_is_taken_for_another_machine_type(owner: User) -> None:
    make_job(owner, machine_type=make_machine("gpu1"))
    assert take(make_host()) is None


@pytest.mark.parametrize(("tags", "taken"), [([], False), (["gpu=v100"], False), (["gpu=a100", "x=y"], True)])
def test_a_host_without_the_tags_takes_nothing(owner: User, tags: list[str], taken: bool) -> None:
    machine = make_machine("gpu1", requires=["gpu=a100"])
    make_job(owner, machine_type=machine)
    assert bool(take(make_host(tags=tags), "gpu1")) is taken


def test_a_draining_host_and_a_replaced_process_take_nothing(owner: User) -> None:
    make_job(owner)
    draining = make_host("draining", draining=True)
    assert take(draining) is None
    assert take(make_host("other"), incarnation=uuid.uuid4()) is None


def test_backoff_is_waited_for(owner: User) -> None:
    job = make_job(owner)
    Task.objects.filter(job=job).update(ready_at=timezone.now() + timedelta(minutes=1))
    host = make_host()
    assert take(host) is None
    assert claim.ready_types([make_machine().pk]) == set()
    Task.objects.filter(job=job).update(ready_at=timezone.now())
    assert claim.ready_types([make_machine().pk]) == {make_machine().pk}
    assert take(host) is not None


def test_a_full_owner_is_passed_over_and_others_go_on(owner: User, stranger: User) -> None:
    first = make_job(owner)
    OwnerLoad.objects.filter(owner=owner).update(running_max=1)
    held = make_job(owner)
    theirs = make_job(stranger)
    assert numbers(make_host(), 3) == [first.number, theirs.number]
    assert limits.put_right() == set()
    assert held.tasks.get().state == TaskState.HELD


def test_what_is_held_without_need_is_released(owner: User) -> None:
    job = make_job(owner)
    Task.objects.filter(job=job).update(state=TaskState.HELD)
    assert limits.put_right() == {"n1"}
    assert job.tasks.get().state == TaskState.READY
    assert limits.put_right() == set()


def test_what_a_dead_process_began_is_adopted_once(owner: User) -> None:
    make_job(owner)
    host = make_host()
    attempt = take(host)
    assert attempt is not None
    new = uuid.uuid4()
    Host.objects.filter(pk=host.pk).update(incarnation=new)
    machine = make_machine().pk
    assert claim.recover(host=host, incarnation=new, machine_id=machine, slot=1) is None  # another slot's GPUs
    adopted = claim.recover(host=host, incarnation=new, machine_id=machine, slot=0)
    assert adopted is not None
    assert adopted.pk == attempt.pk
    assert claim.recover(host=host, incarnation=new, machine_id=machine, slot=0) is None


def test_another_hosts_attempts_are_left_alone(owner: User) -> None:
    make_job(owner)
    take(make_host("one"))
    other = make_host("two")
    assert claim.recover(host=other, incarnation=other.incarnation, machine_id=make_machine().pk, slot=0) is None


@pytest.mark.django_db(transaction=True)
def test_many_slots_never_take_the_same_task_nor_exceed_a_limit() -> None:
    people = [make_person() for _ in range(4)]
    for number in range(24):
        make_job(people[number % 4])
    OwnerLoad.objects.update(running_max=3)
    host = make_host()
    make_machine()
    taken: list[int] = []

    def slot() -> None:
        try:
            while attempt := take(host):
                taken.append(attempt.task_id)
        finally:
            connection.close()

    threads = [threading.Thread(target=slot) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(taken) == len(set(taken)) == 12
    assert set(OwnerLoad.objects.values_list("running", "queued")) == {(3, 3)}
