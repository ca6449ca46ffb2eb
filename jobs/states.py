"""The states of jobs, tasks and attempts, what may follow what, and the classes of failure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class JobState(StrEnum):
    DRAFT = "draft"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TaskState(StrEnum):
    HELD = "held"
    READY = "ready"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class AttemptState(StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    EXITED = "exited"
    LOST = "lost"


class FailureClass(StrEnum):
    """Why something failed: `user` = non-zero exit or disk limit; `infra` = host, engine or image, never the person's fault."""

    USER = "user"
    OOM = "oom"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    INFRA = "infra"


class Stage(StrEnum):
    PARTITION = "partition"
    RUN = "run"
    ASSEMBLE = "assemble"


class StageState(StrEnum):
    """Of a stage of a job. Skipped: nothing of it runs, as with a passthrough assembler."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


J, T, A, S = JobState, TaskState, AttemptState, StageState

JOB_TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    J.DRAFT: frozenset({J.QUEUED, J.CANCELLED}),
    J.QUEUED: frozenset({J.RUNNING, J.FAILED, J.CANCELLED}),
    J.RUNNING: frozenset({J.SUCCEEDED, J.FAILED, J.CANCELLED}),
    J.SUCCEEDED: frozenset(),
    J.FAILED: frozenset(),
    J.CANCELLED: frozenset(),
}
TASK_TRANSITIONS: Mapping[TaskState, frozenset[TaskState]] = {
    T.HELD: frozenset({T.READY, T.CANCELLED}),
    T.READY: frozenset({T.RUNNING, T.HELD, T.FAILED, T.CANCELLED}),
    T.RUNNING: frozenset({T.READY, T.SUCCEEDED, T.FAILED, T.CANCELLED}),
    T.SUCCEEDED: frozenset(),
    T.FAILED: frozenset(),
    T.CANCELLED: frozenset(),
}
ATTEMPT_TRANSITIONS: Mapping[AttemptState, frozenset[AttemptState]] = {
    A.STARTING: frozenset({A.RUNNING, A.EXITED, A.LOST}),
    A.RUNNING: frozenset({A.EXITED, A.LOST}),
    A.EXITED: frozenset(),
    A.LOST: frozenset(),
}
STAGE_TRANSITIONS: Mapping[StageState, frozenset[StageState]] = {
    S.WAITING: frozenset({S.RUNNING, S.SKIPPED, S.CANCELLED}),
    S.RUNNING: frozenset({S.SUCCEEDED, S.FAILED, S.CANCELLED}),
    S.SUCCEEDED: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELLED: frozenset(),
    S.SKIPPED: frozenset(),
}
TRANSITIONS: Mapping[type[StrEnum], Mapping[StrEnum, frozenset[StrEnum]]] = {
    JobState: JOB_TRANSITIONS,  # type: ignore[dict-item]
    TaskState: TASK_TRANSITIONS,  # type: ignore[dict-item]
    AttemptState: ATTEMPT_TRANSITIONS,  # type: ignore[dict-item]
    StageState: STAGE_TRANSITIONS,  # type: ignore[dict-item]
}

JOB_ACTIVE = (J.QUEUED, J.RUNNING)
JOB_TERMINAL = (J.SUCCEEDED, J.FAILED, J.CANCELLED)
TASK_OPEN = (T.HELD, T.READY, T.RUNNING)
TASK_TERMINAL = (T.SUCCEEDED, T.FAILED, T.CANCELLED)
ATTEMPT_OPEN = (A.STARTING, A.RUNNING)


def sources(to: StrEnum) -> tuple[str, ...]:
    """The states from which `to` may be reached."""
    return tuple(str(state) for state, following in TRANSITIONS[type(to)].items() if to in following)
