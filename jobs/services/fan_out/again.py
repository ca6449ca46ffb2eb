"""Retry what failed: a new job that takes over what has finished, by reference, and runs only the rest."""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction
from django.db.models.functions import Now

from jobs import placement, stage_opening
from jobs.events import record
from jobs.models import Job, JobStage, Task
from jobs.services.fan_out.asking import fan_out_of
from jobs.services.fan_out.checking import Judged, judge
from jobs.services.fan_out.drafts import draft, locked_draft
from jobs.services.fan_out.running import queue, submit, write_stages
from jobs.services.once_a_key import keep_key, made_before
from jobs.services.rights import may_change
from jobs.states import Stage, StageState, TaskState
from portal.errors import Conflict, Forbidden, Invalid
from portal.people.models import User

TAKE_OVER = """
INSERT INTO jobs_task (job_id, stage, "index", state, machine_type_id, owner_id, priority, behind, chunk, chunk_bytes,
  ready_at, attempt_number, retries, infra_retries, failure_class, reason, taken_from_id)
SELECT %(job)s, 'run', old."index", CASE WHEN old.state = 'succeeded' THEN 'succeeded' ELSE %(first)s END, %(machine)s,
  %(owner)s, %(priority)s, least(%(behind)s + row_number() OVER (ORDER BY old."index") - 1, 2147483647), old.chunk,
  old.chunk_bytes, statement_timestamp(), 0, 0, 0, '',
  CASE WHEN old.state = 'succeeded' THEN 'Taken over from job ' || %(old)s ELSE '' END,
  CASE WHEN old.state = 'succeeded' THEN coalesce(old.taken_from_id, old.id) END
FROM jobs_task old WHERE old.job_id = %(old)s AND old.stage = 'run' ORDER BY old."index"
"""
# The rows are the new job's own, the files those of the old one: it is not purged before the new one is.
SHARE = """
INSERT INTO jobs_result (job_id, task_id, path, flat_name, size, sha256, media_type, stored, skipped)
SELECT new.job_id, new.id, result.path, '', result.size, result.sha256, result.media_type, result.stored, result.skipped
FROM jobs_task new JOIN jobs_task old ON old.job_id = %(old)s AND old.stage = 'run' AND old."index" = new."index"
JOIN jobs_result result ON result.task_id = old.id
WHERE new.job_id = %(job)s AND new.stage = 'run' AND new.state = 'succeeded'
"""


def retry_failed(*, job: Job, actor: User, key: str = "", via: str = "web") -> Job:
    """A new job (`retry_of`) of the actor's: tasks that finished are taken over, the others run, then all is assembled.

    Where no chunks were made yet, all of it runs. Raises Forbidden, Conflict where there is nothing to retry (it has not
    ended, nothing failed, its files are gone), Invalid, Full.
    """
    if not may_change(job, actor):
        raise Forbidden("Only the owner of a job and operators may change it.")
    with transaction.atomic():
        if found := made_before(actor, key, f"retry {job.pk}"):
            return found
        # Until this commits, retention must not take the files: it locks the rows it purges.
        old = Job.objects.select_for_update(no_key=True, of=("self",)).select_related("version__app").get(pk=job.pk)
        _demand_rest(old)
        asked = fan_out_of(old)
        as_it_was: dict[str, Any] = {"project": old.project, "priority": old.priority, "notify": old.notify}
        if JobStage.objects.get(job=old, stage=Stage.PARTITION).state != StageState.SUCCEEDED:
            made = submit(owner=actor, asked=asked, via=via, retry_of=old, **as_it_was).job
        else:
            made = draft(owner=actor, asked=asked, via=via, retry_of=old, **as_it_was)
            made = _take_over(made, old, actor)
        keep_key(actor, key, f"retry {job.pk}", made)
    made.refresh_from_db()
    return made


def _demand_rest(old: Job) -> None:
    number = old.number
    if not old.in_stages:
        raise Conflict(f"Job {number} has no stages. Run it again instead.", code="not_in_stages")
    if not old.terminal:
        raise Conflict(f"Job {number} has not ended yet. Cancel it first, or wait.", code="not_ended")
    if old.purged_at is not None:
        raise Conflict(f"The files of job {number} were removed after their time. Run it anew.", code="purged")
    rows = JobStage.objects.filter(job=old)
    unended = rows.exclude(state__in=(StageState.SUCCEEDED, StageState.SKIPPED))
    if not unended.exists() and not rows.filter(failed__gt=0).exists():
        raise Conflict(f"Nothing of job {number} failed. Run it again instead.", code="nothing_failed")


def _take_over(draft_job: Job, old: Job, actor: User) -> Job:
    job = locked_draft(draft_job, actor, "run")
    judged = judge(job)
    if isinstance(judged, list):
        raise Invalid.of(judged)
    first = queue(job, judged)
    write_stages(job, judged)
    names: dict[str, Any] = {
        "job": job.number,
        "old": old.number,
        "first": first,
        "machine": judged.stages[Stage.RUN].machine.pk,
        "owner": job.owner_id,
        "priority": job.priority,
        "behind": stage_opening.places_behind(job),
    }
    with connection.cursor() as cursor:
        cursor.execute(TAKE_OVER, names)
        total = cursor.rowcount
        cursor.execute(SHARE, names)
    done = Task.objects.filter(job=job, state=TaskState.SUCCEEDED).count()
    _count(job, total, done, judged, first)
    record(job.number, "submitted", f"Submitted by {actor.username}: what failed of job {old.number}.")
    record(
        job.number, "stage", f"{done:,} of {total:,} tasks are taken over from job {old.number}; {total - done:,} run."
    )
    return job


def _count(job: Job, total: int, done: int, judged: Judged, first: TaskState) -> None:
    """The stages as they stand: chunks are there without a task, and where none is left to run, assembling begins."""
    rows = JobStage.objects.filter(job=job)
    ended = {"state": StageState.SUCCEEDED, "started_at": Now(), "finished_at": Now()}
    rows.filter(stage=Stage.PARTITION).update(**ended)
    work = {"total": total, "succeeded": done}
    left = total - done
    if left:
        rows.filter(stage=Stage.RUN).update(**work)
        Job.objects.filter(pk=job.pk).update(tasks_total=total, tasks_done=done)
        placement.wake({judged.stages[Stage.RUN].machine.name}, hosts_max=None)
        return
    rows.filter(stage=Stage.RUN).update(**work, **ended)
    stage_opening.gather(job)
    machine = judged.stages[Stage.ASSEMBLE].machine
    Task.objects.create(
        job=job,
        stage=Stage.ASSEMBLE,
        state=first,
        machine_type=machine,
        owner_id=job.owner_id,
        priority=job.priority,
    )
    rows.filter(stage=Stage.ASSEMBLE).update(total=1)
    Job.objects.filter(pk=job.pk).update(tasks_total=total + 1, tasks_done=total)
    placement.wake({machine.name})
