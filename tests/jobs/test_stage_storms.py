"""Jobs in stages under many hands at once, on real PostgreSQL: whatever happens when, counters equal counts.

Threads claim and settle with chance outcomes, settle twice, lose hosts, cancel and put right. Afterwards each task has
ended once, each job once, and what assembles was opened at most once.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections

from jobs import claim, services, stage_counting, stages
from jobs.models import Attempt, Host, Job, JobStage, OwnerLoad, Task
from jobs.models.jobs import LostRace
from jobs.outcomes import Chunk, Outcome
from jobs.services import fan_out
from jobs.states import ATTEMPT_OPEN, JOB_TERMINAL, TASK_TERMINAL, FailureClass, Stage
from portal.errors import Conflict
from portal.people.models import User
from tests.factories import make_host, make_machine
from tests.jobs.bundles import asked, submit

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
HANDS = 4
CHUNKS = 24
PATIENCE_S = 60


def outcome(chance: random.Random, attempt: Attempt, spoil: float) -> Outcome:
    drawn = chance.random()
    if attempt.task.stage == Stage.PARTITION:
        chunks = tuple(Chunk(f"chunks/{attempt.task.job_id}/{n}", 1) for n in range(CHUNKS))
        return Outcome(None, "Finished.", 0, chunks=chunks)
    if drawn < spoil:
        return Outcome(FailureClass.USER, "The program ended with exit code 1.", 1)
    if drawn < spoil + 0.05:
        return Outcome(FailureClass.OOM, "It ran out of memory.", 137)
    return Outcome(None, "Finished.", 0)


def work(host: Host, machine_id: int, seed: int, spoil: float, until: threading.Event) -> None:
    """What a slot does, in a hurry: no container, an end at once, sometimes twice."""
    chance = random.Random(seed)
    try:
        while not until.is_set():
            attempt = claim.claim(
                host=host, incarnation=host.incarnation, machine_id=machine_id, slot=seed, prefix=f"slipway-{seed}"
            )
            if attempt is None:
                time.sleep(0.01)
                continue
            try:
                if chance.random() < 0.05:
                    stages.lose(attempt, "The host is silent.")
                    Task.objects.filter(pk=attempt.task_id).update(ready_at="2020-01-01T00:00Z")
                stages.settle(attempt, outcome(chance, attempt, spoil))
                stages.settle(attempt, Outcome(None, "A second time.", 0))
            except LostRace:
                pass
    finally:
        connection.close()


def storm(jobs: list[Job], *, seed: int, spoil: float, cancel_after_s: float | None = None) -> None:
    host, machine = make_host(), make_machine()
    until = threading.Event()
    with ThreadPoolExecutor(HANDS) as hands:
        begun = [hands.submit(work, host, machine.pk, seed * 100 + n, spoil, until) for n in range(HANDS)]
        end = time.monotonic() + PATIENCE_S
        started = time.monotonic()
        try:
            while Job.objects.filter(pk__in=[job.pk for job in jobs]).exclude(state__in=JOB_TERMINAL).exists():
                assert time.monotonic() < end, list(Job.objects.values("number", "state", "stop_reason"))
                if cancel_after_s is not None and time.monotonic() - started > cancel_after_s:
                    cancel_after_s = None
                    for job in jobs:
                        try:
                            services.cancel(job=Job.objects.get(pk=job.pk), actor=job.owner)
                        except Conflict:
                            continue
                # What the watchers do for a job that is to end: a container of it is stopped, an end follows.
                stage_counting.put_right()
                time.sleep(0.02)
        finally:
            until.set()
        for one in begun:
            one.result(timeout=10)
    connections.close_all()
    for job in jobs:
        check(Job.objects.get(pk=job.pk))


def check(job: Job) -> None:
    tasks = list(Task.objects.filter(job=job))
    assert all(task.state in TASK_TERMINAL for task in tasks)
    counts = Counter((task.stage, task.state) for task in tasks)
    for row in JobStage.objects.filter(job=job):
        said = (row.succeeded, row.failed, row.cancelled)
        assert said == tuple(counts[row.stage, state] for state in ("succeeded", "failed", "cancelled")), row
        assert row.total == sum(said), row
        assert row.state in ("succeeded", "failed", "cancelled", "skipped"), row
    assert job.tasks_done == job.tasks_total == len(tasks)
    assert sum(task.stage == Stage.ASSEMBLE for task in tasks) <= 1
    assert job.events.filter(kind__in=[str(state) for state in JOB_TERMINAL]).count() == 1
    assert not Attempt.objects.filter(task__job=job, state__in=ATTEMPT_OPEN).exists()
    load = OwnerLoad.objects.get(owner=job.owner_id)
    assert (load.queued, load.running) == (0, 0)


@pytest.mark.parametrize("seed", range(3))
def test_a_job_that_allows_failures_is_assembled_once(owner: User, seed: int) -> None:
    job = submit(owner, config={"maxTaskRetries": 2, "max_failed_tasks": CHUNKS})
    storm([job], seed=seed, spoil=0.3)
    job.refresh_from_db()
    assert job.state in ("succeeded", "failed")
    assert Task.objects.filter(job=job, stage=Stage.RUN).count() == CHUNKS


def test_jobs_that_fail_end_once_and_their_rest_is_retried(owner: User) -> None:
    what = asked(config={"maxTaskRetries": 1})
    make_machine()
    jobs = [fan_out.submit(owner=owner, asked=what).job for _ in range(4)]
    storm(jobs, seed=11, spoil=0.1)
    failed = [job for job in Job.objects.filter(pk__in=[job.pk for job in jobs]) if job.state == "failed"]
    again = [fan_out.retry_failed(job=job, actor=owner) for job in failed]
    Host.objects.all().update(name="before")
    storm(again, seed=12, spoil=0.0)
    for job in again:
        job.refresh_from_db()
        assert job.state in ("succeeded", "failed")
        assert Task.objects.filter(job=job, stage=Stage.RUN).count() == CHUNKS


@pytest.mark.parametrize("moment", [0.0, 0.1, 0.3, 0.6])
def test_a_cancel_at_any_moment_has_one_winner(owner: User, moment: float) -> None:
    what = asked(config={"max_failed_tasks": 5})
    make_machine()
    jobs = [fan_out.submit(owner=owner, asked=what).job for _ in range(4)]
    storm(jobs, seed=21, spoil=0.05, cancel_after_s=moment)


def test_fifty_submits_at_once_with_one_key_make_one_job(owner: User) -> None:
    what = asked()
    make_machine()

    def send(number: int) -> int:
        try:
            return fan_out.submit(owner=owner, asked=what, key="one", body_digest="d").job.number
        finally:
            connection.close()

    with ThreadPoolExecutor(50) as clients:
        numbers = set(clients.map(send, range(50)))
    assert len(numbers) == 1
    assert Job.objects.count() == JobStage.objects.count() // 3 == Task.objects.count() == 1
    assert OwnerLoad.objects.get(owner=owner).queued == 1


def test_two_clicks_on_run_queue_it_once(owner: User) -> None:
    make_machine()
    job = fan_out.draft(owner=owner, asked=asked())

    def click(number: int) -> bool:
        try:
            fan_out.run(job=Job.objects.get(pk=job.pk), actor=owner)
            return True
        except Conflict:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as clicks:
        assert sum(clicks.map(click, range(8))) == 1
    assert Task.objects.count() == 1
