"""The logs of a whole stage as one: line by line in the order of its tasks, with the level that each line seems to have."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from jobs import logs
from jobs.models import Attempt, Job
from jobs.preface import RULE
from jobs.states import Stage

TASK_BYTES = 2**20  # of each task's log that is looked through
BATCH = 100  # tasks whose attempts are read at once
LINE_CHARS = 2000
LINES_MAX = 500
BUDGET_S = 1.0


class Level(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    DEBUG = "debug"


_LEVELS = (
    (
        Level.ERROR,
        re.compile(r"\b(?:ERROR|CRITICAL|FATAL|PANIC|Traceback|[A-Za-z.]*(?:Error|Exception))\b|\berror:", re.ASCII),
    ),
    (Level.WARNING, re.compile(r"\bWARN(?:ING)?\b|\b[A-Za-z.]*Warning\b|\bwarning:", re.ASCII)),
    (Level.DEBUG, re.compile(r"\b(?:DEBUG|TRACE|VERBOSE)\b", re.ASCII)),
)
HEAD_CHARS = 400  # in which a level is looked for
# Colours and what else steers a terminal, and control characters: what static/jobs/ansi.js takes out, too.
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-9;:]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line that a task's program wrote. `number` counts the lines of its log from 1, those of ours among them."""

    task: int
    number: int
    level: Level
    text: str

    @property
    def bare(self) -> str:
        """The text without what only a terminal understands."""
        return bare(self.text)


@dataclass(frozen=True)
class Page:
    """`next`: (task, line) to go on behind, or None at the end. `cut`: tasks whose log is longer than what is looked through."""

    lines: list[Line]
    next: tuple[int, int] | None
    cut: list[int]


def bare(text: str) -> str:
    return _ESCAPES.sub("", text)


def level_of(text: str) -> Level:
    """What level a line seems to have, by the words that programs use for them; `info` where it has none of them."""
    head = bare(text)[:HEAD_CHARS]  # a colour right before a word would hide where the word begins
    return next((level for level, words in _LEVELS if words.search(head)), Level.INFO)


def lines_of(task: int, data: bytes) -> Iterator[Line]:
    """The program's lines of a log: what comes behind the rule of ours."""
    text = data.decode("utf-8", "replace")
    lines = text.split("\n")
    begun = RULE not in lines[:200]
    for number, line in enumerate(lines, start=1):
        if begun and line:
            shown = line.rstrip("\r").rpartition("\r")[2][:LINE_CHARS]
            yield Line(task, number, level_of(shown), shown)
        begun = begun or line == RULE


def attempts_of(job: Job, stage: Stage, first: int, tasks: frozenset[int] = frozenset()) -> list[Attempt]:
    """The last attempts at tasks of a stage, from the index `first` on, that printed something: a batch, in the order of tasks.

    A task that was taken over from an earlier job has none here: its log is with that job.
    """
    rows = Attempt.objects.filter(task__job=job, task__stage=stage, task__index__gte=first, log_bytes__gt=0)
    if tasks:
        rows = rows.filter(task__index__in=tasks)
    return list(
        rows.order_by("task__index", "-number").distinct("task__index").select_related("task", "task__job")[:BATCH]
    )


def page(
    job: Job,
    stage: Stage,
    *,
    text: str = "",
    levels: frozenset[Level] = frozenset(),
    tasks: frozenset[int] = frozenset(),
    after: tuple[int, int] = (0, 0),
    limit: int = LINES_MAX,
) -> Page:
    """Lines that hold `text` (case does not count) and are of one of `levels` and `tasks` (any, if none is named), behind `after`.

    Looks for a second at most: then what was found so far, and where to go on.
    """
    needle = text.casefold()
    found: list[Line] = []
    cut: list[int] = []
    task, line = after
    until = time.monotonic() + BUDGET_S
    while attempts := attempts_of(job, stage, task, tasks):
        for attempt in attempts:
            index = attempt.task.index
            piece = logs.read(attempt, 0, TASK_BYTES)
            if piece.total > TASK_BYTES:
                cut.append(index)
            for one in lines_of(index, piece.data):
                if index == task and one.number <= line:
                    continue
                if (levels and one.level not in levels) or (needle and needle not in one.bare.casefold()):
                    continue
                if len(found) == limit:
                    return Page(found, (found[-1].task, found[-1].number), cut)
                found.append(one)
            task, line = index + 1, 0
            if time.monotonic() > until:
                return Page(found, (task, 0), cut)
    return Page(found, None, cut)


def whole(job: Job, stage: Stage) -> Iterator[bytes]:
    """The logs of all tasks of a stage behind one another, each under a line that names it: for a download."""
    task = 0
    while attempts := attempts_of(job, stage, task):
        for attempt in attempts:
            yield f"==> {stage} {attempt.task.index}, attempt {attempt.number} <==\n".encode()
            last = b""
            for piece in logs.pieces(attempt):
                yield piece
                last = piece[-1:]
            if last not in (b"", b"\n"):
                yield b"\n"
            task = attempt.task.index + 1
