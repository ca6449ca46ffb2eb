"""What happened to a job, in plain words, and the notice that something did."""

from __future__ import annotations

from django.db import connection

CHANNEL = "slipway_jobs"
RECORD = """
WITH told AS (
  INSERT INTO jobs_jobevent (job_id, task_id, kind, message) VALUES (%s, %s, %s, %s) RETURNING id)
SELECT pg_notify(%s, %s) FROM told
"""


def notify(job_number: int, kind: str) -> None:
    """Tell whoever watches the job (kind: state | log | usage) when the current transaction commits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", (CHANNEL, f"{job_number} {kind}"))


def record(job_number: int, kind: str, message: str, *, task_id: int | None = None) -> None:
    """Add an event row beside the change it tells of, in the same transaction, and tell those who watch: one statement."""
    with connection.cursor() as cursor:
        cursor.execute(RECORD, (job_number, task_id, kind, message, CHANNEL, f"{job_number} state"))
