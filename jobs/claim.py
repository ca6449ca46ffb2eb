"""The claim: how a slot comes by its next attempt. Claim = recover: what its own host has begun comes first."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from jobs import limits, vault_locks
from jobs.events import record
from jobs.fan_config import Config
from jobs.models import Attempt, Host, Job, JobStage, Task
from jobs.models.jobs import LostRace
from jobs.stages import one_of_many
from jobs.states import ATTEMPT_OPEN, JobState, Stage, StageState, TaskState

# If this incarnation of this host may take anything of the machine type now.
MAY_TAKE = """
EXISTS (
    SELECT 1 FROM jobs_host host, jobs_machinetype machine
    WHERE host.id = %(host)s AND host.incarnation = %(incarnation)s AND NOT host.draining
      AND machine.id = %(machine)s AND machine.enabled AND machine.requires <@ host.tags)
"""
# The best ready task of one machine type. `task_claim` is the index.
BEST = f"""
SELECT task.id FROM jobs_task task
WHERE task.machine_type_id = %(machine)s AND task.state = 'ready' AND task.ready_at <= clock_timestamp()
  AND NOT EXISTS (
    SELECT 1 FROM jobs_ownerload load JOIN jobs_job job ON job.number = task.job_id AND job.state = 'queued'
    WHERE load.owner_id = task.owner_id AND load.running >= coalesce(load.running_max, %(running_max)s))
  AND {MAY_TAKE}
ORDER BY task.priority DESC, (task.job_id + task.behind), task.job_id, task.index
LIMIT 1 FOR UPDATE OF task SKIP LOCKED
"""  # noqa: S608 - of constants alone
# The same, but the next of one stage goes first, unless something of a higher priority waits. The tasks of a stage are written
# by one statement, so their ids follow one another: at most FOLLOWERS rows are read, whatever else is in the table. "+ 0"
# keeps the planner from the index of a job's tasks, all of which it would read while it believes that they are few.
FOLLOWERS = 256
NEXT_OF_STAGE = f"""
WITH following AS (
  SELECT task.id FROM jobs_task task
  WHERE task.id > %(last)s AND task.id <= %(last)s + {FOLLOWERS} AND task.job_id + 0 = %(job)s AND task.stage = %(stage)s
    AND task.state = 'ready' AND task.ready_at <= clock_timestamp() AND task.machine_type_id + 0 = %(machine)s
    AND NOT EXISTS (
      SELECT 1 FROM jobs_task before
      WHERE before.machine_type_id = %(machine)s AND before.state = 'ready' AND before.ready_at <= clock_timestamp()
        AND before.priority > %(priority)s)
    AND {MAY_TAKE}
  ORDER BY task.id LIMIT 1 FOR UPDATE OF task SKIP LOCKED),
best AS ({BEST})
SELECT id FROM following UNION ALL SELECT id FROM best LIMIT 1
"""  # noqa: S608 - of constants alone
READY_TYPES = """
SELECT machine.id FROM jobs_machinetype machine WHERE machine.id = ANY(%s) AND EXISTS (
  SELECT 1 FROM jobs_task task
  WHERE task.machine_type_id = machine.id AND task.state = 'ready' AND task.ready_at <= clock_timestamp())
