"""Messages are only doorbells: deleted, doubled, or with no broker at all, jobs start in time and run once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection
from django.test import override_settings

from jobs import placement, vaults
from jobs.models import Job
from jobs.states import JobState
from tests.factories import make_vault
from tests.faults.site import Process, Site, eventually

pytestmark = [pytest.mark.faults, pytest.mark.docker]
STARTS_S = 5.0

LOSE = "RETURN NULL;"
TRIPLE = """
IF pg_trigger_depth() = 1 THEN
  INSERT INTO dramatiq.queue (queue_name, message_id, state, message, available_at)
  SELECT NEW.queue_name, gen_random_uuid(), 'queued', NEW.message, NEW.available_at FROM generate_series(1, 2);
END IF;
RETURN NEW;"""


@contextmanager
def messages(fate: str) -> Iterator[None]:
    """What becomes of each message that is put into the queue, while the context is open."""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE FUNCTION fate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {fate} END $$")
        cursor.execute("CREATE TRIGGER fate BEFORE INSERT ON dramatiq.queue FOR EACH ROW EXECUTE FUNCTION fate()")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER fate ON dramatiq.queue")
            cursor.execute("DROP FUNCTION fate()")


def started_in_time(job: Job) -> None:
    def begun() -> bool:
        job.refresh_from_db()
        return job.started_at is not None

    eventually(begun, STARTS_S + 1, f"The start of job {job.number}")
    assert job.started_at is not None
    assert (job.started_at - job.created_at).total_seconds() <= STARTS_S


def test_with_every_message_lost_jobs_start_in_time(site: Site, worker: Process) -> None:
    with messages(LOSE):
        for _ in range(3):
            job = site.submit("true")
            started_in_time(job)
            assert site.ended(job).state == JobState.SUCCEEDED
        together = [site.submit("true") for _ in range(4)]
        for job in together:
            started_in_time(job)


def test_with_every_message_deleted_by_hand_jobs_start_in_time(site: Site, worker: Process) -> None:
    begun: list[Job] = []
    until = time.monotonic() + 3
    with connection.cursor() as cursor:
        while time.monotonic() < until:
            if len(begun) < 4:
                begun.append(site.submit("true"))
            cursor.execute("DELETE FROM dramatiq.queue")
    for job in begun:
        started_in_time(job)


def test_without_a_broker_jobs_start_in_time(site: Site, worker: Process) -> None:
    site.machine("q1")
    quiet = site.worker("quiet", "--serve", "q1=2", BROKER_URL="none")
    with override_settings(BROKER_URL="none"):
        jobs = [site.submit("true", machine) for machine in ("n1", "q1", "q1")]
        for job in jobs:
            started_in_time(job)
    heard = site.submit("true", "q1")  # it rings, and the worker has no ears
    started_in_time(heard)
    assert {site.ended(job).state for job in (*jobs, heard)} == {JobState.SUCCEEDED}
    quiet.dismiss()


def test_messages_that_come_three_times_run_nothing_twice(site: Site, worker: Process) -> None:
    """Each job writes its name into the vault: so a second run would leave a second line."""
    vault = make_vault(site.owner)
    root = vaults.root_of(vault)
    with messages(TRIPLE):
        jobs = [site.submit('echo "$JOB_NAME" >> /data/runs', vault=vault.name) for _ in range(10)]
        for _ in range(20):
            placement.wake({"n1"})
    ended = [site.ended(job) for job in jobs]
    assert {job.state for job in ended} == {JobState.SUCCEEDED}
    assert [len(site.attempts(job)) for job in ended] == [1] * 10
    assert sorted((root / "runs").read_text().split()) == sorted(job.name for job in ended)
