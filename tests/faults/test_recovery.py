"""Workers that are killed, told to go, or drained: the container goes on, and the next process goes on with it."""

from __future__ import annotations

import random
import time

import pytest

from jobs import placement
from jobs.models import Attempt, Host, Job, JobEvent
from jobs.states import AttemptState, JobState
from tests.faults.site import Process, Site, eventually

pytestmark = [pytest.mark.faults, pytest.mark.docker]
LINES = 20_000
# About a thousand lines a second, on both streams in turn, so that a kill always falls between two of them.
COUNTING = f"""exec python3 -u -c '
import sys, time
for number in range({LINES}):
    print(number, "x" * 20)
    if number % 10 == 0: time.sleep(0.01)
sys.exit(5)'"""
ADOPTED_S = 5.0


def adopted(site: Site, job: Job, since: int) -> bool:
    return JobEvent.objects.filter(job=job, kind="adopted", pk__gt=since).exists()


def last_event() -> int:
    return JobEvent.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def counted() -> bytes:
    return b"".join(b"%d %s\n" % (number, b"x" * 20) for number in range(LINES))


def killed_and_restarted(site: Site, process: Process, host: str, *options: str, away_s: float) -> Process:
    process.kill()
    time.sleep(away_s)
    return site.worker(host, *options)


def test_a_killed_worker_loses_nothing(site: Site) -> None:
    """Several times in one job: same container and pid, one attempt, a log without gap or repeat, the right code."""
    site.machine("k1")
    options = ("--serve", "k1=2")
    worker = site.worker("kappa", *options)
    job, brief = site.submit(COUNTING, "k1"), site.submit("echo begun; sleep 2; echo done; exit 7", "k1")
    attempt = site.running(job)
    site.running(brief)
    before = site.inspect(attempt.name)
    chance = random.Random(3)
    for round_number in range(4):
        since = last_event()
        time.sleep(chance.uniform(0.2, 0.8))
        worker = killed_and_restarted(site, worker, "kappa", *options, away_s=2.5 if round_number == 0 else 0.3)
        begun = time.monotonic()
        eventually(lambda since=since: adopted(site, job, since), ADOPTED_S, "Adoption")  # type: ignore[misc]
        assert time.monotonic() - begun <= ADOPTED_S
        after = site.inspect(attempt.name)
        assert (after["Id"], after["State"]["Pid"]) == (before["Id"], before["State"]["Pid"])
    job, brief = site.ended(job, 60), site.ended(brief)
    assert (job.state, job.exit_code, len(site.attempts(job))) == (JobState.FAILED, 5, 1)
    assert site.log_of(job) == counted()
    # It ended while no worker lived.
    assert (brief.state, brief.exit_code, len(site.attempts(brief))) == (JobState.FAILED, 7, 1)
    assert site.log_of(brief) == b"begun\ndone\n"
    worker.dismiss()


def test_sigterm_lets_go_at_once_and_the_next_process_adopts(site: Site) -> None:
    site.machine("t1")
    worker = site.worker("tau", "--serve", "t1=1")
    job = site.submit("i=0; while [ $i -lt 60 ]; do echo line $i; i=$((i+1)); sleep 0.1; done", "t1")
    attempt = site.running(job)
    before = site.inspect(attempt.name)
    time.sleep(0.7)
    begun = time.monotonic()
    assert worker.terminate() == 0
    assert time.monotonic() - begun <= 3
    assert Attempt.objects.get(pk=attempt.pk).state == AttemptState.RUNNING
    assert site.inspect(attempt.name)["State"]["Running"]
    since = last_event()
    worker = site.worker("tau", "--serve", "t1=1")
    eventually(lambda: adopted(site, job, since), ADOPTED_S, "Adoption")
    assert site.inspect(attempt.name)["State"]["Pid"] == before["State"]["Pid"]
    job = site.ended(job)
    assert (job.state, len(site.attempts(job))) == (JobState.SUCCEEDED, 1)
    assert site.log_of(job) == b"".join(b"line %d\n" % number for number in range(60))
    worker.dismiss()


def test_a_host_that_serves_less_still_finishes_what_it_began(site: Site) -> None:
    """Restarted without the machine type of a running job: the job is adopted all the same."""
    site.machine("s1")
    site.machine("s2")
    worker = site.worker("sigma", "--serve", "s1=1")
    job = site.submit("sleep 3; echo end", "s1")
    site.running(job)
    worker.kill()
    worker = site.worker("sigma", "--serve", "s2=1")
    job = site.ended(job)
    assert (job.state, len(site.attempts(job))) == (JobState.SUCCEEDED, 1)
    worker.dismiss()


def test_a_draining_host_finishes_and_takes_nothing_new(site: Site) -> None:
    site.machine("d1")
    worker = site.worker("delta", "--serve", "d1=2")
    running = site.submit("sleep 1.5", "d1")
    site.running(running)
    Host.objects.filter(name="delta").update(draining=True)
    later = site.submit("true", "d1")
    assert site.ended(running).state == JobState.SUCCEEDED
    time.sleep(1.2)
    later.refresh_from_db()
    assert later.state == JobState.QUEUED
    assert "draining" in placement.why_waiting(later)
    Host.objects.filter(name="delta").update(draining=False)
    assert site.ended(later, 5).state == JobState.SUCCEEDED
    worker.dismiss()
