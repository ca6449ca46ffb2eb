"""The end of a job: its state, its owner's counters, what it held, who is told."""

from __future__ import annotations

from django.db.models.functions import Now

from jobs import limits, placement, vault_locks
from jobs.events import record
from jobs.models import Job
from jobs.outcomes import Outcome
from jobs.states import JobState
from portal import doorbell
from portal.people import tokens


def finish_job(job: Job, to: JobState, outcome: Outcome) -> None:
    """Call it with the job's row locked. Held jobs of the owner may begin now."""
    was = job.state
    job.move(
        to,
        finished_at=Now(),
        failure_class=outcome.failure or "",
        reason=outcome.reason,
        exit_code=outcome.exit_code,
    )
    record(job.number, str(to), outcome.reason)
    tokens.revoke_of_job(job.number)
    vault_locks.let_go(job)
    woken = limits.end(limits.lock(job.owner_id), was=was)
    placement.wake(woken | vault_locks.turn(job.vault_id))
    if job.notify:
        doorbell.chore("mail_finished", job.number)
