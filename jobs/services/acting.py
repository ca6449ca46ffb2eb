"""What people do to a job that exists: cancel it, pause it, run it again, share it."""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now

from apps_catalog.launch.spec import Submission
from jobs import idle, keep, stages
from jobs.events import record
from jobs.models import BucketFile, Job
from jobs.services import fan_out
from jobs.services.rights import may_change
from jobs.services.submitting import submit
from jobs.states import JobState
from portal.errors import Conflict, Forbidden, NotFound
from portal.people.audit import audit
from portal.people.models import Team, User


def cancel(*, job: Job, actor: User) -> Job:
    """Ask a job to stop. What has not begun is cancelled at once; running containers get TERM, a grace, KILL.

    Asking twice, or for a job that has ended by itself meanwhile, changes nothing. Raises Forbidden, Conflict.
    """
    _demand(job, actor)
    if job.terminal:
        raise Conflict(f"Job {job.number} has ended already ({job.state}).", code="already_ended")
    if job.state == JobState.DRAFT:
        raise Conflict(f"Job {job.number} is a draft, and nothing of it runs. Delete it instead.", code="draft")
    with transaction.atomic():
        asked = Job.objects.filter(pk=job.pk, cancel_requested_at=None).update(cancel_requested_at=Now())
        if asked:
            record(job.number, "cancel", f"{actor.username} asked to cancel it.")
            audit("job.cancel", actor=actor, target=str(job.number))
    stages.cancel_waiting(job, f"Cancelled by {actor.username} before it began.")
    job.refresh_from_db()
    return job


def pause(*, job: Job, actor: User) -> Job:
    """Let a running job stand still on its host, with all it holds; its time limit goes on counting.

    Pausing a job that is paused changes nothing. Raises Forbidden; Conflict where it does not run, or is asked to stop.
    """
    _demand_running(job, actor)
    if job.cancel_requested_at is not None:
        raise Conflict(f"Job {job.number} is being stopped. It can't be paused any more.", code="stopping")
    running = Job.objects.filter(pk=job.pk, state=JobState.RUNNING, cancel_requested_at=None)
    with transaction.atomic():
        if running.filter(pause_requested_at=None).update(pause_requested_at=Now()):
            record(job.number, "pause", f"Paused by {actor.username}.")
            audit("job.pause", actor=actor, target=str(job.number))
    job.refresh_from_db()
    return job


def resume(*, job: Job, actor: User) -> Job:
    """Let a paused job go on. One that is not paused goes on anyway. Raises Forbidden, Conflict where it does not run."""
    _demand_running(job, actor)
    with transaction.atomic():
        if Job.objects.filter(pk=job.pk).exclude(pause_requested_at=None).update(pause_requested_at=None):
            record(job.number, "resume", f"Resumed by {actor.username}.")
            audit("job.resume", actor=actor, target=str(job.number))
    job.refresh_from_db()
    return job


def keep_running(*, job: Job, actor: User) -> Job:
    """Count an app as used now, so that it is not stopped for want of use. Who may connect to it may say so, and operators.

    Raises Forbidden; Conflict where it does not run, or serves nothing.
    """
    if not (actor.operates or job.opens_to(actor)):
        raise Forbidden("Only those who may connect to the app keep it running.")
    if job.terminal or not idle.used(job):
        raise Conflict(f"Job {job.number} serves nothing that could be kept running.", code="not_running")
    record(job.number, "kept", f"{actor.username} still needs it.")
    return job


def rerun(*, job: Job, actor: User) -> Job:
    """A new job of the actor's with the same version and inputs (`retry_of`). Raises what submit raises."""
    if job.in_stages:
        asked = fan_out.fan_out_of(job)
        made = fan_out.submit(
            owner=actor,
            asked=asked,
            priority=job.priority,
            notify=job.notify,
            via="re-run",
            retry_of=job,
            project=job.project,
        )
        return made.job
    submission = Submission(
        command=job.command,
        parameters=job.parameters,
        machine=job.machine_type.name,
        nodes=job.nodes,
        identity=job.identity or None,
        vault=job.vault.name if job.vault else "NONE",
        vault_readonly=job.vault_readonly,
        label=job.label,
        walltime_s=job.walltime_s,
    )
    made = submit(
        owner=actor,
        version=job.version,
        submission=submission,
        priority=job.priority,
        notify=job.notify,
        rerun_safe=job.rerun_safe,
        via="re-run",
        retry_of=job,
        project=job.project,
    )
    return made.job


def share(*, job: Job, actor: User, team: Team | None) -> Job:
    """Let the members of a team of the actor's see the job; None takes it back."""
    _demand(job, actor)
    if team is not None and not team.memberships.filter(user=actor).exists():
        raise NotFound("There is no such team, or you are not in it.")
    with transaction.atomic():
        Job.objects.filter(pk=job.pk).update(team=team)
        audit("job.share", actor=actor, target=str(job.number), team=team.slug if team else "")
        record(job.number, "shared", f"Shared with {team.name}." if team else "No longer shared.")
    job.team = team
    return job


def _demand_running(job: Job, actor: User) -> None:
    _demand(job, actor)
    if job.terminal:
        raise Conflict(f"Job {job.number} has ended already ({job.state}).", code="already_ended")
    if job.state != JobState.RUNNING:
        raise Conflict(f"Job {job.number} does not run yet. Wait until it has started.", code="not_running")
    if job.in_stages:
        said = f"Job {job.number} runs in stages and can't be paused. Cancel it; what has finished can be taken over later."
        raise Conflict(said, code="in_stages")


def _demand(job: Job, actor: User) -> None:
    if not may_change(job, actor):
        raise Forbidden("Only the owner of a job and operators may change it.")


def discard(*, job: Job, actor: User) -> None:
    """Remove what a job that has ended left, before its time. Its row stays, and says that it is gone.

    Raises Forbidden; Conflict where it has not ended, or where a retry of it still needs the files.
    """
    _demand(job, actor)
    with transaction.atomic():
        locked = Job.objects.select_for_update(no_key=True, of=("self",)).get(pk=job.pk)
        if not locked.terminal:
            raise Conflict(f"Job {job.number} has not ended yet. Cancel it first, or wait.", code="not_ended")
        heirs = Job.objects.filter(retry_of=locked, in_stages=True, purged_at=None)
        if heirs.exists():
            said = f"Job {heirs[0].number} took over results of job {job.number}. Delete that one first."
            raise Conflict(said, code="taken_over")
        if locked.purged_at is None:
            keep.purge(locked)
            BucketFile.objects.filter(job=locked).update(expires_at=Now())
            audit("job.discard", actor=actor, target=str(job.number))
