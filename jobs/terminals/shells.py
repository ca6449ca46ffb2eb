"""The rows of opened shells, as the worker that runs them keeps them: begun, ended, and each end in the audit trail."""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now

from jobs.models import Attempt, Shell
from portal.people.audit import audit

RESTARTED = "The worker of its host was restarted, and shells end with it. The job goes on: open another."
JOB_ENDED = "The job has ended."


def begun(shell: Shell, mark: str) -> None:
    Shell.objects.filter(pk=shell.pk).update(mark=mark)


def ended(shell: Shell, exit_code: int | None, reason: str) -> None:
    """Once: what ended it first is what is kept."""
    with transaction.atomic():
        rows = Shell.objects.filter(pk=shell.pk, ended_at=None)
        if rows.update(ended_at=Now(), exit_code=exit_code, reason=reason):
            row = Shell.objects.select_related("opened_by").get(pk=shell.pk)
            lasted_s = (row.ended_at - row.opened_at).total_seconds() if row.ended_at else 0.0
            audit(
                "shell.close",
                actor=row.opened_by,
                target=f"job {row.job_id}",
                shell=row.pk,
                node=row.node,
                lasted_s=round(lasted_s),
                exit_code=exit_code,
                reason=reason,
            )


def open_ones(attempt: Attempt) -> list[Shell]:
    return list(Shell.objects.filter(attempt=attempt, ended_at=None))


def open_one(attempt: Attempt, number: str) -> Shell | None:
    """By its number, as an argument of the relay has it."""
    if not (number.isascii() and number.isdigit() and len(number) <= 18):
        return None
    return Shell.objects.filter(attempt=attempt, ended_at=None, pk=int(number)).first()
