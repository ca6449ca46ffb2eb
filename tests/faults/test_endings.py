"""How jobs end: codes, signals, memory, time, disk, processes, cancel. Each has its class and its sentence."""

from __future__ import annotations

import random
import time

import pytest

from jobs import services
from jobs.models import Attempt, Job
from jobs.states import JobState
from portal.errors import Conflict
from tests.factories import make_version
from tests.faults.site import SCRIPTED, Process, Site

pytestmark = [pytest.mark.faults, pytest.mark.docker]
CHILD_OF_HEALTHY_PARENT = "python3 -c 'bytearray(10**9)'; exit 0"
CASES = {
    "success": ("echo fine", "succeeded", "", 0, "Finished."),
    "own code": ("exit 42", "failed", "user", 42, "exit code 42"),
    "segmentation fault": ("kill -SEGV $$", "failed", "user", 139, "signal 11"),
    "killed by itself": ("kill -KILL $$", "failed", "user", 137, "signal 9"),
    "no such program": ("exec /no/such/program", "failed", "user", 127, "exit code 127"),
    "out of memory": ("exec python3 -c 'bytearray(10**9)'", "failed", "oom", 137, "ran out of memory"),
    "out of memory in a child": (CHILD_OF_HEALTHY_PARENT, "succeeded", "", 0, "stopped for lack of memory"),
}


def test_each_end_has_its_code_its_class_and_its_sentence(site: Site, worker: Process) -> None:
    begun = {name: site.submit(script) for name, (script, *_) in CASES.items()}
    for name, (_, state, failure, code, words) in CASES.items():
        job = site.ended(begun[name])
        assert (job.state, job.failure_class, job.exit_code) == (state, failure, code), name
        assert words in job.reason, name
        assert [a.exit_code for a in site.attempts(job)] == [code]


def test_a_program_that_ignores_term_ends_at_limit_and_grace(site: Site, worker: Process) -> None:
    job = site.submit("trap '' TERM; echo on; while :; do sleep 0.2; done", walltime_s=3)
    deaf = site.submit("trap 'exit 0' TERM; while :; do sleep 0.2; done", walltime_s=3)
    job, deaf = site.ended(job), site.ended(deaf)
    attempt = site.attempts(job)[0]
    assert attempt.started_at is not None
    assert attempt.ended_at is not None
    lasted_s = (attempt.ended_at - attempt.started_at).total_seconds()
    assert 3 <= lasted_s <= 3 + 2 + 5
    assert (job.state, job.failure_class, job.exit_code) == (JobState.FAILED, "timeout", 137)
    assert "time limit of 0:00:03" in job.reason
    assert (deaf.state, deaf.failure_class, deaf.exit_code) == (JobState.FAILED, "timeout", 0)


def test_thirty_cancels_at_random_moments_have_one_winner_each(site: Site, worker: Process) -> None:
    chance = random.Random(2)
    jobs = [site.submit("echo $$; sleep 0.5") for _ in range(30)]
    waiting = list(jobs)
    until = time.monotonic() + 40
    cancelled_at: dict[int, float] = {}
    while waiting and time.monotonic() < until:
        job = waiting.pop(chance.randrange(len(waiting)))
        time.sleep(chance.uniform(0, 0.25))
        try:
            services.cancel(job=Job.objects.get(pk=job.pk), actor=site.owner)
            cancelled_at[job.pk] = time.monotonic()
        except Conflict:
            pass
    ended = {job.pk: site.ended(job) for job in jobs}
    states = {job.state for job in ended.values()}
    assert states <= {JobState.SUCCEEDED, JobState.CANCELLED}
    assert JobState.CANCELLED in states
    for job in ended.values():
        asked = job.pk in cancelled_at
        assert asked or job.state == JobState.SUCCEEDED
        attempts = Attempt.objects.filter(task__job=job)
        assert attempts.count() <= 1
        ends = [kind for kind in job.events.values_list("kind", flat=True) if kind in ("succeeded", "cancelled")]
        assert ends == [job.state], "one end each"
        if not attempts:
            assert job.state == JobState.CANCELLED


def test_a_job_over_its_disk_limit_is_stopped(site: Site, worker: Process) -> None:
    site.machine("small", disk_mib=16)
    host = site.worker("disk", "--serve", "small=1")
    script = "dd if=/dev/zero of=/results/big bs=1M count=64 2>/dev/null; echo written; sleep 60"
    job = site.ended(site.submit(script, "small"))
    assert (job.state, job.failure_class) == (JobState.FAILED, "user")
    assert "disk limit of 16 MiB" in job.reason
    host.dismiss()


def test_a_fork_bomb_harms_only_itself(site: Site, worker: Process) -> None:
    bomb = site.submit("f() { f | f & }; f; sleep 2; f; wait", walltime_s=6)
    site.running(bomb)
    begun = time.monotonic()
    good = site.ended(site.submit("seq 1 3"))
    assert time.monotonic() - begun < 15
    assert site.log_of(good) == b"1\n2\n3\n"
    assert site.ended(bomb, 40).terminal


def test_a_missing_image_is_named(site: Site, worker: Process) -> None:
    """By its id it can't be pulled, so no retry can help: the reason says so at once."""
    absent = "sha256:" + "1" * 64
    version = make_version(definition=SCRIPTED, image_pinned=absent)
    job = site.ended(site.submit("true", version=version))
    assert (job.state, job.failure_class) == (JobState.FAILED, "infra")
    assert absent in job.reason
    assert worker.alive
