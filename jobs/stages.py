"""Settling: how an attempt's end becomes the task's, the stage's and the job's, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from jobs import endpoints, limits, placement, vault_locks
from jobs.collect import Item
from jobs.events import record
from jobs.models import Attempt, Job, Result, Task
from jobs.models.jobs import LostRace
from jobs.states import (
    ATTEMPT_OPEN,
    TASK_OPEN,
    AttemptState,
    FailureClass,
    JobState,
    TaskState,
)
from portal import doorbell
from portal.people import tokens

INFRA_RETRIES = 3
BACKOFF_S = (2, 10, 60)


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended. `failure` None is success. `retry`: another try by itself can help (infra only)."""

    failure: FailureClass | None
    reason: str
    exit_code: int | None = None
    retry: bool = False
    results: Sequence[Item] = field(default_factory=tuple)
    cpu_s: float | None = None
    memory_peak_bytes: int | None = None


def settle(attempt: Attempt, outcome: Outcome, *, state: AttemptState = AttemptState.EXITED) -> Task:
    """Record the end of an attempt. Raises LostRace when it is no longer the one in force: its results are refused."""
    with transaction.atomic():
        task = Task.objects.select_for_update().get(pk=attempt.task_id)
        if task.attempt_number != attempt.number or task.state != TaskState.RUNNING:
            raise LostRace(f"Attempt {attempt.name} is not the one in force any more.")
        attempt.move(
            state,
            where={"tended_by": attempt.tended_by},
            ended_at=Now(),
            exit_code=outcome.exit_code,
            failure_class=outcome.failure or "",
            reason=outcome.reason,
            cpu_s=outcome.cpu_s,
            memory_peak_bytes=outcome.memory_peak_bytes,
        )
        endpoints.close_all(attempt)
        if outcome.failure is None or outcome.results:
            _keep_results(task, outcome.results)
        if outcome.failure == FailureClass.INFRA and outcome.retry and task.infra_retries < INFRA_RETRIES:
            # The job's lock: a cancel asked for from now on finds the task waiting, and an earlier one is seen here.
            if Job.objects.select_for_update().get(pk=task.job_id).cancel_requested_at is None:
                return _again(task, outcome)
            outcome = replace(outcome, failure=FailureClass.CANCELLED, reason=f"Cancelled. {outcome.reason}")
        _finish_task(task, outcome)
        _finish_stage(task, outcome)
        return task


def may_run_again(task: Task) -> bool:
    """Whether a task may be run a second time by itself after its host was lost: only if nothing outside it was touched."""
    job = task.job
    return job.rerun_safe or job.vault_id is None or job.vault_readonly


def lose(attempt: Attempt, reason: str) -> None:
    """The attempt's host is gone. Run it again if that is safe, else fail it as infra with a Re-run button."""
    task = Task.objects.select_related("job").get(pk=attempt.task_id)
    settle(attempt, Outcome(FailureClass.INFRA, reason, retry=may_run_again(task)), state=AttemptState.LOST)


def cancel_waiting(job: Job, reason: str) -> bool:
    """Cancel what of a job has not begun; True when that ended the whole job. Running attempts end by their watchers."""
    with transaction.atomic():
        waiting = list(
            Task.objects.select_for_update()
            .filter(job=job, state__in=(TaskState.HELD, TaskState.READY))
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        changed = Task.objects.filter(pk__in=waiting).update(
            state=TaskState.CANCELLED, failure_class=FailureClass.CANCELLED, reason=reason, waits_for=None
        )
        locked = Job.objects.select_for_update().get(pk=job.pk)
        Job.objects.filter(pk=job.pk).update(tasks_done=F("tasks_done") + changed)
        if locked.terminal or Task.objects.filter(job=job, state__in=TASK_OPEN).exists():
            return False
        _finish_job(locked, JobState.CANCELLED, Outcome(FailureClass.CANCELLED, reason))
        return True


def _keep_results(task: Task, items: Sequence[Item]) -> None:
    Result.objects.filter(task=task).delete()
    Result.objects.bulk_create(
        [
            Result(
                job_id=task.job_id,
                task=task,
                path=item.path,
                size=item.size,
                sha256=item.sha256,
                media_type=item.media_type,
                stored=item.stored,
                skipped=item.skipped,
            )
            for item in items
        ],
        batch_size=500,
    )


def _again(task: Task, outcome: Outcome) -> Task:
    wait_s = BACKOFF_S[min(task.infra_retries, len(BACKOFF_S) - 1)]
    task.move(
        TaskState.READY,
        host=None,
        infra_retries=F("infra_retries") + 1,
        ready_at=Now() + timedelta(seconds=wait_s),
        reason=f"{outcome.reason} Trying again in {wait_s} s.",
    )
    record(task.job_id, "retry", f"{outcome.reason} Trying again in {wait_s} s.", task_id=task.pk)
    return task


def _finish_task(task: Task, outcome: Outcome) -> None:
    states = {None: TaskState.SUCCEEDED, FailureClass.CANCELLED: TaskState.CANCELLED}
    to = states.get(outcome.failure, TaskState.FAILED)
    task.move(to, host=None, failure_class=outcome.failure or "", reason=outcome.reason)


def _finish_stage(task: Task, outcome: Outcome) -> None:
    """Count the task; whoever settles the last one of the stage ends the job (later: opens the next stage)."""
    job = Job.objects.select_for_update().get(pk=task.job_id)
    Job.objects.filter(pk=job.pk).update(tasks_done=F("tasks_done") + 1)
    if Task.objects.filter(job=job, stage=task.stage, state__in=TASK_OPEN).exists():
        return
    worst = (
        Task.objects.filter(job=job, stage=task.stage)
        .exclude(state=TaskState.SUCCEEDED)
        .order_by("state", "index")
        .first()
    )
    if worst is None:
        _finish_job(job, JobState.SUCCEEDED, outcome)
    else:
        to = JobState.CANCELLED if worst.state == TaskState.CANCELLED else JobState.FAILED
        said = Outcome(FailureClass(worst.failure_class), worst.reason, exit_code=outcome.exit_code)
        _finish_job(job, to, said)


def _finish_job(job: Job, to: JobState, outcome: Outcome) -> None:
    was = job.state
    job.move(
        to,
        finished_at=Now(),
        failure_class=outcome.failure or "",
        reason=outcome.reason,
        exit_code=outcome.exit_code,
    )
    record(job.number, str(to), outcome.reason)
    tokens.revoke_of_job(job.number)
    vault_locks.let_go(job)
    woken = limits.end(limits.lock(job.owner_id), was=was)
    placement.wake(woken | vault_locks.turn(job.vault_id))
    if job.notify:
        doorbell.chore("mail_finished", job.number)


def open_attempts(host_id: int) -> list[Attempt]:
    return list(Attempt.objects.filter(host_id=host_id, state__in=ATTEMPT_OPEN).select_related("task__machine_type"))
