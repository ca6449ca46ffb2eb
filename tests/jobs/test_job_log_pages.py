"""A job's log and metrics as pages and as data."""

from __future__ import annotations

import json

import pytest
from django.test import Client
from django.urls import reverse

from jobs.models import Attempt, Job, LogChunk, UsageSeries
from jobs.states import JobState
from portal.people.models import User
from tests.factories import make_job
from tests.jobs.pages import body_of, page

pytestmark = pytest.mark.django_db


def log_of(job: Job, *pieces: bytes) -> Attempt:
    attempt = Attempt.objects.get(task__job=job)
    offset = 0
    for number, data in enumerate(pieces):
        LogChunk.objects.create(attempt=attempt, sequence=number, offset=offset, data=data)
        offset += len(data)
    Attempt.objects.filter(pk=attempt.pk).update(log_bytes=offset)
    return attempt


@pytest.mark.django_db(transaction=True)
def test_log_as_text_is_the_bytes_and_never_a_page(as_owner: Client, owner: User) -> None:
    job = make_job(owner, state=JobState.RUNNING)
    data = b"<script>\x1b[31m\xff\r\n" + b"x" * 70_000
    log_of(job, data[:9], data[9:])
    answer = as_owner.get(reverse("jobs:job-log-text", args=[job.number]))
    assert body_of(answer) == data
    assert answer["Content-Type"].startswith("text/plain")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert answer["X-Log-End"] == str(len(data))
    saved = as_owner.get(reverse("jobs:job-log-text", args=[job.number]) + "?download")
    assert saved["Content-Disposition"].startswith("attachment")


def test_log_of_a_job_that_never_ran_is_empty(as_owner: Client, owner: User) -> None:
    job = make_job(owner)
    answer = as_owner.get(reverse("jobs:job-log-text", args=[job.number]))
    assert (body_of(answer), answer["X-Log-Attempt"]) == (b"", "0")
    assert as_owner.get(reverse("jobs:job-log", args=[job.number]) + "?attempt=7").status_code == 404


def test_metrics_come_as_columns_and_as_a_table(as_owner: Client, owner: User) -> None:
    job = make_job(owner, state=JobState.RUNNING)
    attempt = Attempt.objects.get(task__job=job)
    UsageSeries.objects.create(attempt=attempt, points=[[0, 10.5, 2048, 1], [5, 99, 4096, 2]])
    data = json.loads(page(as_owner, reverse("jobs:job-usage", args=[job.number])))
    assert data == {"columns": [[0, 5], [10.5, 99], [2048, 4096], [1, 2]], "ended": False}
    assert "4.0 KiB" in page(as_owner, reverse("jobs:job-metrics", args=[job.number]))
