"""How many jobs a person may have queued and running, kept by counters; tasks beyond the limit are HELD.

Held tasks are in no index that the claim walks, so it stays one short walk whatever the number of tasks and owners.
Tasks that wait for a vault's turn are HELD as well, and left alone here: `vault_locks` says when their turn comes.
Holding many is not the claim's work: it passes a full owner over, and the watchers hold what is left within a second.
Lock order everywhere: tasks, then the job, then its vault, then the owner's load; tasks of other jobs are only taken if they are free
(SKIP LOCKED), so two people's transactions never wait for each other in a ring.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Coalesce, Greatest

from jobs.models import MachineType, OwnerLoad
from jobs.states import JobState, TaskState
from portal.errors import Full

# Gives whether there is room to run it; no row, where the limit of queued jobs is reached.
ACCEPT = """
UPDATE jobs_ownerload SET queued = queued + 1
WHERE owner_id = %(owner)s AND queued < coalesce(queued_max, %(queued)s)
RETURNING running < coalesce(running_max, %(running)s)
"""
HOLD = """
UPDATE jobs_task SET state = %(held)s WHERE id IN (
  SELECT task.id FROM jobs_task task JOIN jobs_job job ON job.number = task.job_id
  WHERE task.owner_id = %(owner)s AND task.state = %(ready)s AND job.state = %(queued)s
  FOR UPDATE OF task SKIP LOCKED)
"""
# Owners without room who have tasks that look ready, and owners with room whose tasks are all held: both are put right.
ASTRAY = """
SELECT load.owner_id FROM jobs_ownerload load WHERE
  (load.running >= coalesce(load.running_max, %(default)s) AND load.queued > 0 AND EXISTS (
    SELECT 1 FROM jobs_task task JOIN jobs_job job ON job.number = task.job_id
    WHERE task.owner_id = load.owner_id AND task.state = 'ready' AND job.state = 'queued'))
  OR (load.running < coalesce(load.running_max, %(default)s) AND load.queued > 0 AND EXISTS (
    SELECT 1 FROM jobs_task task
    WHERE task.owner_id = load.owner_id AND task.state = 'held' AND task.waits_for_id IS NULL)
    AND NOT EXISTS (
      SELECT 1 FROM jobs_task task JOIN jobs_job job ON job.number = task.job_id
      WHERE task.owner_id = load.owner_id AND task.state = 'ready' AND job.state = 'queued'))
LIMIT %(most)s
"""
RELEASE = """
UPDATE jobs_task SET state = %(ready)s WHERE id IN (
  SELECT id FROM jobs_task WHERE state = %(held)s AND waits_for_id IS NULL AND (job_id, machine_type_id) IN (
    SELECT job_id, machine_type_id FROM (
      SELECT job_id, machine_type_id, dense_rank() OVER (
        PARTITION BY machine_type_id ORDER BY priority DESC, job_id) AS place
      FROM jobs_task WHERE owner_id = %(owner)s AND state = %(held)s AND waits_for_id IS NULL) ranked
    WHERE place <= %(room)s)
  FOR UPDATE SKIP LOCKED)
RETURNING machine_type_id
"""


def lock(owner_id: int) -> OwnerLoad:
    """The owner's load, locked until the transaction ends."""
    rows = OwnerLoad.objects.select_for_update().filter(owner_id=owner_id)
    load = rows.first()
    if load is None:
        OwnerLoad.objects.get_or_create(owner_id=owner_id)
        load = rows.get()
    return load


def accept(owner_id: int) -> TaskState:
    """Count one more queued job. The state its first tasks begin in. Raises Full at the limit.

    Judged, counted and locked until the transaction ends by one statement: who submits at the same time for the same
    owner waits in it, and is judged by what this one has left.
    """
    room = _count(owner_id)
    if room is None:  # the limit is reached, or it is their first job of all
        load = lock(owner_id)
        if load.queued >= load.queued_limit:
            raise Full(
                f"You have {load.queued} jobs waiting, which is the limit. Wait for some to start, or cancel some.",
                code="queued_limit",
            )
        room = _count(owner_id)
    return TaskState.READY if room else TaskState.HELD


def _count(owner_id: int) -> bool | None:
    """One more queued job, and whether there is room to run it; None, and none counted, at the limit or without a row."""
    names = {"owner": owner_id, "running": settings.JOBS_RUNNING_MAX, "queued": settings.JOBS_QUEUED_MAX}
    with connection.cursor() as cursor:
        cursor.execute(ACCEPT, names)
        found = cursor.fetchone()
    return None if found is None else bool(found[0])


def has_room(load: OwnerLoad) -> bool:
    return load.running < load.running_limit


def begin(owner_id: int) -> bool:
    """Count a queued job as running if the owner has room: one statement, which locks their load. False when full."""
    room = OwnerLoad.objects.filter(
        owner_id=owner_id, running__lt=Coalesce(F("running_max"), Value(settings.JOBS_RUNNING_MAX))
    )
    return room.update(running=F("running") + 1, queued=Greatest(F("queued") - 1, 0)) > 0


def not_begun(owner_id: int) -> None:
    """Take `begin` back: the job was begun by another slot, or cancelled, in this very moment."""
    OwnerLoad.objects.filter(owner_id=owner_id).update(running=F("running") - 1, queued=F("queued") + 1)


def put_right(*, most: int = 100) -> set[str]:
    """Hold what is ready beyond an owner's limit, release what is held without need. Machine types that now have work.

    Called by every watcher once a second; an owner whom another transaction is busy with is left for the next round.
    """
    with connection.cursor() as cursor:
        cursor.execute(ASTRAY, {"default": settings.JOBS_RUNNING_MAX, "most": most})
        owners = [row[0] for row in cursor.fetchall()]
    released: set[str] = set()
    for owner_id in owners:
        with transaction.atomic():
            load = OwnerLoad.objects.select_for_update(skip_locked=True).filter(owner_id=owner_id).first()
            if load is None:
                continue
            if has_room(load):
                released |= release(load)
            else:
                _hold(load)
    return released


def _hold(load: OwnerLoad) -> None:
    names: dict[str, Any] = {
        "owner": load.owner_id,
        "held": TaskState.HELD,
        "ready": TaskState.READY,
        "queued": JobState.QUEUED,
    }
    with connection.cursor() as cursor:
        cursor.execute(HOLD, names)


def end(load: OwnerLoad, *, was: str) -> set[str]:
    """Count a job as ended; release held tasks into the room it leaves. The machine types that now have work."""
    if was == JobState.RUNNING:
        load.running = max(load.running - 1, 0)
    else:
        load.queued = max(load.queued - 1, 0)
    load.save(update_fields=["running", "queued"])
    return release(load)


def release(load: OwnerLoad) -> set[str]:
    """Make READY as many held jobs per machine type as the owner has room for. The machine types that now have work."""
    room = load.running_limit - load.running
    if room <= 0:
        return set()
    names: dict[str, Any] = {
        "owner": load.owner_id,
        "held": TaskState.HELD,
        "ready": TaskState.READY,
        "room": room,
    }
    with connection.cursor() as cursor:
        cursor.execute(RELEASE, names)
        ids = {row[0] for row in cursor.fetchall()}
    return set(MachineType.objects.filter(pk__in=ids).values_list("name", flat=True)) if ids else set()
