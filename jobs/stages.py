"""Settling: how an attempt's end becomes the task's, the stage's and the job's, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from jobs import endpoints, stage_counting
from jobs.collect import Item
from jobs.events import record
from jobs.finishing import finish_job
from jobs.models import Attempt, Job, Result, Task
from jobs.models.jobs import LostRace
from jobs.outcomes import Outcome
from jobs.states import (
    ATTEMPT_OPEN,
    TASK_OPEN,
    AttemptState,
    FailureClass,
    JobState,
    Stage,
    TaskState,
)

__all__ = ["Outcome", "cancel_waiting", "lose", "may_run_again", "one_of_many", "open_attempts", "settle"]
INFRA_RETRIES = 3
BACKOFF_S = (2, 10, 60)


def settle(attempt: Attempt, outcome: Outcome, *, state: AttemptState = AttemptState.EXITED) -> Task:
    """Record the end of an attempt. Raises LostRace when it is no longer the one in force: its results are refused."""
    with transaction.atomic():
        task = Task.objects.select_for_update().get(pk=attempt.task_id)
        task.job = attempt.task.job  # of it is read here only what never changes
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
        if not task.job.in_stages:  # what runs in stages serves nothing
            endpoints.close_all(attempt)
        if outcome.failure is None or outcome.results:
            _keep_results(task, outcome.results)
        return _ended(task, attempt, outcome)


def _ended(task: Task, attempt: Attempt, outcome: Outcome) -> Task:
    """What follows for the task, its stage and its job."""
    if outcome.failure == FailureClass.INFRA and outcome.retry and task.infra_retries < INFRA_RETRIES:
        # The job's lock: a cancel asked for from now on finds the task waiting, and an earlier one is seen here.
        job = stage_counting.lock(task.job_id)
        if job is not None and not stage_counting.stopping(job):
            if job.in_stages:
                stage_counting.spend(attempt)
            return _again(task, outcome)
        outcome = replace(outcome, failure=FailureClass.CANCELLED, reason=f"Cancelled. {outcome.reason}")
    if task.job.in_stages and stage_counting.once_more(task, outcome):
        stage_counting.spend(attempt)
        return task
    _finish_task(task, outcome)
    if task.job.in_stages:
        stage_counting.count(task, attempt, outcome)
    else:
        _finish_stage(task, outcome)
    return task


def may_run_again(task: Task) -> bool:
    """Whether a task may be run a second time by itself after its host was lost: only if nothing outside it was touched."""
    job = task.job
    return job.rerun_safe or job.vault_id is None or job.vault_readonly


def one_of_many(task: Task) -> bool:
    """Whether what happens to it is told by its attempts alone: of a fan-out, the events of thousands would say nothing."""
    return task.job.in_stages and task.stage == Stage.RUN


def lose(attempt: Attempt, reason: str) -> None:
    """The attempt's host is gone. Run it again if that is safe, else fail it as infra with a Re-run button."""
    task = Task.objects.select_related("job").get(pk=attempt.task_id)
    settle(attempt, Outcome(FailureClass.INFRA, reason, retry=may_run_again(task)), state=AttemptState.LOST)


def cancel_waiting(job: Job, reason: str) -> bool:
    """Cancel what of a job has not begun; True when that ended the whole job. Running attempts end by their watchers."""
    if job.in_stages:
        return stage_counting.cancel_waiting(job.pk, reason)
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
        finish_job(locked, JobState.CANCELLED, Outcome(FailureClass.CANCELLED, reason))
        return True


def _keep_results(task: Task, items: Sequence[Item]) -> None:
    """In place of what an earlier attempt has left."""
    if task.attempt_number > 1:
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
    """Count the task of a job without stages; whoever settles the last one ends the job."""
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
        finish_job(job, JobState.SUCCEEDED, outcome)
    else:
        to = JobState.CANCELLED if worst.state == TaskState.CANCELLED else JobState.FAILED
        said = Outcome(FailureClass(worst.failure_class), worst.reason, exit_code=outcome.exit_code)
        finish_job(job, to, said)


def open_attempts(host_id: int) -> list[Attempt]:
    return list(Attempt.objects.filter(host_id=host_id, state__in=ATTEMPT_OPEN).select_related("task__machine_type"))
