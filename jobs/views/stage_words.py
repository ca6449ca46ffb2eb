"""What pages say about the stages of a job: its steps, a bar for each stage, why one waits, what it has cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count

from jobs.fan_config import TRIAL_CHUNKS, Config
from jobs.models import Job, JobStage, Task
from jobs.placement import why_waiting
from jobs.prices import price, total
from jobs.services.fan_out.tags import tag_of
from jobs.states import JobState, Stage, StageState, TaskState
from jobs.ten_steps import TenStep, current, ten_steps
from jobs.views.job_words import Step
from portal.templatetags.portal_ui import binsize

LABELS = {
    TenStep.NEW: "Drafted",
    TenStep.STARTED: "Submitted",
    TenStep.UPLOADING: "Fetching source",
    TenStep.PARTITIONING: "Partitioning",
    TenStep.PARTITIONED: "Running tasks",
    TenStep.TASKS_COMPLETED: "Tasks done",
    TenStep.MERGING: "Assembling",
    TenStep.MERGED: "Assembled",
    TenStep.DOWNLOADING: "Delivering",
    TenStep.COMPLETE: "Complete",
}
TITLES = {Stage.PARTITION: "Partition", Stage.RUN: "Tasks", Stage.ASSEMBLE: "Assemble"}
ENDINGS = {JobState.FAILED: "failed", JobState.CANCELLED: "cancelled"}
PARTS = (("succeeded", "succeeded"), ("failed", "failed"), ("cancelled", "not run"), ("running", "running"))


@dataclass(frozen=True)
class Part:
    """One piece of a bar: how many tasks, and their share in hundredths of a percent of the bar's width."""

    state: str
    words: str
    count: int
    x: float
    width: float


@dataclass(frozen=True)
class StageView:
    """One stage as a page shows it. `parts` add up to the bar; `waits` says why nothing of it runs."""

    row: JobStage
    stage: Stage
    title: str
    bundle: str
    machine: str
    running: int
    waiting: int
    parts: tuple[Part, ...]
    waits: str
    cost: str
    single: bool
    moving: str = ""  # what is on its way in or out

    @property
    def done(self) -> int:
        return self.row.total - self.row.open

    @property
    def words(self) -> str:
        """ "612 of 1,000 tasks", or what became of a stage of one task."""
        row = self.row
        if self.single or not row.total:
            return {
                StageState.WAITING: "not begun",
                StageState.RUNNING: "at work",
                StageState.SUCCEEDED: "done",
                StageState.FAILED: "failed",
                StageState.CANCELLED: "not run" if not row.started_at else "stopped",
                StageState.SKIPPED: "nothing to do",
            }[StageState(row.state)]
        return f"{self.done:,} of {row.total:,} tasks"

    @property
    def seconds(self) -> float | None:
        if self.row.started_at is None or self.row.finished_at is None:
            return None
        return (self.row.finished_at - self.row.started_at).total_seconds()


@dataclass(frozen=True)
class Marks:
    """What sets a job apart: a trial, tasks that failed and were allowed to, tasks taken over from an earlier job."""

    trial: str
    holes: str
    taken: str


def stage_rows(job: Job) -> list[JobStage]:
    rows = JobStage.objects.filter(job=job).select_related("version__app", "machine_type")
    heavy = ("plan", "version__definition", "version__findings", "version__overlay", "version__app__icon")
    return sorted(rows.defer(*heavy, "version__app__search"), key=lambda row: list(Stage).index(Stage(row.stage)))


def steps_of(job: Job, rows: Sequence[JobStage]) -> list[Step]:
    """The ten steps; where the job failed or was cancelled, that step says so, and those behind it were not reached."""
    reached = ten_steps(job, rows)
    here = current(reached)
    found = []
    for index, one in enumerate(reached):
        label = LABELS[one.step]
        if job.state in ENDINGS and index == here:
            found.append(Step(f"{label}: {ENDINGS[JobState(job.state)]}", job.state, job.finished_at or one.at))
        elif one.at is None:
            found.append(Step(label, "skipped" if job.terminal or index < here else "todo"))
        elif one.step == TenStep.COMPLETE:
            found.append(Step(label, "succeeded", one.at))
        else:
            found.append(Step(label, "now" if index == here and not job.terminal else "done", one.at))
    return found


def running_by_stage(job: Job) -> dict[str, int]:
    rows = Task.objects.filter(job=job, state=TaskState.RUNNING).order_by().values_list("stage")
    return dict(rows.annotate(n=Count("id")))


def stage_views(job: Job, rows: Sequence[JobStage]) -> list[StageView]:
    """One each; why a stage waits is asked only where something of the job waits."""
    running = running_by_stage(job) if not job.terminal else {}
    waits = why_waiting(job)
    found = []
    for row in rows:
        stage = Stage(row.stage)
        runs = running.get(row.stage, 0)
        at_work = row.state in (StageState.WAITING, StageState.RUNNING) and row.total > 0
        found.append(
            StageView(
                row=row,
                stage=stage,
                title=TITLES[stage],
                bundle=tag_of(row.version),
                machine=row.machine_type.name,
                running=runs,
                waiting=max(row.open - runs, 0),
                parts=bar(row, runs),
                waits=waits if at_work and row.open and not runs else "",
                cost=_cost(row),
                single=stage != Stage.RUN,
                moving=moved(row),
            )
        )
    return found


