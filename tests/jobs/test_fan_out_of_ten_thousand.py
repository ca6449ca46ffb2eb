"""A fan-out of 10,000 chunks on the runtime in memory: accepted at once, cancelled half way; and results without end."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from django.test import Client

from jobs import services
from jobs.models import Attempt, Job, JobStage, OwnerLoad, Task
from jobs.runtimes.base import ContainerSpec, Exited
from jobs.services import fan_out
from jobs.states import ATTEMPT_OPEN, JobState, Stage
from portal.people.models import User
from tests.jobs.bundles import asked, figures, submit
from tests.jobs.fan_outs import Stages, chunks, place
from tests.jobs.workers import Start, ended

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
MANY = 10_000
ACCEPTED_S = 30.0  # no measurement, bench/fanout has that: one statement a task would take minutes


def within(found: Any, seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < until, f"{what} did not come within {seconds} s"
        time.sleep(0.01)


def test_ten_thousand_are_accepted_at_once_and_cancelled_half_way(as_owner: Client, owner: User, start: Start) -> None:
    written: list[float] = []

    def partition(spec: ContainerSpec) -> None:
        chunks(MANY)(spec)
        written.append(time.monotonic())

    stages = Stages(partition=partition, duration_s=0.05)
    runtime = stages.runtime()
    job = submit(owner)
    start(runtime, n1=8)
    rows = JobStage.objects.filter(job=job, stage=Stage.RUN, total=MANY)
    within(rows.exists, 60, "The opening of the stage")
    page = as_owner.get(f"/api/v1/jobs/{job.number}/tasks?stage=run&limit=200")
    accepted_s = time.monotonic() - written[0]
    assert (page.status_code, len(page.json()["items"])) == (200, 200)
    assert accepted_s < ACCEPTED_S
    within(lambda: figures(job)[2] >= 100, 60, "The first hundred")
    asked_at = time.monotonic()
    services.cancel(job=Job.objects.get(pk=job.pk), actor=owner)
    assert time.monotonic() - asked_at < ACCEPTED_S
    ended(job, 60)
    assert job.state == JobState.CANCELLED
    started = len(stages.seen)
    _, total, succeeded, failed, cancelled = figures(job)
    assert (total, failed, succeeded + cancelled) == (MANY, 0, MANY)
    assert job.tasks_done == job.tasks_total == MANY + 1
    assert not Attempt.objects.filter(state__in=ATTEMPT_OPEN).exists()
    time.sleep(1.5)
    assert len(stages.seen) == started
    assert all(isinstance(runtime.observe(handle), Exited) for handle in runtime.owned("slipway.host", "one"))
    load = OwnerLoad.objects.get(owner=owner)
    assert (load.queued, load.running) == (0, 0)
    # What has finished is taken over, however much it is.
    again = fan_out.retry_failed(job=job, actor=owner)
    assert figures(again)[1:3] == (MANY, succeeded)
    services.cancel(job=again, actor=owner)


def test_cancels_at_random_moments_have_one_winner_each(owner: User, start: Start) -> None:
    stages = Stages(partition=chunks(6), duration_s=0.02)
    start(stages.runtime(), n1=8)
    OwnerLoad.objects.update_or_create(owner=owner, defaults={"running_max": 50})
    what = asked()
    jobs = []
    for number in range(30):
        jobs.append(fan_out.submit(owner=owner, asked=what).job)
        if number >= 5:
            job = jobs[number - 5]
            job.refresh_from_db()
            if not job.terminal:
                services.cancel(job=job, actor=owner)
    for job in jobs:
        ended(job, 60)
        assert job.state in (JobState.CANCELLED, JobState.SUCCEEDED)
        assert job.events.filter(kind__in=["cancelled", "succeeded", "failed"]).count() == 1
        assert not Task.objects.filter(job=job, state__in=("held", "ready", "running")).exists()
    load = OwnerLoad.objects.get(owner=owner)
    assert (load.queued, load.running) == (0, 0)


def endless(spec: ContainerSpec) -> None:
    for number in range(1000):
        (place(spec, "/job/results") / f"n{number}").touch()


def odd(spec: ContainerSpec) -> None:
    folder = place(spec, "/job/results")
    (folder / "sparse").touch()
    os.truncate(folder / "sparse", 2**40)
    deep = folder
    for _ in range(40):
        deep = deep / "d"
        deep.mkdir()
    (deep / "bottom.txt").write_text("far")
    (folder / "out.txt").write_text("kept")
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("/etc/passwd")


@pytest.mark.parametrize(("run", "said"), [(endless, "there are more"), (odd, "1 result was left out")])
def test_endless_and_odd_results_of_a_task_are_cut_with_a_mark(
    owner: User, start: Start, settings: Any, run: Any, said: str
) -> None:
    settings.RESULTS_FILES_MAX, settings.RESULTS_LIMIT_MIB = 200, 1
    start(Stages(partition=chunks(1), run=run).runtime())
    job = ended(submit(owner, assembler=None))
    assert job.state == JobState.SUCCEEDED
    task = Task.objects.get(job=job, stage=Stage.RUN)
    assert said in task.reason
    kept = task.results.exclude(stored="")
    assert task.results.count() <= 200
    assert sum(kept.values_list("size", flat=True)) <= 2**20
    assert set(kept.values_list("flat_name", flat=True)) == set(kept.values_list("path", flat=True))
    if run is odd:
        assert [result.path for result in kept] == ["out.txt"]
