"""Pausing and resuming: who may, when, and what is written about it."""

from __future__ import annotations

import pytest

from jobs import services
from jobs.models import Job, JobEvent
from jobs.states import JobState
from portal.errors import Conflict, Forbidden
from portal.people.models import AuditEvent, User
from tests.factories import make_job

pytestmark = pytest.mark.django_db


def told(job: Job) -> list[str]:
    return list(JobEvent.objects.filter(job=job).values_list("message", flat=True))


def test_a_running_job_is_paused_and_resumed_once_each_with_an_event(owner: User) -> None:
    job = make_job(owner, state=JobState.RUNNING)
    for _ in range(2):
        assert services.pause(job=job, actor=owner).paused
    for _ in range(2):
        assert not services.resume(job=job, actor=owner).paused
    assert told(job) == ["Paused by owner.", "Resumed by owner."]
    assert set(AuditEvent.objects.values_list("action", flat=True)) == {"job.pause", "job.resume"}


def test_an_operator_may_pause_and_is_named(owner: User, operator: User) -> None:
    job = make_job(owner, state=JobState.RUNNING)
    services.pause(job=job, actor=operator)
    assert told(job) == ["Paused by operator."]


def test_teammates_may_look_and_not_pause(owner: User, teammate: User) -> None:
    job = make_job(owner, state=JobState.RUNNING, team=owner.teams.get())
    for act in (services.pause, services.resume):
        with pytest.raises(Forbidden):
            act(job=job, actor=teammate)
    assert told(job) == []


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (JobState.QUEUED, "not_running"),
        (JobState.SUCCEEDED, "already_ended"),
        (JobState.FAILED, "already_ended"),
        (JobState.CANCELLED, "already_ended"),
    ],
)
def test_only_what_runs_can_be_paused_or_resumed(owner: User, state: JobState, code: str) -> None:
    job = make_job(owner, state=state)
    for act in (services.pause, services.resume):
        with pytest.raises(Conflict) as caught:
            act(job=job, actor=owner)
        assert caught.value.code == code
    assert told(job) == []


def test_a_job_that_is_asked_to_stop_is_not_paused(owner: User) -> None:
    job = make_job(owner, state=JobState.RUNNING)
    services.cancel(job=job, actor=owner)
    job.refresh_from_db()
    with pytest.raises(Conflict) as caught:
        services.pause(job=job, actor=owner)
    assert caught.value.code == "stopping"


def test_a_paused_job_that_has_ended_is_not_paused_any_more(owner: User) -> None:
    job = services.pause(job=make_job(owner, state=JobState.RUNNING), actor=owner)
    job.state = JobState.CANCELLED
    assert not job.paused
