"""An attempt in the care of a slot: what its story, the watcher and the relay know of it; and patience with its engine."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from django.db import connection
from tenacity import RetryCallState, Retrying, retry_if_exception, sleep_using_event, wait_fixed

from jobs import folders, logs
from jobs.events import record
from jobs.job_rows import JobRows
from jobs.job_values import ImageTexts
from jobs.metrics import Meter
from jobs.models import Attempt, Host, Job
from jobs.nodes import Nodes
from jobs.runtimes.base import Handle, Runtime, RuntimeFault
from jobs.stage_work import Work
from jobs.terminals.desk import Desk

ENGINE_WAIT_S = 1.0
T = TypeVar("T")


class Left(Exception):
    """Raised when this process is told to leave while it waits for the engine: how the attempt ends is the next one's to say."""


@dataclass
class Tended:
    """An attempt in the care of a slot, as the watcher sees it. `stop` is said by the watcher, once."""

    attempt: Attempt
    job: Job
    work: Work
    nodes: Nodes
    handle: Handle | None = None
    writer: logs.LogWriter | None = None
    stopping: str = ""
    stop_message: str = ""
    stop_sent: bool = False
    paused: bool | None = None  # as the engine was told last; None where that is not known
    turning: bool = False  # it is just being told
    engine_went: bool = False
    terminal: bool = False  # of the program
    meter: Meter = field(default_factory=Meter)

    @property
    def folder(self) -> folders.Folder:
        return self.work.folder

    @property
    def disk_limit_bytes(self) -> int:
        return self.work.disk_mib * 2**20


@dataclass(frozen=True)
class Here:
    """What an execution must know of the process it runs in."""

    host: Host
    runtime: Runtime
    labels: dict[str, str]
    tend: Callable[[Tended], None]
    release: Callable[[Tended], None]
    leaving: threading.Event
    desk: Desk
    texts: ImageTexts = field(default_factory=ImageTexts)
    rows: JobRows = field(default_factory=JobRows)


def patiently(tended: Tended, here: Here, act: Callable[[], T]) -> T:
    """Do it, waiting while the engine is away: a job is not failed because its engine restarts.

    Cancel ends the wait where nothing was started yet; Left is raised where this process is to end.
    """

    def away(error: BaseException) -> bool:
        return isinstance(error, RuntimeFault) and error.code == "engine_away"

    def note(state: RetryCallState) -> None:
        if not tended.engine_went:
            tended.engine_went = True
            said = f"Docker Engine on {here.host.name} does not answer; waiting for it."
            record(tended.job.number, "engine", said, task_id=tended.attempt.task_id)
            connection.close()

    try:
        return Retrying(
            retry=retry_if_exception(away),
            wait=wait_fixed(ENGINE_WAIT_S),
            sleep=sleep_using_event(here.leaving),
            stop=lambda _: here.leaving.is_set() or bool(tended.stopping and tended.handle is None),
            before_sleep=note,
            reraise=True,
        )(act)
    except RuntimeFault as fault:
        if away(fault) and here.leaving.is_set():
            raise Left from fault
        raise
