"""What happened to a job, in plain words, and the notice that something did."""

from __future__ import annotations

from django.db import connection

from jobs.models import JobEvent

CHANNEL = "slipway_jobs"


def notify(job_number: int, kind: str) -> None:
    """Tell whoever watches the job (kind: state | log | usage) when the current transaction commits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", (CHANNEL, f"{job_number} {kind}"))


def record(job_number: int, kind: str, message: str, *, task_id: int | None = None) -> None:
    """Add an event row beside the change it tells of, in the same transaction."""
    JobEvent.objects.create(job_id=job_number, task_id=task_id, kind=kind, message=message)
    notify(job_number, "state")
