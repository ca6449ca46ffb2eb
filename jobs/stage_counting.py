"""Counting the tasks of jobs in stages, and what follows when the last one of a stage has ended.

The counters of a stage are kept in the transactions that settle its tasks; no COUNT(*) is taken. Thousands of tasks may
settle at once: they wait for one another at one row only, the job's, and only for the two statements that count.
Lock order: one's own task, the job, its stages, the owner's load. Other tasks of the job are taken behind the job's row,
so only if they are free (SKIP LOCKED); what was not free is taken by `put_right`, a second later.
"""

from __future__ import annotations

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from jobs import stage_opening
from jobs.events import notify, record
from jobs.fan_config import Config
from jobs.finishing import finish_job
from jobs.models import Attempt, Job, JobStage, Task
from jobs.outcomes import Outcome
from jobs.states import FailureClass, JobState, Stage, StageState, TaskState

FIELDS = {TaskState.SUCCEEDED: "succeeded", TaskState.FAILED: "failed", TaskState.CANCELLED: "cancelled"}
ITS_PROGRAMS = (FailureClass.USER, FailureClass.OOM, FailureClass.TIMEOUT)
WORDS = {Stage.PARTITION: "The partition", Stage.RUN: "Task {index}", Stage.ASSEMBLE: "The assembly"}
TOLD = 200  # how often at most those who look on are told of a stage's progress
LOOK = "Look at its log."
REMEDY = f"{LOOK} What has finished is kept: 'Retry what failed' runs only the rest."

CANCEL_WAITING = """
WITH gone AS (
  UPDATE jobs_task SET state = 'cancelled', failure_class = 'cancelled', reason = %(reason)s, waits_for_id = NULL
  WHERE id IN (SELECT id FROM jobs_task WHERE job_id = %(job)s AND state IN ('held', 'ready') FOR UPDATE SKIP LOCKED)
  RETURNING stage)
SELECT stage, count(*) FROM gone GROUP BY stage
"""
# What nearly every task of thousands does, so in one statement: the job's row is taken first, then its stage's.
COUNT = {
    state: f"""
WITH job AS (UPDATE jobs_job SET tasks_done = tasks_done + 1 WHERE number = %(job)s RETURNING number),
spent AS (SELECT coalesce(extract(epoch FROM ended_at - started_at), 0) AS s FROM jobs_attempt WHERE id = %(attempt)s)
UPDATE jobs_jobstage stage SET {field} = stage.{field} + 1, busy_s = stage.busy_s + spent.s
FROM job, spent WHERE stage.job_id = job.number AND stage.stage = %(stage)s
RETURNING stage.total, stage.total - stage.succeeded - stage.failed - stage.cancelled
"""  # noqa: S608 - of names of columns alone
    for state, field in FIELDS.items()
}
SPEND = """
UPDATE jobs_jobstage stage SET busy_s = stage.busy_s + extract(epoch FROM attempt.ended_at - attempt.started_at)
FROM jobs_attempt attempt JOIN jobs_task task ON task.id = attempt.task_id
WHERE attempt.id = %s AND attempt.started_at IS NOT NULL AND stage.job_id = task.job_id AND stage.stage = task.stage
"""
# Jobs that are to end and are not at it: their deadline has just passed, or some of their tasks still wait.
ENDING = """
SELECT job.number FROM jobs_job job
WHERE job.in_stages AND job.state IN ('queued', 'running')
  AND (job.cancel_requested_at IS NOT NULL OR job.stop_class <> '' OR job.deadline_at IS NOT NULL)
  AND ((job.deadline_at < now() AND job.stop_class = '' AND job.cancel_requested_at IS NULL)
    OR ((job.cancel_requested_at IS NOT NULL OR job.stop_class <> '') AND EXISTS (
      SELECT 1 FROM jobs_task task WHERE task.job_id = job.number AND task.state IN ('held', 'ready'))))
LIMIT %s
"""


def lock(job_id: int, *, skip_locked: bool = False) -> Job | None:
    """The job's row, locked until the transaction ends, without what is large in it."""
    rows = Job.objects.select_for_update(of=("self",), no_key=True, skip_locked=skip_locked).select_related("owner")
    return rows.defer("plan", "parameters").filter(pk=job_id).first()


def stopping(job: Job) -> bool:
    return job.cancel_requested_at is not None or bool(job.stop_class)


