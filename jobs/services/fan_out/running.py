"""From a draft to a job that runs: judged again, counted among its owner's jobs, its first task written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import transaction

from apps_catalog.launch.spec import Fault, Json
from jobs import limits, placement
from jobs.events import record
from jobs.models import Job, JobStage, Task, Upload
from jobs.services.fan_out.asking import FanOut
from jobs.services.fan_out.checking import Judged, judge
from jobs.services.fan_out.drafts import change, draft, locked_draft
from jobs.services.once_a_key import keep_key, made_before
from jobs.services.submitting import Submitted
from jobs.sources.files import ids_of
from jobs.states import JobState, Stage, TaskState
from portal.errors import Invalid
from portal.people.models import Team, User


def run(*, job: Job, actor: User, config: Mapping[str, Json] | None = None, key: str = "", via: str = "web") -> Job:
    """Queue a draft; `config` goes over its own, key by key. With a `key`, asking again gives the job that already runs.

    Raises Invalid with every fault, Full at the limit of queued jobs, Forbidden, Conflict where it is no draft any more.
    """
    with transaction.atomic():
        if found := made_before(actor, key, f"run {job.pk}"):
            return found
        locked = locked_draft(job, actor, "run")
        if config:
            locked.config = {**locked.config, **config}
        judged = judge(locked)
        if isinstance(judged, list):
            raise Invalid.of(judged)
        first = queue(locked, judged)
        write_stages(locked, judged)
        _hold_uploads(locked)
        stage = judged.stages[Stage.PARTITION]
        JobStage.objects.filter(job=locked, stage=Stage.PARTITION).update(total=1)
        Job.objects.filter(pk=locked.pk).update(tasks_total=1)
        Task.objects.create(
            job=locked,
            stage=Stage.PARTITION,
            state=first,
            machine_type=stage.machine,
            owner_id=locked.owner_id,
            priority=locked.priority,
        )
        record(locked.number, "submitted", f"Submitted by {actor.username} ({via}).")
        keep_key(actor, key, f"run {job.pk}", locked)
        placement.wake({stage.machine.name})
    locked.refresh_from_db()
    return locked


def run_changed(
    *, job: Job, actor: User, parts: Mapping[str, Any], notify: bool = False, key: str = "", via: str = "web"
) -> Job:
    """Change a draft and run it, whole or not at all. With a `key`, asking again gives the job that already runs.

    Raises what change and run raise.
    """
    with transaction.atomic():
        if found := made_before(actor, key, f"run {job.pk}"):
            return found
        changed = change(job=job, actor=actor, **parts)
        Job.objects.filter(pk=job.pk).update(notify=notify and settings.MAIL_ENABLED)
        return run(job=changed, actor=actor, key=key, via=via)


def submit(
    *,
    owner: User,
    asked: FanOut,
    team: Team | None = None,
    project: str = "",
    priority: int = 0,
    notify: bool = False,
    key: str = "",
    body_digest: str = "",
    via: str = "web",
    retry_of: Job | None = None,
) -> Submitted:
    """Draft and run in one act, whole or not at all. With a `key`, the same key and body give the first job again."""
    with transaction.atomic():
        if found := made_before(owner, key, body_digest):
            return Submitted(found, replayed=True)
        made = draft(
            owner=owner,
            asked=asked,
            team=team,
            project=project,
            priority=priority,
            notify=notify,
            key=key,
            body_digest=body_digest,
            via=via,
            retry_of=retry_of,
        )
        return Submitted(run(job=made, actor=owner, via=via), replayed=False)


def _hold_uploads(job: Job) -> None:
    """Keep the files of its source until the job is purged. Retention leaves rows alone that are locked here."""
    ids = ids_of(job.source)
    rows = list(Upload.objects.select_for_update(of=("self",)).filter(pk__in=ids))
    if len(rows) < len(set(ids)):
        said = "An uploaded file has just expired. Upload it again."
        raise Invalid(said, faults=[Fault("/dataSource/uploads", "unknown_upload", said)])
    job.uploads.set(rows)


def queue(job: Job, judged: Judged) -> TaskState:
    """Count a draft among its owner's queued jobs, with all that is known of it now. The state its first tasks begin in."""
    work = judged.stages[Stage.RUN]
    plan = work.plan
    first = limits.accept(job.owner_id)
    job.move(
        JobState.QUEUED,
        config=job.config,
        walltime_s=judged.config.task_timeout_s,
        machine_type=work.machine,
        price_per_hour=work.machine.price_per_hour,
        plan=plan.as_json() if plan else {},
        plan_digest=plan.digest if plan else "",
    )
    return first


def write_stages(job: Job, judged: Judged) -> None:
    """What each stage will run, and where."""
    for stage, found in judged.stages.items():
        JobStage.objects.filter(job=job, stage=stage).update(
            machine_type=found.machine,
            price_per_hour=found.machine.price_per_hour,
            plan=found.plan.as_json() if found.plan else {},
            plan_digest=found.plan.digest if found.plan else "",
        )
