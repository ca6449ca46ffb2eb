"""Vaults that one job has at a time: who has one, whose turn is next, and why a job waits for it.

A job takes its vault in the claim that begins it and gives it back in the transaction that ends it. Until its turn comes
its tasks are HELD, with the vault in `waits_for`; so the claim still counts nothing. Turns go by job number, across
owners and machine types. A job that could not start anyway (its owner is at their limit, no host serves its machine type) is
given its turn too, and the next one as well: it blocks nobody, and whoever claims first has the vault.
Lock order: tasks, the job, the vault, the owner's load; tasks of other jobs are only taken if they are free.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from jobs.models import Job, MachineType, Task, Vault
from jobs.models.hosts import FIT, silent_s
from jobs.states import JOB_TERMINAL, JobState, TaskState

EXCLUSIVE = (Vault.Type.BLOCK, Vault.Type.BLOCK_ARRAY)
LOOKED_AT = 200  # waiting jobs of one vault that are looked at in a round
BUSY_S = 1

# The queued jobs of a vault in their order: whether they wait for it, and whether they could start.
QUEUE = f"""
SELECT task.id, task.waits_for_id IS NOT NULL,
  load.owner_id IS NULL OR load.running < coalesce(load.running_max, %(running_max)s),
  EXISTS (SELECT 1 FROM jobs_host host WHERE machine.enabled AND {FIT})
FROM jobs_job job
JOIN jobs_task task ON task.job_id = job.number AND task.state IN ('held', 'ready')
JOIN jobs_machinetype machine ON machine.id = task.machine_type_id
LEFT JOIN jobs_ownerload load ON load.owner_id = job.owner_id
WHERE job.vault_id = %(vault)s AND job.state = 'queued'
ORDER BY job.number, task.index LIMIT %(most)s
"""  # noqa: S608 - of constants alone
TURN = """
UPDATE jobs_task SET waits_for_id = NULL, state = CASE WHEN id = ANY(%(ready)s) THEN %(ready_state)s ELSE state END
WHERE id IN (SELECT id FROM jobs_task WHERE id = ANY(%(turned)s) AND state = %(held)s FOR UPDATE SKIP LOCKED)
RETURNING machine_type_id, state
"""
ASTRAY = """
SELECT vault.id FROM jobs_vault vault LEFT JOIN jobs_job job ON job.number = vault.held_by_id
WHERE vault.type = ANY(%(types)s) AND (
  job.state = ANY(%(ended)s)
  OR (vault.held_by_id IS NULL AND EXISTS (
    SELECT 1 FROM jobs_task task WHERE task.waits_for_id = vault.id AND task.state = 'held')))
LIMIT %(most)s
"""


def enter(vault: Vault | None) -> bool:
    """Whether jobs take turns at this vault. If so its row is locked until the transaction ends."""
    if vault is None or not vault.exclusive:
        return False
    return Vault.objects.select_for_update(no_key=True).filter(pk=vault.pk).first() is not None


def take(task: Task) -> bool:
    """Before a queued job begins: whether its vault is free for it, which then nobody else can take in this transaction.

    False: the task waits for its turn again (HELD), or for a moment, where somebody is busy with the vault's row.
    """
    job = task.job
    if job.vault is None or not job.vault.exclusive:
        return True
    vault = Vault.objects.select_for_update(skip_locked=True, no_key=True).filter(pk=job.vault.pk).first()
    if vault is None:
        Task.objects.filter(pk=task.pk).update(ready_at=Now() + timedelta(seconds=BUSY_S))
        return False
    if vault.held_by_id in (None, job.pk):
        return True
    task.move(TaskState.HELD, waits_for=vault)
    return False


def hold(job: Job) -> None:
    """The job has begun, in the transaction of `take`: the vault is its own."""
    if job.vault is not None and job.vault.exclusive:
        Vault.objects.filter(pk=job.vault.pk).update(held_by=job)


def let_go(job: Job) -> None:
    """The job has ended; `turn` then passes its vault on. The vault's row is locked from here on."""
    if job.vault_id is None:
        return
    vault = Vault.objects.select_for_update(no_key=True).filter(pk=job.vault_id, type__in=EXCLUSIVE).first()
    if vault is not None and vault.held_by_id == job.pk:
        Vault.objects.filter(pk=vault.pk).update(held_by=None)


