"""Settling: success, failures, retries, lost hosts, cancel; the counters; and refusal of old attempts."""

from __future__ import annotations

import pytest
from django.db.models.functions import Now

from jobs import claim, limits, services, stages
from jobs.models import Attempt, Host, Job, OwnerLoad
from jobs.models.jobs import LostRace
from jobs.outcomes import Outcome
from jobs.states import FailureClass, JobState, TaskState
from portal.errors import Conflict, Forbidden
from portal.people.models import User
from tests.factories import make_host, make_job, make_machine, make_vault

pytestmark = pytest.mark.django_db


def begin(job: Job) -> Attempt:
    host = Host.objects.first() or make_host()
    attempt = claim.claim(
        host=host, incarnation=host.incarnation, machine_id=make_machine().pk, slot=0, prefix="slipway-test"
    )
    assert attempt is not None
    assert attempt.task.job_id == job.number
    return attempt


@pytest.mark.parametrize(
    ("failure", "task_state", "job_state"),
    [
        (None, TaskState.SUCCEEDED, JobState.SUCCEEDED),
        (FailureClass.USER, TaskState.FAILED, JobState.FAILED),
        (FailureClass.OOM, TaskState.FAILED, JobState.FAILED),
        (FailureClass.TIMEOUT, TaskState.FAILED, JobState.FAILED),
        (FailureClass.INFRA, TaskState.FAILED, JobState.FAILED),
        (FailureClass.CANCELLED, TaskState.CANCELLED, JobState.CANCELLED),
    ],
)
def test_an_end_becomes_the_tasks_and_the_jobs(
    owner: User, failure: FailureClass | None, task_state: TaskState, job_state: JobState
) -> None:
    job = make_job(owner)
    stages.settle(begin(job), Outcome(failure, "So it went.", 7))
    job.refresh_from_db()
    assert (job.tasks.get().state, job.state, job.exit_code, job.reason) == (task_state, job_state, 7, "So it went.")
    assert job.failure_class == (failure or "")
    load = OwnerLoad.objects.get(owner=owner)
    assert (load.queued, load.running) == (0, 0)


def test_infra_is_retried_three_times_and_then_fails(owner: User) -> None:
    job = make_job(owner)
    for number in range(1, 5):
        attempt = begin(job)
        assert attempt.number == number
        task = stages.settle(attempt, Outcome(FailureClass.INFRA, "No engine.", retry=True))
        type(task).objects.filter(pk=task.pk).update(ready_at=Now())
    job.refresh_from_db()
    assert (job.state, job.failure_class) == (JobState.FAILED, FailureClass.INFRA)
    assert job.events.filter(kind="retry").count() == 3


def test_an_old_attempts_end_is_refused(owner: User) -> None:
    job = make_job(owner)
    old = begin(job)
    task = stages.settle(old, Outcome(FailureClass.INFRA, "Away.", retry=True))
    type(task).objects.filter(pk=task.pk).update(ready_at=Now())
    begin(job)
    with pytest.raises(LostRace):
        stages.settle(old, Outcome(None, "Finished after all.", 0))
    job.refresh_from_db()
    assert job.state == JobState.RUNNING


def test_settling_twice_is_refused(owner: User) -> None:
    job = make_job(owner)
    attempt = begin(job)
    stages.settle(attempt, Outcome(None, "Finished.", 0))
    with pytest.raises(LostRace):
        stages.settle(attempt, Outcome(FailureClass.USER, "No.", 1))
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED


def test_a_lost_host_means_another_run_only_where_that_is_safe(owner: User) -> None:
    safe, unsafe = make_job(owner), make_job(owner, vault=make_vault(owner))
    stages.lose(begin(safe), "Silent.")
    stages.lose(begin(unsafe), "Silent.")
    safe.refresh_from_db()
    unsafe.refresh_from_db()
    assert safe.tasks.get().state == TaskState.READY
    assert (unsafe.state, unsafe.failure_class) == (JobState.FAILED, FailureClass.INFRA)


def test_what_was_asked_to_stop_is_not_tried_again(owner: User) -> None:
    job = make_job(owner)
    attempt = begin(job)
    services.cancel(job=job, actor=owner)
    stages.lose(attempt, "Host one is silent.")
    job.refresh_from_db()
    assert (job.state, job.tasks.get().state) == (JobState.CANCELLED, TaskState.CANCELLED)
    assert job.reason == "Cancelled. Host one is silent."
    assert OwnerLoad.objects.get(owner=owner).running == 0


def test_an_end_releases_what_the_limit_held(owner: User) -> None:
    first = make_job(owner)
    OwnerLoad.objects.filter(owner=owner).update(running_max=1)
    second, third = make_job(owner), make_job(owner)
    attempt = begin(first)
    limits.put_right()
    assert {second.tasks.get().state, third.tasks.get().state} == {TaskState.HELD}
    stages.settle(attempt, Outcome(None, "Finished.", 0))
    assert (second.tasks.get().state, third.tasks.get().state) == (TaskState.READY, TaskState.HELD)


def test_cancel_before_the_start_ends_the_job_at_once(owner: User) -> None:
    job = services.cancel(job=make_job(owner), actor=owner)
    assert (job.state, job.tasks.get().state) == (JobState.CANCELLED, TaskState.CANCELLED)
    assert OwnerLoad.objects.get(owner=owner).queued == 0
    with pytest.raises(Conflict):
        services.cancel(job=job, actor=owner)


def test_cancel_while_running_is_a_wish_that_its_watcher_fulfils(owner: User) -> None:
    job = make_job(owner)
    attempt = begin(job)
    job.refresh_from_db()
    job = services.cancel(job=job, actor=owner)
    assert job.state == JobState.RUNNING
    assert job.cancel_requested_at is not None
    stages.settle(attempt, Outcome(FailureClass.CANCELLED, "Cancelled.", 143))
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED


def test_others_may_not_cancel_but_operators_may(owner: User, teammate: User, operator: User) -> None:
    job = make_job(owner)
    with pytest.raises(Forbidden):
        services.cancel(job=job, actor=teammate)
    assert services.cancel(job=job, actor=operator).state == JobState.CANCELLED
