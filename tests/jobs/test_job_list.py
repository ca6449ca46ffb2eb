"""The list of jobs: whose, filtered, page by page, and several cancelled at once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.models import Job
from jobs.states import JobState
from jobs.views.job_words import summary
from portal.people.models import User
from tests.factories import make_job, make_version
from tests.jobs.pages import page

pytestmark = pytest.mark.django_db


def test_list_shows_mine_and_on_request_my_teams(as_owner: Client, owner: User, teammate: User, stranger: User) -> None:
    make_job(owner, label="my own")
    make_job(teammate, label="of the team", team=teammate.teams.get())
    make_job(teammate, label="private of a teammate")
    make_job(stranger, label="of a stranger")
    mine = page(as_owner, "/jobs/")
    assert "my own" in mine
    assert "of the team" not in mine
    teams = page(as_owner, "/jobs/?whose=teams")
    assert "of the team" in teams
    assert "private of a teammate" not in teams
    assert "of a stranger" not in teams
    assert as_owner.get("/jobs/?whose=all").status_code == 422


def test_filters_narrow_the_list_and_nonsense_is_told_at_the_field(as_owner: Client, owner: User) -> None:
    first = make_version()
    make_job(owner, label="alpha", state=JobState.SUCCEEDED, version=first)
    make_job(owner, label="beta", state=JobState.FAILED)
    old = make_job(owner, label="gamma", state=JobState.QUEUED)
    Job.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=9))

    def labels(query: str) -> set[str]:
        text = page(as_owner, f"/jobs/?{query}")
        return {label for label in ("alpha", "beta", "gamma") if f">{label}</td>" in text}

    assert labels("") == {"alpha", "beta", "gamma"}
    assert labels("state=failed") == {"beta"}
    assert labels("state=active") == {"gamma"}
    assert labels(f"app={first.app.slug}") == {"alpha"}
    assert labels("label=ALP") == {"alpha"}
    assert labels(f"since={timezone.now() - timedelta(days=2):%Y-%m-%d}") == {"alpha", "beta"}
    assert labels(f"until={timezone.now() - timedelta(days=2):%Y-%m-%d}") == {"gamma"}
    assert "Enter a valid date" in page(as_owner, "/jobs/?since=soon", 422)
    assert "No job fits" in page(as_owner, "/jobs/?label=zzz")


def test_pages_follow_each_other_without_gap_both_ways(
    as_owner: Client, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.views.jobs.PAGE", 3)
    version = make_version()
    numbers = [make_job(owner, version=version).number for _ in range(8)][::-1]

    def shown(query: str) -> tuple[list[int], str, str]:
        context = as_owner.get(f"/jobs/?{query}").context
        return [row.job.number for row in context["rows"]], context["newer"], context["older"]

    first, none, older = shown("")
    second, _, oldest = shown(older)
    third, back, end = shown(oldest)
    assert (none, end) == ("", "")
    assert first + second + third == numbers
    assert shown(back)[0] == second
    assert shown("before=nonsense")[0] == first
    assert shown("before=99999999999999999999")[0] == first


def test_list_costs_the_same_number_of_queries_however_long(as_owner: Client, owner: User) -> None:
    version = make_version()
    make_job(owner, version=version)
    page(as_owner, "/jobs/")

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            page(as_owner, "/jobs/")
        return len(captured)

    one = queries()
    for _ in range(15):
        make_job(owner, version=version)
    assert queries() == one
    assert one <= 8


def test_several_jobs_are_cancelled_at_once_and_only_ones_own(as_owner: Client, owner: User, stranger: User) -> None:
    mine = [make_job(owner).number for _ in range(2)]
    ended = make_job(owner, state=JobState.SUCCEEDED).number
    other = make_job(stranger).number
    answer = as_owner.post("/jobs/cancel/", {"number": [*mine, ended, other, "x", "9" * 19, "9" * 5000]}, follow=True)
    assert "2 jobs asked to stop" in answer.content.decode()
    assert "has ended already" in answer.content.decode()
    assert set(Job.objects.filter(state=JobState.CANCELLED).values_list("number", flat=True)) == set(mine)


def test_a_page_with_nothing_says_what_to_do(as_owner: Client) -> None:
    assert "To the catalog" in page(as_owner, "/jobs/")


def test_summary_tells_runs_apart(owner: User) -> None:
    assert summary(make_job(owner, label="night run")) == "night run"
    assert summary(make_job(owner, parameters={"darts": 100})) == ""
    assert summary(make_job(owner, parameters={"darts": 500, "-seed": 3})) == "Darts = 500, Seed = 3"
    assert summary(make_job(owner, parameters={"gone": "x" * 90})).endswith("…")