def turn(vault_id: int | None) -> set[str]:
    """Where nobody has the vault, make READY who is next. The machine types that now have work.

    Call it with the vault's row locked, and after the ended job is counted out of its owner's load.
    """
    if vault_id is None or not Vault.objects.filter(pk=vault_id, held_by=None, type__in=EXCLUSIVE).exists():
        return set()
    turned, ready = _next(vault_id)
    if not turned:
        return set()
    names: dict[str, Any] = {"turned": turned, "ready": ready, "ready_state": TaskState.READY, "held": TaskState.HELD}
    with connection.cursor() as cursor:
        cursor.execute(TURN, names)
        machines = {machine for machine, state in cursor.fetchall() if state == TaskState.READY}
    return set(MachineType.objects.filter(pk__in=machines).values_list("name", flat=True)) if machines else set()


def _next(vault_id: int) -> tuple[list[int], list[int]]:
    """Tasks whose turn it is now, and those of them whose owner has room: all up to the first that can start."""
    names: dict[str, Any] = {
        "vault": vault_id,
        "running_max": settings.JOBS_RUNNING_MAX,
        "silent_s": silent_s(),
        "most": LOOKED_AT,
    }
    turned, ready = [], []
    with connection.cursor() as cursor:
        cursor.execute(QUEUE, names)
        for task_id, waits, room, served in cursor.fetchall():
            if waits:
                turned.append(task_id)
                ready += [task_id] if room else []
            if room and served:
                break
    return turned, ready


def put_right(*, most: int = 100) -> set[str]:
    """Free vaults whose job has ended, and pass on those that nobody has. The machine types that now have work.

    Called by every watcher once a second, for what a crash or a busy row left. What is locked is left for the next round.
    """
    with connection.cursor() as cursor:
        cursor.execute(ASTRAY, {"types": list(EXCLUSIVE), "ended": list(JOB_TERMINAL), "most": most})
        vaults = [row[0] for row in cursor.fetchall()]
    woken: set[str] = set()
    for vault_id in vaults:
        with transaction.atomic():
            rows = Vault.objects.select_for_update(skip_locked=True, no_key=True, of=("self",)).filter(pk=vault_id)
            vault = rows.select_related("held_by").first()
            if vault is None:
                continue
            if vault.held_by is not None and vault.held_by.terminal:
                Vault.objects.filter(pk=vault_id).update(held_by=None)
            woken |= turn(vault_id)
    return woken


def why_waiting(job: Job) -> str:
    """A sentence for a queued job whose turn at its vault has not come, else ""."""
    if job.vault is None or not job.vault.exclusive or not job.tasks.filter(waits_for=job.vault_id).exists():
        return ""
    queue = Job.objects.filter(vault=job.vault_id, state=JobState.QUEUED, number__lt=job.number).order_by("number")
    before = list(queue.values_list("number", flat=True)[:LOOKED_AT])
    holder = Vault.objects.filter(pk=job.vault.pk).values_list("held_by", flat=True).first()
    name = f"the vault '{job.vault.name}'"
    if holder and before:
        count = "1 job is" if len(before) == 1 else f"{len(before)} jobs are"
        return f"Waiting: {name} is in use by job {holder}, and {count} before this one."
    if holder:
        return f"Waiting: {name} is in use by job {holder}. It starts when that job ends."
    if before:
        return f"Waiting: {name} goes to job {before[0]} first. It starts when that job has ended."
    return f"Waiting: {name} is being handed over."
