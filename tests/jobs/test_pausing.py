"""Pausing and resuming: who may, when, what is written about it, and that a worker does it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from jobs import services
from jobs.models import Host, Job, JobEvent
from jobs.runtimes.fake import FakeRuntime
from jobs.states import JobState
from portal.errors import Conflict, Forbidden
from portal.people.models import AuditEvent, User
from tests.factories import make_job
from tests.jobs.pages import client_of
from tests.jobs.workers import Start, ended, launch, program, running
from tests.portal.test_api import assert_problem, bearer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


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


# -- its doors --------------------------------------------------------------------------------------------------------


def test_the_page_offers_pause_and_then_resume(as_owner: Client, owner: User) -> None:
    job = make_job(owner, state=JobState.RUNNING)
    url = reverse("jobs:job", args=[job.number])
    shown = as_owner.get(url).content.decode()
    assert 'id="job-pause"' in shown
    assert 'id="job-resume"' not in shown
    shown = as_owner.post(reverse("jobs:job-pause", args=[job.number]), follow=True).content.decode()
    assert f"Job {job.number} is paused." in shown
    assert "Paused on host one. It keeps its memory and its slot, and its time limit goes on counting." in shown
    assert 'id="job-resume"' in shown
    assert 'id="job-pause"' not in shown
    shown = as_owner.post(reverse("jobs:job-resume", args=[job.number]), follow=True).content.decode()
    assert "Running on host one." in shown
    assert 'id="job-pause"' in shown


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.SUCCEEDED])
def test_the_page_offers_neither_where_nothing_runs(as_owner: Client, owner: User, state: JobState) -> None:
    job = make_job(owner, state=state)
    shown = as_owner.get(reverse("jobs:job", args=[job.number])).content.decode()
    assert "job-pause" not in shown
    assert "job-resume" not in shown
    assert as_owner.post(reverse("jobs:job-pause", args=[job.number])).status_code == 409


def test_the_page_offers_neither_to_a_teammate_or_where_it_is_stopping(owner: User, teammate: User) -> None:
    job = make_job(owner, state=JobState.RUNNING, team=owner.teams.get())
    url = reverse("jobs:job", args=[job.number])
    assert b"job-pause" not in client_of(teammate).get(url).content
    services.cancel(job=job, actor=owner)
    assert b"job-pause" not in client_of(owner).get(url).content


def test_the_api_pauses_and_resumes(client: Client, owner: User, stranger: User) -> None:
    job = make_job(owner, state=JobState.RUNNING)
    paused = client.post(f"/api/v1/jobs/{job.number}/pause", headers=bearer(owner, "launch"))
    assert (paused.status_code, paused.json()["state"]) == (200, "running")
    assert paused.json()["pause_requested_at"] is not None
    resumed = client.post(f"/api/v1/jobs/{job.number}/resume", headers=bearer(owner, "launch"))
    assert (resumed.status_code, resumed.json()["pause_requested_at"]) == (200, None)
    assert_problem(client.post(f"/api/v1/jobs/{job.number}/pause", headers=bearer(owner, "read")), 403, "scope_missing")
    assert_problem(client.post(f"/api/v1/jobs/{job.number}/pause", headers=bearer(stranger, "launch")), 404)
    waiting = make_job(owner)
    for verb in ("pause", "resume"):
        answer = client.post(f"/api/v1/jobs/{waiting.number}/{verb}", headers=bearer(owner, "launch"))
        assert_problem(answer, 409, "not_running")


# -- carried out ------------------------------------------------------------------------------------------------------


def observed(runtime: FakeRuntime, job: Job) -> bool:
    """Whether its containers stand still."""
    attempt = running(job)
    return runtime._containers[attempt.name].paused is not None


@pytest.mark.django_db(transaction=True)
def test_a_worker_pauses_and_resumes_what_runs(owner: User, start: Start) -> None:
    runtime = FakeRuntime(program=program(duration_s=4))
    start(runtime)
    job = launch(owner)
    running(job)
    job.refresh_from_db()
    services.pause(job=job, actor=owner)
    until(lambda: observed(runtime, job))
    services.resume(job=job, actor=owner)
    until(lambda: not observed(runtime, job))
    assert ended(job).state == JobState.SUCCEEDED


@pytest.mark.django_db(transaction=True)
def test_a_paused_job_is_cancelled_and_its_time_limit_goes_on(owner: User, start: Start) -> None:
    runtime = FakeRuntime(program=program(duration_s=60))
    start(runtime)
    cancelled, limited = launch(owner), launch(owner, walltime_s=3)
    for job in (cancelled, limited):
        running(job)
        job.refresh_from_db()
        services.pause(job=job, actor=owner)
        until(lambda job=job: observed(runtime, job))  # type: ignore[misc]
    services.cancel(job=cancelled, actor=owner)
    assert ended(cancelled).state == JobState.CANCELLED
    assert ended(limited).failure_class == "timeout"


@pytest.mark.django_db(transaction=True)
def test_the_next_process_learns_what_was_asked_while_none_was_there(owner: User, start: Start) -> None:
    runtime = FakeRuntime(program=program(duration_s=6))
    first = start(runtime)
    job = launch(owner)
    running(job)
    job.refresh_from_db()
    services.pause(job=job, actor=owner)
    until(lambda: observed(runtime, job))
    first.watcher.superseded.set()
    first.leave()
    services.resume(job=job, actor=owner)
    Host.objects.filter(pk=first.host.pk).update(incarnation=uuid.uuid4())
    start(runtime, host=Host.objects.get(pk=first.host.pk))
    until(lambda: not observed(runtime, job))
    assert ended(job).state == JobState.SUCCEEDED


def until(true: Callable[[], bool]) -> None:
    limit = time.monotonic() + 10
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.05)
