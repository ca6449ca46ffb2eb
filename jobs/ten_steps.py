"""The ten steps of a job in stages, from a draft to its end, with the time at which each was reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from jobs.models import Attempt, Job, JobStage
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
    rows = {Stage(row.stage): row for row in stages}
    first, last = _ends_of_attempts(job)
    events = dict(
        job.events.filter(kind__in=("submitted", DELIVERING)).order_by("-id").values_list("kind", "at")
    )  # the first of each kind
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


def _ends_of_attempts(job: Job) -> tuple[dict[Stage, Attempt], dict[Stage, Attempt]]:
    """The first and the last attempt at the one task of partition and of assemble."""
    rows = (
        Attempt.objects.filter(task__job=job, task__stage__in=(Stage.PARTITION, Stage.ASSEMBLE))
        .select_related("task")
        .only("claimed_at", "started_at", "number", "task__stage")
        .order_by("number")
    )
    first: dict[Stage, Attempt] = {}
    last: dict[Stage, Attempt] = {}
    for attempt in rows:
        stage = Stage(attempt.task.stage)
        first.setdefault(stage, attempt)
        last[stage] = attempt
    return first, last
