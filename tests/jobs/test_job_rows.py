"""A job's rows for executions: read once for the tasks of a fan-out, each time for all else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from jobs import job_rows
from jobs.job_rows import KEPT_S, JobRows
from jobs.models import Job, Task
from jobs.states import Stage
from portal.people.models import User
from tests.factories import make_job
from tests.jobs.stage_jobs import job_of

pytestmark = pytest.mark.django_db
Queries = Callable[[int], AbstractContextManager[object]]


def task(job: Job, index: int = 0, stage: Stage = Stage.RUN) -> Task:
    return Task.objects.get(job=job, stage=stage, index=index)


def test_tasks_of_a_fan_out_share_their_rows_for_a_moment(owner: User, django_assert_num_queries: Queries) -> None:
    job = job_of(owner, 3)
    now = 100.0
    kept = JobRows(clock=lambda: now)
    first, second = task(job, 0), task(job, 1)
    with django_assert_num_queries(2):
        rows = kept.of(first)
    assert rows.job == job
    assert rows.stage is not None
    assert rows.stage.stage == Stage.RUN
    with django_assert_num_queries(0):
        assert kept.of(second) is rows
    now += KEPT_S
    with django_assert_num_queries(2):
        assert kept.of(second) is not rows


def test_other_stages_and_jobs_without_are_read_each_time(owner: User, django_assert_num_queries: Queries) -> None:
    kept = JobRows()
    job = job_of(owner, 1)
    alone = Task.objects.get(job=make_job(owner))
    kept.of(task(job))
    partition = task(job, stage=Stage.PARTITION)
    for _ in range(2):
        with django_assert_num_queries(2):
            rows = kept.of(partition)
        assert rows.stage is not None
        assert rows.stage.stage == Stage.PARTITION
    for _ in range(2):
        with django_assert_num_queries(1):
            assert kept.of(alone).stage is None


def test_what_is_kept_is_bounded_and_makes_room(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_rows, "KEPT_MOST", 2)
    now = 0.0
    kept = JobRows(clock=lambda: now)
    tasks = [task(job_of(owner, 1)) for _ in range(3)]
    for one in tasks:
        kept.of(one)
    assert len(kept._kept) == 2
    now += KEPT_S
    assert kept.of(tasks[-1]).job.pk == tasks[-1].job_id
    assert list(kept._kept) == [tasks[-1].job_id]
