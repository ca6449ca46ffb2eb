"""Vaults that one job has at a time: turns by job number, never two jobs at once, nobody left waiting."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from apps_catalog.launch.spec import Submission
from jobs import claim, limits, placement, services, stages, vault_locks
from jobs.models import Attempt, Host, Job, OwnerLoad, Task, Vault
from jobs.outcomes import Outcome
from jobs.states import FailureClass, JobState, TaskState
from portal.people.models import User
from tests.factories import make_host, make_job, make_machine, make_person, make_team, make_vault, make_version

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
MACHINES = ("n1", "n2", "n3")


@pytest.fixture
def host(db: None) -> Host:
    for name in MACHINES:
        make_machine(name)
    return make_host(serves=dict.fromkeys(MACHINES, 3))


@pytest.fixture
def disk(owner: User) -> Vault:
    return make_vault(owner, name="disk", type=Vault.Type.BLOCK)


def launch(owner: User, vault: Vault | str, machine: str = "n1", **over: object) -> Job:
    name = vault if isinstance(vault, str) else vault.name
    submission = Submission("throw", {"darts": 100}, machine=machine, vault=name, **over)  # type: ignore[arg-type]
    return services.submit(owner=owner, version=make_version(), submission=submission).job


def take(host: Host, machine: str = "n1") -> Attempt | None:
    return claim.claim(
        host=host,
        incarnation=host.incarnation,
        machine_id=make_machine(machine).pk,
        slot=0,
        prefix="slipway-test",
    )


def finish(attempt: Attempt, failure: FailureClass | None = None, **over: object) -> None:
    stages.settle(attempt, Outcome(failure, "Ended.", 0, **over))  # type: ignore[arg-type]


def holder(vault: Vault) -> int | None:
    return Vault.objects.get(pk=vault.pk).held_by_id


def waits(job: Job) -> bool:
    return Task.objects.filter(job=job, state=TaskState.HELD, waits_for=job.vault_id).exists()


def why(job: Job) -> str:
    return placement.why_waiting(Job.objects.get(pk=job.pk))


# Taking and passing on


@pytest.mark.parametrize("kind", [Vault.Type.BLOCK, Vault.Type.BLOCK_ARRAY])
def test_a_second_job_waits_for_the_vault_and_says_so_whatever_its_machine_type(
    owner: User, host: Host, kind: Vault.Type
) -> None:
    disk = make_vault(owner, name="disk", type=kind)
    first, second = launch(owner, disk), launch(owner, disk, "n2")
    assert (
        why(second) == f"Waiting: the vault 'disk' goes to job {first.number} first. It starts when that job has ended."
    )
    attempt = take(host)
    assert attempt is not None
    assert attempt.task.job_id == first.number
    assert (holder(disk), take(host, "n2"), waits(second)) == (first.number, None, True)
    assert why(second) == (f"Waiting: the vault 'disk' is in use by job {first.number}. It starts when that job ends.")
    finish(attempt)
    assert holder(disk) is None
    then = take(host, "n2")
    assert then is not None
    assert (then.task.job_id, holder(disk)) == (second.number, second.number)


def test_turns_go_by_job_number_across_machine_types_and_priorities(owner: User, host: Host, disk: Vault) -> None:
    jobs = [launch(owner, disk, machine) for machine in ("n1", "n3", "n2", "n3")]
    Task.objects.filter(job=jobs[-1]).update(priority=50)
    assert why(jobs[2]).startswith(f"Waiting: the vault 'disk' goes to job {jobs[0].number} first.")
    order = []
    for _ in jobs:
        found = [attempt for attempt in (take(host, name) for name in reversed(MACHINES)) if attempt]
        assert len(found) == 1
        order.append(found[0].task.job_id)
        finish(found[0])
    assert order == [job.number for job in jobs]


def test_jobs_of_two_team_members_take_turns_at_the_teams_vault(owner: User, teammate: User, host: Host) -> None:
    array = make_vault(owner.teams.get(), name="array", type=Vault.Type.BLOCK_ARRAY)
    first, second, third = launch(owner, array), launch(teammate, array), launch(teammate, array)
    attempt = take(host)
    assert attempt is not None
    assert attempt.task.job_id == first.number
    assert f"in use by job {first.number}, and 1 job is before this one." in why(third)
    finish(attempt, FailureClass.USER)
    attempt = take(host)
    assert attempt is not None
    assert attempt.task.job_id == second.number


def test_a_read_only_launch_takes_the_vault_too(owner: User, host: Host, disk: Vault) -> None:
    launch(owner, disk, vault_readonly=True)
    second = launch(owner, disk, vault_readonly=True)
    assert take(host) is not None
    assert take(host) is None
    assert waits(second)


def test_other_vaults_and_other_jobs_do_not_wait(owner: User, host: Host, disk: Vault) -> None:
    make_vault(owner, name="files")
    launch(owner, disk)
    assert take(host) is not None
    launch(owner, disk)
    for vault in ("files", "files", "NONE"):
        launch(owner, vault)
    assert [bool(take(host)) for _ in range(4)] == [True, True, True, False]


def test_cancelling_who_is_next_passes_the_turn_on(owner: User, host: Host, disk: Vault) -> None:
    first, second, third = (launch(owner, disk) for _ in range(3))
    services.cancel(job=second, actor=owner)
    services.cancel(job=first, actor=owner)
    assert not waits(third)
    assert not Task.objects.filter(waits_for__isnull=False).exists()
    attempt = take(host)
    assert attempt is not None
    assert attempt.task.job_id == third.number


def test_a_try_that_is_repeated_keeps_its_vault(owner: User, host: Host, disk: Vault) -> None:
    first, second = launch(owner, disk), launch(owner, disk)
    attempt = take(host)
    assert attempt is not None
    finish(attempt, FailureClass.INFRA, retry=True)
    assert (holder(disk), waits(second)) == (first.number, True)
    Task.objects.filter(job=first).update(ready_at=timezone.now() - timedelta(minutes=1))
    again = take(host)
    assert again is not None
    assert (again.task.job_id, again.number) == (first.number, 2)
    stages.lose(again, "The host is gone.")  # it may have written: not run again by itself
    assert holder(disk) is None
    assert not waits(second)


def test_a_job_that_can_not_start_does_not_hold_up_those_behind_it(owner: User, teammate: User, host: Host) -> None:
    crew = make_vault(owner.teams.get(), name="crew", type=Vault.Type.BLOCK)
    make_machine("n9", requires=["gpu=a100"])
    unserved = launch(owner, crew, "n9")
    blocker = make_job(owner, state=JobState.RUNNING)
    OwnerLoad.objects.filter(owner=owner).update(running_max=1)
    full = launch(owner, crew)
    ready = launch(teammate, crew)
    behind = launch(teammate, crew)
    assert [waits(job) for job in (unserved, full, ready, behind)] == [False, False, False, True]
    assert "no host" in why(unserved) or "limit" in why(unserved)
    attempt = take(host)
    assert attempt is not None
    assert attempt.task.job_id == ready.number
    finish(Attempt.objects.get(task__job=blocker))
    assert take(host) is None  # the limit is no more, the vault is taken
    assert waits(full)
    finish(attempt)
    attempt = take(host)
    assert attempt is not None
    assert attempt.task.job_id == full.number


def test_limits_of_the_owner_leave_those_who_wait_for_a_vault_alone(owner: User, host: Host, disk: Vault) -> None:
    launch(owner, disk)
    attempt = take(host)
    assert attempt is not None
    second = launch(owner, disk)
    for _ in range(2):
        assert limits.put_right() == set()
        assert waits(second)
    plain = launch(owner, "NONE")
    Task.objects.filter(job=plain).update(state=TaskState.HELD)
    assert limits.put_right() == {"n1"}
    assert waits(second)


# What a crash may leave


def test_a_vault_of_a_job_that_has_ended_is_freed_by_the_next_look_round(owner: User, host: Host, disk: Vault) -> None:
    ended = make_job(owner, state=JobState.FAILED)
    second = launch(owner, disk)
    Vault.objects.filter(pk=disk.pk).update(held_by=ended)
    Task.objects.filter(job=second).update(state=TaskState.HELD, waits_for=disk)
    assert vault_locks.put_right() == {"n1"}
    assert (holder(disk), waits(second)) == (None, False)
    assert vault_locks.put_right() == set()
    assert take(host) is not None


def test_a_vault_that_is_removed_leaves_nobody_waiting(owner: User, host: Host, disk: Vault) -> None:
    first, second = launch(owner, disk), launch(owner, disk)
    attempt = take(host)
    assert attempt is not None
    disk.delete()
    finish(attempt)
    assert limits.put_right() <= {"n1"}
    then = take(host)
    assert then is not None
    assert (first.number, then.task.job_id) == (attempt.task.job_id, second.number)


def test_two_claims_of_ready_jobs_never_both_get_the_vault(owner: User, host: Host, disk: Vault) -> None:
    first, second = launch(owner, disk), launch(owner, disk, "n2")
    Task.objects.filter(job=second).update(state=TaskState.READY, waits_for=None)
    assert take(host, "n2") is not None
    assert take(host, "n1") is None
    assert (holder(disk), waits(first)) == (second.number, True)


@pytest.mark.django_db(transaction=True)
def test_a_claim_does_not_wait_for_a_row_that_somebody_is_busy_with(settings: object, owner: User) -> None:
    make_machine("n1")
    host, disk = make_host(), make_vault(owner, name="disk", type=Vault.Type.BLOCK)
    launch(owner, disk)
    busy, done = threading.Event(), threading.Event()

    def measure() -> None:
        from django.db import transaction

        with transaction.atomic():
            Vault.objects.select_for_update(no_key=True).get(pk=disk.pk)
            busy.set()
            done.wait(10)
        connection.close()

    other = threading.Thread(target=measure)
    other.start()
    busy.wait(10)
    assert take(host) is None
    done.set()
    other.join(10)
    Task.objects.update(ready_at=timezone.now() - timedelta(minutes=1))
    assert take(host) is not None


# Races


class Traffic:
    """Three workers that claim and settle as they please, and what may never be seen beside them."""

    def __init__(self, host: Host, vaults: list[Vault]) -> None:
        self.host, self.vaults = host, vaults
        self.over = threading.Event()
        self.faults: list[str] = []
        self.begun: list[int] = []

    def work(self, machine: str, seed: int) -> None:
        chance = random.Random(seed)
        try:
            while not self.over.is_set():
                attempt = take(self.host, machine)
                if attempt is None:
                    vault_locks.put_right()
                    limits.put_right()
                    time.sleep(0.002)
                    continue
                self.begun.append(attempt.task.job_id)
                self.look()
                time.sleep(chance.random() * 0.004)
                failed = chance.choice([None, None, FailureClass.USER])
                stages.settle(attempt, Outcome(failed, "Ended.", 0))
        except Exception as fault:  # noqa: BLE001 - whatever it is, the test shows it
            self.faults.append(repr(fault))
        finally:
            connection.close()

    def look(self) -> None:
        for vault in self.vaults:
            running = Job.objects.filter(vault=vault, state=JobState.RUNNING).count()
            if running > 1:
                self.faults.append(f"{running} jobs run on {vault.name}")


@pytest.mark.django_db(transaction=True)
def test_three_workers_never_run_two_jobs_on_one_vault_and_all_jobs_end() -> None:
    people = [make_person(f"racer{number}") for number in range(3)]
    crew = make_team(*people, name="Racers")
    for name in MACHINES:
        make_machine(name)
    host = make_host(serves=dict.fromkeys(MACHINES, 3))
    vaults = [make_vault(crew, name=f"disk{number}", type=Vault.Type.BLOCK) for number in range(2)]
    version = make_version()
    traffic = Traffic(host, vaults)
    threads = [threading.Thread(target=traffic.work, args=(name, n)) for n, name in enumerate(MACHINES)]
    for thread in threads:
        thread.start()
    chance, jobs = random.Random(7), []
    for number in range(36):
        submission = Submission(
            "throw", {"darts": 100}, machine=chance.choice(MACHINES), vault=chance.choice(vaults).name
        )
        jobs.append(services.submit(owner=people[number % 3], version=version, submission=submission).job)
        if chance.random() < 0.15:
            victim = chance.choice(jobs)
            victim.refresh_from_db()
            if not victim.terminal:
                services.cancel(job=victim, actor=victim.owner)
    until = time.monotonic() + 60
    while Job.objects.active().exists() and time.monotonic() < until and not traffic.faults:
        time.sleep(0.05)
    traffic.over.set()
    for thread in threads:
        thread.join(20)
    assert traffic.faults == []
    assert not Job.objects.active().exists()
    assert len(traffic.begun) == len(set(traffic.begun))
    assert not Vault.objects.filter(held_by__isnull=False).exists()
    assert not Task.objects.filter(waits_for__isnull=False).exists()
    assert all((load.running, load.queued) == (0, 0) for load in OwnerLoad.objects.all())


@pytest.mark.parametrize("vault", ["NONE", "files"])
def test_jobs_without_such_a_vault_cost_the_claim_nothing_more(
    owner: User,
    host: Host,
    disk: Vault,
    vault: str,
    django_assert_num_queries: Callable[[int], AbstractContextManager[object]],
) -> None:
    make_vault(owner, name="files")
    launch(owner, vault)
    machine = make_machine("n1")
    with django_assert_num_queries(9):  # a savepoint and its release, and the claim's own seven
        found = claim.claim(host=host, incarnation=host.incarnation, machine_id=machine.pk, slot=0, prefix="slipway")
    assert found is not None
