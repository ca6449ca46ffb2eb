"""A job's page: who sees what, what it says, what may be done there, and that words stay words."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from jobs.models import Attempt, Job, Result
from jobs.states import JobState
from jobs.views.job_words import sentence, steps
from portal.people.models import AuditEvent, User
from tests.factories import make_host, make_job, make_machine, make_result, make_team
from tests.jobs.pages import body_of, client_of, page

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"


def addresses(job: Job) -> list[str]:
    """Every page and file of a job that is read."""
    plain = [
        "job",
        "job-log",
        "job-metrics",
        "job-inputs",
        "job-results",
        "job-log-text",
        "job-usage",
        "job-results-zip",
    ]
    named = ["job-result-view", "job-result"]
    return [reverse(f"jobs:{name}", args=[job.number]) for name in plain] + [
        reverse(f"jobs:{name}", args=[job.number, "pi.txt"]) for name in named
    ]


# Who sees what


@pytest.mark.slow
def test_a_job_is_seen_by_its_owner_its_team_and_operators(
    owner: User, teammate: User, stranger: User, operator: User, curator: User
) -> None:
    own = make_job(owner, state=JobState.SUCCEEDED)
    shared = make_job(owner, state=JobState.SUCCEEDED, team=owner.teams.get())
    for job in (own, shared):
        make_result(job)
    for person, sees_own, sees_shared in (
        (owner, 200, 200),
        (teammate, 404, 200),
        (stranger, 404, 404),
        (curator, 404, 404),
        (operator, 200, 200),
    ):
        client = Client()
        client.force_login(person)
        for job, status in ((own, sees_own), (shared, sees_shared)):
            for path in addresses(job):
                answer = client.get(path)
                body_of(answer)
                assert answer.status_code == status, (person, path)


def test_teammates_may_look_but_not_cancel_or_share(teammate: User, owner: User, stranger: User) -> None:
    job = make_job(owner, team=owner.teams.get())
    for person, status in ((teammate, 403), (stranger, 404)):
        client = Client()
        client.force_login(person)
        for name in ("job-cancel", "job-share"):
            assert client.post(reverse(f"jobs:{name}", args=[job.number])).status_code == status
    assert "Cancel</button>" not in page(client_of(teammate), job.get_absolute_url())
    job.refresh_from_db()
    assert job.cancel_requested_at is None


@pytest.mark.parametrize("name", ["job-cancel", "job-rerun", "job-share"])
def test_what_changes_a_job_is_posted(as_owner: Client, owner: User, name: str) -> None:
    assert as_owner.get(reverse(f"jobs:{name}", args=[make_job(owner).number])).status_code == 405


def test_hostile_words_stay_words_everywhere(as_owner: Client, owner: User) -> None:
    plan = {"argv": [HOSTILE], "env": {HOSTILE: HOSTILE}, "files": [{"path": HOSTILE}], "mounts": [], "image": HOSTILE}
    job = make_job(
        owner, state=JobState.FAILED, label=HOSTILE, reason=HOSTILE, plan=plan, parameters={HOSTILE: HOSTILE}
    )
    job.events.create(kind="x", message=HOSTILE)
    make_result(job, "<b>.txt", HOSTILE.encode())
    Result.objects.create(job=job, task=job.tasks.get(), path=HOSTILE, size=0, skipped=HOSTILE)
    view = reverse("jobs:job-result-view", args=[job.number, "<b>.txt"])
    for path in ["/jobs/", view, *addresses(job)[:5]]:
        text = page(as_owner, path)
        assert HOSTILE not in text, path
        assert "&lt;" in text, path


# The page


def test_state_is_told_in_a_sentence(owner: User) -> None:
    def told(**over: Any) -> str:
        job = make_job(owner, **over)
        return sentence(job, Attempt.objects.filter(task__job=job).last())

    assert told().startswith("Waiting: no host that serves n1 is up")
    assert told(state=JobState.RUNNING, machine_type=make_machine("n2")) == "Running on host one."
    assert told(state=JobState.SUCCEEDED).startswith("Finished in ")
    assert told(state=JobState.FAILED, failure_class="oom").startswith("It needed more memory")
    assert "not your program" in told(state=JobState.FAILED, failure_class="infra", reason="Host one is lost.")
    assert told(state=JobState.CANCELLED, reason="Cancelled by owner.") == "Cancelled by owner."
    assert told(state=JobState.RUNNING, cancel_requested_at=timezone.now()).startswith("Stopping")


def test_steps_go_from_submitted_to_the_end(owner: User) -> None:
    def states(**over: Any) -> list[str]:
        job = make_job(owner, **over)
        return [step.state for step in steps(job, Attempt.objects.filter(task__job=job).last())]

    assert states() == ["done", "now", "todo", "todo", "todo"]
    assert states(state=JobState.RUNNING) == ["done", "done", "done", "now", "todo"]
    assert states(state=JobState.SUCCEEDED) == ["done", "done", "done", "done", "succeeded"]
    waiting = make_job(owner)
    waiting.state, waiting.finished_at = JobState.CANCELLED, timezone.now()
    assert [step.state for step in steps(waiting, None)] == ["done", "done", "skipped", "skipped", "cancelled"]


def test_a_waiting_job_names_the_missing_host_and_then_the_busy_slot(as_owner: Client, owner: User) -> None:
    machine = make_machine("gpu1", requires=["gpu=a100"])
    job = make_job(owner, machine_type=machine)
    assert "gpu=a100" in page(as_owner, job.get_absolute_url())
    make_host("g", serves={"gpu1": 1}, tags=["gpu=a100"])
    make_job(owner, state=JobState.RUNNING, machine_type=machine)
    assert "the slot of gpu1 is busy" in page(as_owner, job.get_absolute_url())


def test_cancel_asks_and_says_so(as_owner: Client, owner: User) -> None:
    job = make_job(owner)
    answer = as_owner.post(reverse("jobs:job-cancel", args=[job.number]), follow=True)
    assert f"Job {job.number} is cancelled" in answer.content.decode()
    again = as_owner.post(reverse("jobs:job-cancel", args=[job.number]))
    assert again.status_code == 409
    assert "has ended already" in again.content.decode()


def test_sharing_is_with_a_team_of_ones_own(as_owner: Client, owner: User, teammate: User, stranger: User) -> None:
    job = make_job(owner)
    theirs = make_team(stranger)
    address = reverse("jobs:job-share", args=[job.number])
    for slug in (theirs.slug, "none-such"):
        assert as_owner.post(address, {"team": slug}).status_code == 404
    as_owner.post(address, {"team": owner.teams.get().slug})
    assert Job.objects.visible_to(teammate).filter(pk=job.pk).exists()
    as_owner.post(address, {"team": ""})
    assert not Job.objects.visible_to(teammate).filter(pk=job.pk).exists()
    assert AuditEvent.objects.filter(action="job.share").count() == 2


def test_page_of_a_job_costs_few_queries(as_owner: Client, owner: User) -> None:
    job = make_job(owner, state=JobState.RUNNING)
    for number in range(30):
        job.events.create(kind="x", message=f"event {number}")
    page(as_owner, job.get_absolute_url())
    with CaptureQueriesContext(connection) as captured:
        page(as_owner, job.get_absolute_url())
    assert len(captured) <= 12