def bar(row: JobStage, running: int) -> tuple[Part, ...]:
    """The pieces of a stage's bar, of 100 in all."""
    figures = {"succeeded": row.succeeded, "failed": row.failed, "cancelled": row.cancelled, "running": running}
    parts = []
    at = 0.0
    for state, words in PARTS:
        width = 100 * figures[state] / row.total if row.total else 0.0
        if row.state == StageState.SKIPPED:
            width = 0.0
        parts.append(Part(state, words, figures[state], round(at, 3), round(width, 3)))
        at += width
    return tuple(parts)


def _cost(row: JobStage) -> str:
    """ "1.20 EUR so far, at 0.50 EUR per hour and task"; "" where it is free."""
    if not row.price_per_hour:
        return ""
    hourly = f"{price(row.price_per_hour)} per hour and task"
    if not row.busy_s:
        return hourly
    so_far = "" if row.finished_at else " so far"
    return f"{total(row.cost)}{so_far}, at {hourly}"


def cost_in_all(job: Job, rows: Sequence[JobStage]) -> str:
    """What all stages have cost; while tasks run, also what it comes to if the rest takes as long as those so far."""
    if not any(row.price_per_hour for row in rows):
        return ""
    spent = sum((row.cost for row in rows), Decimal(0))
    run = next(row for row in rows if row.stage == Stage.RUN)
    if job.terminal or not run.succeeded or not run.open:
        return total(spent) + ("" if job.terminal else " so far")
    each = run.cost / max(run.total - run.open, 1)
    return f"{total(spent)} so far; about {total(spent + each * run.open)} in all, if the rest takes as long"


def marks_of(job: Job, rows: Sequence[JobStage]) -> Marks:
    config = Config.of(job.config)
    run = next(row for row in rows if row.stage == Stage.RUN)
    holes = ""
    if run.failed and run.state == StageState.SUCCEEDED:
        tasks = "1 task" if run.failed == 1 else f"{run.failed:,} tasks"
        holes = f"{tasks} failed. This job allows {config.failed_max:,}, so it went on without what they would have written."
    taken = ""
    if job.retry_of_id is not None:
        number = Task.objects.filter(job=job, stage=Stage.RUN, taken_from__isnull=False).count()
        if number:
            these = "1 task is" if number == 1 else f"{number:,} tasks are"
            taken = f"{these} taken over from job {job.retry_of_id}, with what they wrote."
    trial = f"A trial: only the first {TRIAL_CHUNKS} chunks are run." if config.trial else ""
    return Marks(trial, holes, taken)


def sentence_of(job: Job, views: Sequence[StageView]) -> str:
    """What a running job in stages is doing now."""
    at_work = next((one for one in views if one.row.state == StageState.RUNNING), None)
    at_work = at_work or next((one for one in views if one.row.state == StageState.WAITING and one.row.total), None)
    if at_work is None:
        return "About to go on."
    if at_work.waits:
        return at_work.waits
    if moving := moved(at_work.row):
        return f"{moving}."
    match at_work.stage:
        case Stage.PARTITION:
            return "Partitioning: the source is cut into chunks."
        case Stage.ASSEMBLE:
            return "Assembling: the results of all tasks are put together."
    row = at_work.row
    return f"Running tasks: {at_work.done:,} of {row.total:,} are done, {at_work.running:,} at work now."


def moved(row: JobStage) -> str:
    """ "Fetching the source: 12 MiB of 3.1 GiB, 2 files", while files are on their way in or out; else ""."""
    found = row.progress
    if not found or row.finished_at is not None:
        return ""
    doing = "Fetching the source" if found.get("doing") == "fetch" else "Delivering the results"
    size = binsize(found.get("bytes", 0))
    of = f" of {binsize(found['bytes_total'])}" if found.get("bytes_total") else ""
    files = found.get("files", 0)
    return f"{doing}: {size}{of}, {files:,} file{'' if files == 1 else 's'}"


def progress(job: Job) -> dict[str, Any]:
    """For a list: how many tasks have ended, in words, and a bar for each stage. The stages must be prefetched."""
    rows = sorted(job.stages.all(), key=lambda row: list(Stage).index(Stage(row.stage)))
    run = next((row for row in rows if row.stage == Stage.RUN), None)
    words = f"{run.total - run.open:,} of {run.total:,} tasks" if run is not None and run.total else ""
    return {"words": words, "stages": [(TITLES[Stage(row.stage)], row, bar(row, 0)) for row in rows]}


def may_retry(job: Job, rows: Sequence[JobStage]) -> str:
    """What "Retry what failed" would do, in a sentence; "" where there is nothing to retry."""
    if not job.terminal or job.purged_at is not None:
        return ""
    unended = any(row.state not in (StageState.SUCCEEDED, StageState.SKIPPED) for row in rows)
    if not unended and not any(row.failed for row in rows):
        return ""
    by = {Stage(row.stage): row for row in rows}
    if by[Stage.PARTITION].state != StageState.SUCCEEDED:
        return "A new job that begins anew, for no chunks were made yet. This one stays as it is."
    run = by[Stage.RUN]
    rest = run.total - run.succeeded
    finished = "the task" if run.succeeded == 1 else f"the {run.succeeded:,} tasks"
    kept = f"takes over {finished} that finished" if run.succeeded else "takes over the chunks"
    others = "the other one" if rest == 1 else f"the {rest:,} others"
    does = f"runs {others if run.succeeded else 'all tasks'}" if rest else "runs none of them again"
    return f"A new job that {kept}, {does}, and then assembles all. This one stays as it is."