def once_more(task: Task, outcome: Outcome) -> bool:
    """Let a task that its own program failed be tried again, if its person grants it one more retry."""
    if outcome.failure not in ITS_PROGRAMS or outcome.lasting:
        return False
    granted = Config.of(task.job.config).retries
    if task.retries >= granted:
        return False
    job = lock(task.job_id)
    if job is None or stopping(job):
        return False
    task.move(TaskState.READY, host=None, retries=F("retries") + 1, ready_at=Now(), reason=outcome.reason)
    said = f"{_name(task)}: {outcome.reason} It is tried again ({task.retries + 1} of {granted})."
    record(task.job_id, "retry", said, task_id=task.pk)
    return True


def count(task: Task, attempt: Attempt, outcome: Outcome) -> None:
    """Count a task that has just ended. Whoever counts the last one of a stage opens the next, or ends the job."""
    with connection.cursor() as cursor:
        names: dict[str, int | str] = {"job": task.job_id, "stage": task.stage, "attempt": attempt.pk}
        cursor.execute(COUNT[TaskState(task.state)], names)
        total, left = cursor.fetchone()
    if left and task.state != TaskState.FAILED:
        _tell(task.job_id, total, left)
        return
    job = lock(task.job_id)
    assert job is not None  # noqa: S101 - its task refers to it
    stage = stage_opening.stage_of(job, Stage(task.stage))
    if task.state == TaskState.FAILED:
        record(job.number, "failed_task", f"{_name(task)}: {outcome.reason}", task_id=task.pk)
        if stage.open and not stopping(job) and stage.failed > _allowed(job, stage):
            _stop(job, FailureClass(outcome.failure or "user"), _blame(task, stage, outcome), outcome.exit_code)
            stage.refresh_from_db(fields=["succeeded", "failed", "cancelled"])
    if stage.open:
        _tell(job.number, stage.total, stage.open)
    else:
        _close(job, stage, task, outcome)


