"""Opening a shell beside the program of one's own running job: who may, where, and how many."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest

from jobs.events import record
from jobs.models import Attempt, Job, Shell
from jobs.states import AttemptState, JobState
from portal.errors import Conflict, Forbidden, Invalid
from portal.people.audit import audit
from portal.people.models import User

SHELLS_MAX = 8  # open ones of a job


def may_open_shell(job: Job, actor: User) -> bool:
    """Its owner alone: a shell is the owner's vault and keys. And where the site allows it at all."""
    return settings.JOB_SHELLS and job.owner_id == actor.pk


def why_no_shell(job: Job) -> str:
    """Why none can be opened in this job now, and what to do; "" where one can."""
    if job.plan.get("runs_as_root"):
        return (
            "This app runs as root, which an operator granted to its program alone. No shell is opened in such a job; "
            "its log says what it does."
        )
    if job.terminal:
        return f"Job {job.number} has ended, and a shell runs only beside its program. Run it again to look into it."
    if job.state != JobState.RUNNING or job.cancel_requested_at is not None or _running(job) is None:
        return f"Job {job.number} does not run {'any more' if job.cancel_requested_at else 'yet'}."
    if job.paused:
        return f"Job {job.number} is paused. Resume it first."
    return ""


def open_shell(*, job: Job, actor: User, node: int = 1, request: HttpRequest | None = None) -> Shell:
    """A shell that begins when its owner looks at it. One row in the audit trail now, one when it ends.

    Raises Forbidden; Invalid for a node that is none; Conflict where the job has no room or is not fit for one now.
    """
    if not settings.JOB_SHELLS:
        raise Forbidden("Shells into jobs are not allowed on this site. Ask an operator (JOB_SHELLS).")
    if not may_open_shell(job, actor):
        raise Forbidden("Only the owner of a job may open a shell in it.")
    if not 1 <= node <= job.nodes:
        raise Invalid(f"Job {job.number} has {job.nodes} node{'' if job.nodes == 1 else 's'}: pick one of them.")
    with transaction.atomic():
        locked = Job.objects.select_for_update().get(pk=job.pk)
        attempt = _running(locked)
        if attempt is None or why_no_shell(locked):
            raise Conflict(why_no_shell(locked), code="no_shell")
        if Shell.objects.filter(job=job, ended_at=None).count() >= SHELLS_MAX:
            raise Conflict(
                f"{SHELLS_MAX} shells are open in this job already. End one of them.", code="too_many_shells"
            )
        shell = Shell.objects.create(job=job, attempt=attempt, node=node, opened_by=actor)
        record(job.number, "shell", f"{actor.username} opened a shell{f' on node {node}' if job.nodes > 1 else ''}.")
        audit("shell.open", request=request, actor=actor, target=f"job {job.number}", shell=shell.pk, node=node)
    return shell


def _running(job: Job) -> Attempt | None:
    rows = Attempt.objects.filter(task__job=job, state=AttemptState.RUNNING)
    return rows.order_by("task__index", "-number").first()
