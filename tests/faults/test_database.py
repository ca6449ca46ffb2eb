"""PostgreSQL restarted in the middle of jobs: no exit code is lost, and web and worker go on by themselves."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial

import pytest
from django.db import connections

from jobs.models import Job
from jobs.states import JobState
from portal.people import tokens
from tests.faults.site import Process, Site, eventually
from tests.faults.test_submitting import free_port

pytestmark = [pytest.mark.faults, pytest.mark.docker]


def restarted(site: Site, away_s: float, meanwhile: Callable[[], None] = lambda: None) -> None:
    connections.close_all()
    site.server.stop()
    time.sleep(away_s)
    meanwhile()
    site.server.start()


def status(url: str, text: str) -> int:
    asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {text}"})
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


def test_a_database_restarted_in_mid_job_loses_no_exit_code(site: Site, worker: Process) -> None:
    port, text = free_port(), tokens.issue(user=site.owner, name="outage", scopes=["read"])[1]
    web = site.web(port)
    url = f"http://127.0.0.1:{port}/api/v1/jobs"
    assert status(url, text) == 200

    long = site.submit("for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 1; done; exit 9")
    brief = [site.submit(f"echo {code}; sleep 1; exit {code}") for code in (11, 12, 13)]
    for job in (long, *brief):
        site.running(job)
    said: list[int] = []
    restarted(site, 2.5, lambda: said.append(status(url, text)))  # the brief ones end while it is away
    assert said == [503]
    eventually(lambda: status(url, text) == 200, 10, "The recovery of the web process")
    restarted(site, 0)

    for job, code in zip(brief, (11, 12, 13), strict=True):
        ended = site.ended(job)
        assert (ended.state, ended.exit_code, len(site.attempts(job))) == (JobState.FAILED, code, 1)
        assert site.log_of(job) == b"%d\n" % code
    long = site.ended(long)
    assert (long.exit_code, len(site.attempts(long))) == (9, 1)
    assert site.log_of(long) == b"".join(b"%d\n" % number for number in range(1, 10))

    after = site.submit("true")
    assert site.ended(after, 10).state == JobState.SUCCEEDED
    assert worker.alive
    eventually(partial(Job.objects.filter(pk=after.pk, state=JobState.SUCCEEDED).exists), 5)
    web.dismiss()