def _tell(job_id: int, total: int, left: int) -> None:
    if (total - left) % max(1, total // TOLD) == 0:
        notify(job_id, "state")


def spend(attempt: Attempt) -> None:
    """Add what an attempt took to its stage, where its task goes on. The job's row is locked by now."""
    with connection.cursor() as cursor:
        cursor.execute(SPEND, (attempt.pk,))


def cancel_waiting(job_id: int, reason: str) -> bool:
    """Cancel what of a job has not begun, in one statement; True when that ended the whole job."""
    with transaction.atomic():
        job = lock(job_id)
        return job is not None and not job.terminal and _end_waiting(job, reason)


def put_right(*, most: int = 100) -> None:
    """Stop jobs whose deadline has passed, and cancel what still waits of those that are to end.

    Called by every watcher once a second; a job that another transaction is busy with is left for the next round.
    """
    with connection.cursor() as cursor:
        cursor.execute(ENDING, (most,))
        numbers = [row[0] for row in cursor.fetchall()]
    for number in numbers:
        with transaction.atomic():
            job = lock(number, skip_locked=True)
            if job is None or job.terminal:
                continue
            if stopping(job):
                _end_waiting(job, "Cancelled before it began." if job.cancel_requested_at else job.stop_reason)
            elif Job.objects.filter(pk=number, deadline_at__lt=Now()).exists():
                limit = Config.of(job.config).job_timeout_s
                said = (
                    f"The job ran into its time limit (jobTimeout) of {limit} s. Give it more, then retry what is left."
                )
                _stop(job, FailureClass.TIMEOUT, said)
                _close_ended(job)


def _stop(job: Job, failure: FailureClass, reason: str, exit_code: int | None = None) -> None:
    """End a job that goes on no further: what waits is cancelled now, what runs is stopped by its watchers."""
    Job.objects.filter(pk=job.pk).update(stop_class=failure, stop_reason=reason, exit_code=exit_code)
    job.stop_class, job.stop_reason, job.exit_code = str(failure), reason, exit_code
    record(job.number, "stopping", reason)
    _cancel_rest(job, f"Not run: {reason}")


def _end_waiting(job: Job, reason: str) -> bool:
    _cancel_rest(job, reason)
    return _close_ended(job, reason)


def _cancel_rest(job: Job, reason: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(CANCEL_WAITING, {"job": job.number, "reason": reason})
        gone = dict(cursor.fetchall())
    for stage, number in gone.items():
        JobStage.objects.filter(job=job, stage=stage).update(cancelled=F("cancelled") + number)
    if gone:
        Job.objects.filter(pk=job.pk).update(tasks_done=F("tasks_done") + sum(gone.values()))


def _close_ended(job: Job, reason: str = "") -> bool:
    """Where the cancelling has ended the stage that was at work, end the job."""
    at_work = JobStage.objects.filter(job=job, state__in=(StageState.WAITING, StageState.RUNNING), total__gt=0)
    stage = at_work.defer("plan").order_by("id").first()
    if stage is None or stage.open:
        return False
    _close(job, stage, None, Outcome(FailureClass.CANCELLED, reason or job.stop_reason))
    return True


def _close(job: Job, stage: JobStage, task: Task | None, outcome: Outcome) -> None:
    """The last task of a stage has ended: open the next stage, or end the job."""
    succeeded = stage.succeeded > 0 and not stage.cancelled and stage.failed <= _allowed(job, stage)
    if not succeeded:
        _end_badly(job, stage, task, outcome)
        return
    stage.move(StageState.SUCCEEDED, finished_at=Now())
    if stage.stage == Stage.ASSEMBLE:
        finish_job(job, JobState.SUCCEEDED, Outcome(None, outcome.reason, outcome.exit_code))
    elif stopping(job):
        _finish_stopped(job, outcome)
    elif stage.stage == Stage.PARTITION:
        stage_opening.open_run(job, outcome.chunks)
    else:
        _run_ended(job, stage)


def _run_ended(job: Job, stage: JobStage) -> None:
    said = f"All {stage.total:,} tasks have finished." if stage.total > 1 else "The task has finished."
    if stage.failed:
        said = f"{stage.succeeded:,} of {stage.total:,} tasks have finished; {stage.failed:,} failed, which this job allows."
    record(job.number, "stage", said)
    files = stage_opening.gather(job)
    if files > stage_opening.GATHERED_MAX:
        said = (
            f"The tasks left more than {stage_opening.GATHERED_MAX:,} files, too many to be gathered in one folder. "
            "Let each task write fewer, for example one archive."
        )
        _end(job, JobState.FAILED, Outcome(FailureClass.USER, said))
    elif not stage_opening.open_assemble(job):
        finish_job(job, JobState.SUCCEEDED, Outcome(None, said, 0))


def _end_badly(job: Job, stage: JobStage, task: Task | None, outcome: Outcome) -> None:
    if stopping(job):
        stage.move(_stage_end(job), finished_at=Now())
        _finish_stopped(job, outcome)
    elif stage.failed:
        worst = task if task is not None and task.state == TaskState.FAILED else _first_failed(job, stage)
        blamed = outcome if worst is task else Outcome(FailureClass(worst.failure_class), worst.reason)
        stage.move(StageState.FAILED, finished_at=Now())
        said = Outcome(blamed.failure, _blame(worst, stage, blamed), blamed.exit_code)
        _end(job, JobState.FAILED, said)
    else:
        stage.move(StageState.CANCELLED, finished_at=Now())
        _end(job, JobState.CANCELLED, Outcome(FailureClass.CANCELLED, outcome.reason, outcome.exit_code))


def _stage_end(job: Job) -> StageState:
    return StageState.CANCELLED if job.cancel_requested_at else StageState.FAILED


def _finish_stopped(job: Job, outcome: Outcome) -> None:
    if job.cancel_requested_at:
        reason = outcome.reason if outcome.failure == FailureClass.CANCELLED else "Cancelled."
        _end(job, JobState.CANCELLED, Outcome(FailureClass.CANCELLED, reason, outcome.exit_code))
    else:
        _end(job, JobState.FAILED, Outcome(FailureClass(job.stop_class), job.stop_reason, job.exit_code))


def _end(job: Job, to: JobState, outcome: Outcome) -> None:
    JobStage.objects.filter(job=job, state=StageState.WAITING).update(state=StageState.CANCELLED, finished_at=Now())
    finish_job(job, to, outcome)


def _first_failed(job: Job, stage: JobStage) -> Task:
    return Task.objects.filter(job=job, stage=stage.stage, state=TaskState.FAILED).order_by("index")[0]


def _allowed(job: Job, stage: JobStage) -> int:
    """How many of its tasks may fail before the stage does."""
    return Config.of(job.config).failed_max if stage.stage == Stage.RUN else 0


def _name(task: Task) -> str:
    return WORDS[Stage(task.stage)].format(index=task.index)


def _blame(task: Task, stage: JobStage, outcome: Outcome) -> str:
    """Stage, task and remedy."""
    of = f" of {stage.total:,}" if stage.stage == Stage.RUN else ""
    more = f" {stage.failed:,} tasks have failed, more than this job allows." if _allowed_more(stage) else ""
    remedy = "" if outcome.lasting else f" {LOOK if stage.stage == Stage.PARTITION else REMEDY}"
    return f"{_name(task)}{of} failed: {outcome.reason}{more}{remedy}"


def _allowed_more(stage: JobStage) -> bool:
    return stage.stage == Stage.RUN and stage.failed > 1