"""


def claim(
    *, host: Host, incarnation: uuid.UUID, machine_id: int, slot: int, prefix: str, after: Task | None = None
) -> Attempt | None:
    """The next attempt for a slot, committed as STARTING; None when nothing is ready.

    Ordered by priority, then job number, then index; the tasks of a fan-out stand behind one another as if each was a job
    of its own, so that others come in between (decision 0020). Tasks of an owner who has no room left are passed over.
    `prefix` begins the container's name (the installation's mark, so that several may share an engine). `after` is a task
    whose followers in its stage go first, because the slot keeps a container for them (decision 36).
    """
    names: dict[str, Any] = {
        "machine": machine_id,
        "host": host.pk,
        "incarnation": incarnation,
        "running_max": settings.JOBS_RUNNING_MAX,
    }
    if after is not None:
        names |= {"job": after.job_id, "stage": after.stage, "last": after.pk, "priority": after.priority}
    query = BEST if after is None else NEXT_OF_STAGE
    while True:
        # A try a transaction: the lock on an owner who took their last place in this moment must not be kept for the next.
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(query, names)
                row = cursor.fetchone()
            if row is None:
                return None
            task = Task.objects.select_related("job__vault").defer("job__plan", "job__parameters").get(pk=row[0])
            if _may_begin(task):
                return _begin(task, host, incarnation, slot, prefix)
        query = BEST  # its job is just ending, and the next of its tasks would be no better


def _may_begin(task: Task) -> bool:
    """Bring the task's job to RUNNING, if it isn't, its owner has room and its vault is free for it."""
    job = task.job
    if job.state == JobState.QUEUED and job.in_stages:
        # Many of its tasks may be ready: one slot begins it, and is waited for, so that it is counted once.
        job.state = Job.objects.select_for_update(no_key=True).values_list("state", flat=True).get(pk=job.pk)
    if job.state == JobState.QUEUED:
        if not vault_locks.take(task) or not limits.begin(job.owner_id):
            return False
        try:
            job.move(JobState.RUNNING, started_at=Now())
            vault_locks.hold(job)
            if job.in_stages:
                _begin_stages(job, task.stage)
        except LostRace:  # a sibling task's slot was first, or the job has just been cancelled
            limits.not_begun(job.owner_id)
            job.refresh_from_db(fields=["state"])
    return job.state == JobState.RUNNING


def _begin_stages(job: Job, stage: str) -> None:
    """The first stage of the job is at work from now on, and its time begins."""
    rows = JobStage.objects.filter(job=job, stage=stage, state=StageState.WAITING)
    rows.update(state=StageState.RUNNING, started_at=Now())
    limit_s = Config.of(job.config).job_timeout_s
    if limit_s is not None:
        Job.objects.filter(pk=job.pk).update(deadline_at=Now() + timedelta(seconds=limit_s))


def _walltime_s(task: Task) -> int:
    """A job in stages says how long a task of its app may take; engines have what is usual."""
    if task.stage == Stage.RUN:
        return task.job.walltime_s
    return int(min(settings.WALLTIME_DEFAULT_HOURS, settings.WALLTIME_MAX_HOURS)) * 3600


def _begin(task: Task, host: Host, incarnation: uuid.UUID, slot: int, prefix: str) -> Attempt:
    number = task.attempt_number + 1
    task.move(TaskState.RUNNING, host=host, attempt_number=number, reason="")
    attempt = Attempt.objects.create(
        task=task,
        number=number,
        name=f"{prefix}-{task.job_id}-{task.stage}-{task.index}-{number}",
        host=host,
        tended_by=incarnation,
        slot=slot,
        walltime_s=_walltime_s(task),
    )
    attempt.fresh = True
    again = f" (try {number})" if number > 1 else ""
    if not one_of_many(task):
        record(task.job_id, "claimed", f"Host {host.name} took it{again}.", task_id=task.pk)
    return attempt


def recover(*, host: Host, incarnation: uuid.UUID, machine_id: int, slot: int) -> Attempt | None:
    """An open attempt of this host's slot that nobody tends (its process was killed or replaced), now tended by us.

    Each slot takes up its own, for the container may hold the GPUs that are the slot's.
    """
    rows = Attempt.objects.filter(host=host, slot=slot, state__in=ATTEMPT_OPEN, task__machine_type_id=machine_id)
    rows = rows.exclude(tended_by=incarnation).order_by("pk")
    if not rows.exists():  # nearly always: no transaction is begun for it
        return None
    with transaction.atomic():
        attempt = rows.select_for_update(skip_locked=True).first()
        if attempt is None or not Host.objects.filter(pk=host.pk, incarnation=incarnation).exists():
            return None
        Attempt.objects.filter(pk=attempt.pk).update(tended_by=incarnation)
        attempt.tended_by = incarnation
        record(attempt.task.job_id, "adopted", f"Host {host.name} goes on with it.", task_id=attempt.task_id)
        return attempt


def ready_types(machine_ids: Iterable[int]) -> set[int]:
    """Which of these machine types have a task ready: the look-round that makes a lost doorbell cost a second."""
    with connection.cursor() as cursor:
        cursor.execute(READY_TYPES, (list(machine_ids),))
        return {row[0] for row in cursor.fetchall()}
