"""The ten steps of a job in stages, from a draft to its end, with the time at which each was reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from jobs.models import Attempt, Job, JobEvent, JobStage
from jobs.states import Stage, StageState


class TenStep(StrEnum):
    """Named as ByteNite names the states of a job."""

    NEW = "NEW"
    STARTED = "STARTED"
    UPLOADING = "UPLOADING"
    PARTITIONING = "PARTITIONING"
    PARTITIONED = "PARTITIONED"
    TASKS_COMPLETED = "TASKS_COMPLETED"
    MERGING = "MERGING"
    MERGED = "MERGED"
    DOWNLOADING = "DOWNLOADING"
    COMPLETE = "COMPLETE"


DELIVERING = "delivering"  # kind of the event that a worker records before it delivers


@dataclass(frozen=True)
class Reached:
    """A step with its time; None where it was not reached, or passed over."""

    step: TenStep
    at: datetime | None


def ten_steps(job: Job, stages: Sequence[JobStage]) -> list[Reached]:
    """All ten, in order. Two queries; a job that succeeded has passed over what it had no need of."""
    return ten_steps_each([(job, stages)])[job.number]


def ten_steps_each(jobs: Sequence[tuple[Job, Sequence[JobStage]]]) -> dict[int, list[Reached]]:
    """Those of several jobs, each with its stages, by the number of the job. Two queries for all of them."""
    numbers = [job.number for job, _ in jobs]
    ends = _ends_of_attempts(numbers)
    events: dict[int, dict[str, datetime]] = {}
    told = JobEvent.objects.filter(job__in=numbers, kind__in=("submitted", DELIVERING)).order_by("-id")
    for number, kind, at in told.values_list("job_id", "kind", "at"):
        events.setdefault(number, {})[kind] = at  # the first of each kind comes last
    return {
        job.number: _steps(job, stages, ends.get(job.number, _Ends()), events.get(job.number, {}))
        for job, stages in jobs
    }


def _steps(job: Job, stages: Sequence[JobStage], ends: _Ends, events: Mapping[str, datetime]) -> list[Reached]:
    rows = {Stage(row.stage): row for row in stages}
    first, last = ends.first, ends.last
    partition, run, assemble = (rows[stage] for stage in Stage)
    merging = first.get(Stage.ASSEMBLE)
    assembles = assemble.version_id is not None
    done = assemble.finished_at if assemble.state == StageState.SUCCEEDED else None
    delivering = events.get(DELIVERING)
    times = {
        TenStep.NEW: job.created_at,
        TenStep.STARTED: events.get("submitted"),
        TenStep.UPLOADING: first[Stage.PARTITION].claimed_at if Stage.PARTITION in first else None,
        TenStep.PARTITIONING: last[Stage.PARTITION].started_at if Stage.PARTITION in last else None,
        TenStep.PARTITIONED: partition.finished_at if partition.state == StageState.SUCCEEDED else None,
        TenStep.TASKS_COMPLETED: run.finished_at if run.state == StageState.SUCCEEDED else None,
        TenStep.MERGING: merging.claimed_at if merging and assembles else None,
        TenStep.MERGED: (delivering or done) if assembles else None,
        TenStep.DOWNLOADING: delivering,
        TenStep.COMPLETE: job.finished_at if job.state == "succeeded" else None,
    }
    return [Reached(step, times[step]) for step in TenStep]


def current(steps: Sequence[Reached]) -> int:
    """The index of the last step that was reached."""
    return max(index for index, step in enumerate(steps) if step.at is not None)


@dataclass
class _Ends:
    """The first and the last attempt at the one task of partition and of assemble."""

    first: dict[Stage, Attempt] = field(default_factory=dict)
    last: dict[Stage, Attempt] = field(default_factory=dict)


def _ends_of_attempts(jobs: Sequence[int]) -> dict[int, _Ends]:
    rows = (
        Attempt.objects.filter(task__job__in=jobs, task__stage__in=(Stage.PARTITION, Stage.ASSEMBLE))
        .select_related("task")
        .only("claimed_at", "started_at", "number", "task__stage", "task__job_id")
        .order_by("number")
    )
    found: dict[int, _Ends] = {}
    for attempt in rows:
        ends, stage = found.setdefault(attempt.task.job_id, _Ends()), Stage(attempt.task.stage)
        ends.first.setdefault(stage, attempt)
        ends.last[stage] = attempt
    return found
