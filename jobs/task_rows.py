"""A window into the tasks of a job's stage, each with the attempt in force: filtered, sorted, by keyset.

A window starts behind a cursor, and `skip` rows further on. Who scrolls has the cursor of the window before; who jumps
starts from the nearest cursor that is known. So the usual window costs the same at any depth.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from jobs.models import Job
from jobs.states import Stage, TaskState
from portal.errors import Invalid

WINDOW_MAX = 200
SKIP_MAX = 1_000_000
CURSOR = re.compile(r"(-?[0-9]{1,18})\.([0-9]{1,10})\.([0-9]{1,17})")

# What rows can be sorted by: whole numbers, those that have none yet last when the largest come first.
KEYS: Mapping[str, str] = {
    "chunk": 't."index"',
    "duration": "coalesce((extract(epoch FROM coalesce(a.ended_at, to_timestamp(%(asof)s / 1000.0)) - a.started_at)"
    " * 1000)::bigint, -1)",
    "memory": "coalesce(a.memory_peak_bytes, -1)",
}
SORTS = tuple(f"{sign}{key}" for key in KEYS for sign in ("", "-"))
TASKS = "SELECT t.* FROM jobs_task t WHERE t.job_id = %(job)s AND t.stage = %(stage)s"
# Each a look-up by a unique key, which LIMIT keeps from being planned as one join: a stage opens with ten thousand rows
# at once, of which PostgreSQL's statistics know nothing yet, and on those it has joined all rows with all.
# Of a task that was taken over from an earlier job: the attempt of the one it was taken from.
LOOKED_UP = """
LEFT JOIN LATERAL (SELECT job_id, attempt_number FROM jobs_task WHERE id = t.taken_from_id LIMIT 1) old ON true
LEFT JOIN LATERAL (SELECT * FROM jobs_attempt WHERE task_id = coalesce(t.taken_from_id, t.id)
  AND number = coalesce(old.attempt_number, t.attempt_number) LIMIT 1) a ON true
LEFT JOIN LATERAL (SELECT name FROM jobs_host WHERE id = a.host_id LIMIT 1) h ON true
"""
ROWS = """
SELECT t."index", t.state, h.name, t.attempt_number, a.exit_code,
  extract(epoch FROM coalesce(a.ended_at, now()) - a.started_at)::float8, a.memory_peak_bytes, left(t.reason, 300),
  coalesce(old.job_id, t.job_id), t.failure_class, {key}
FROM ({tasks}) t {looked_up} {rest}
"""
COUNTS = "SELECT t.state, count(*) FROM ({tasks}) t {rest} GROUP BY t.state"
PAGE = 'ORDER BY {key} {way}, t."index" {way} OFFSET %(skip)s LIMIT %(limit)s'


@dataclass(frozen=True)
class TaskRow:
    """One task. `taken_from` is the number of the job that it was taken over from, else None."""

    index: int
    state: str
    host: str
    attempt: int
    exit_code: int | None
    duration_s: float | None
    memory_bytes: int | None
    reason: str
    taken_from: int | None
    failure_class: str


@dataclass(frozen=True)
class Sought:
    """Which rows, in which order. `text` is the number of a chunk, or part of the name of a host."""

    state: str = ""
    text: str = ""
    sort: str = "chunk"


@dataclass(frozen=True)
class Window:
    """`next` is the cursor behind the last row, "" where the rows end here."""

    rows: Sequence[TaskRow]
    next: str


def read_sought(query: Mapping[str, str]) -> Sought:
    """From an address: `state`, `q`, `sort`. Raises Invalid for a state or an order that there is not."""
    state, sort = query.get("state", ""), query.get("sort", "") or "chunk"
    if state and state not in set(TaskState):
        raise Invalid(f"'{state[:40]}' is not a state of tasks. Known are: {', '.join(TaskState)}.")
    if sort not in SORTS:
        raise Invalid(f"Tasks can't be sorted by '{sort[:40]}'. Known are: {', '.join(SORTS)}.")
    return Sought(state, query.get("q", "").strip().replace("\0", "")[:100], sort)


def window(
    job: Job, sought: Sought, *, after: str = "", skip: int = 0, limit: int = 100, stage: Stage = Stage.RUN
) -> Window:
    """One query. Raises Invalid for a cursor that is none of ours."""
    names: dict[str, Any] = {
        "job": job.number,
        "stage": str(stage),
        "skip": min(max(skip, 0), SKIP_MAX),
        "limit": min(max(limit, 1), WINDOW_MAX) + 1,
    }
    key = KEYS[sought.sort.lstrip("-")]
    way = "DESC" if sought.sort.startswith("-") else "ASC"
    page = PAGE.format(key=key, way=way)
    behind = ""
    with connection.cursor() as cursor:
        if after:
            found = CURSOR.fullmatch(after)
            if found is None:
                raise Invalid("This place in the list of tasks is not one of ours. Start again at its beginning.")
            names |= {"last": int(found[1]), "index": int(found[2]), "asof": int(found[3])}
            behind = f'({key}, t."index") {"<" if way == "DESC" else ">"} (%(last)s, %(index)s)'
        else:
            cursor.execute("SELECT (extract(epoch FROM now()) * 1000)::bigint")
            names["asof"] = cursor.fetchone()[0]
        of_tasks, of_all, more = _where(sought)
        if key == KEYS["chunk"] and not of_all:  # the tasks alone say which they are: only those are looked up
            tasks = f"{TASKS} {of_tasks} {f'AND {behind}' if behind else ''} {page}"
            rest = f'ORDER BY t."index" {way}'
        else:
            tasks = f"{TASKS} {of_tasks}"
            rest = f"WHERE {of_all or 'true'} {f'AND {behind}' if behind else ''} {page}"
        cursor.execute(ROWS.format(key=key, tasks=tasks, looked_up=LOOKED_UP, rest=rest), names | more)
        rows = cursor.fetchall()
    cut = len(rows) == names["limit"]
    rows = rows[: names["limit"] - 1]
    cursor_behind = f"{rows[-1][10]}.{rows[-1][0]}.{names['asof']}" if cut else ""
    return Window([_row(row, job) for row in rows], cursor_behind)


def counts(job: Job, text: str = "", *, stage: Stage = Stage.RUN) -> dict[str, int]:
    """How many tasks of a stage are in each state, of those that `text` fits. One query."""
    _, of_all, more = _where(Sought(text=text))
    rest = f"{LOOKED_UP} WHERE {of_all}" if of_all else ""
    with connection.cursor() as cursor:
        cursor.execute(COUNTS.format(tasks=TASKS, rest=rest), {"job": job.number, "stage": str(stage), **more})
        found = dict(cursor.fetchall())
    return {str(state): found.get(str(state), 0) for state in TaskState}


def _where(sought: Sought) -> tuple[str, str, dict[str, Any]]:
    """What is asked of the tasks themselves, what of the rows with all that was looked up, and the values of both."""
    of_tasks = of_all = ""
    names: dict[str, Any] = {}
    if sought.state:
        of_tasks, names = "AND t.state = %(state)s", {"state": sought.state}
    if sought.text:
        escaped = re.sub(r"([\\%_])", r"\\\1", sought.text)
        names |= {"host": f"%{escaped}%"}
        of_all = "(h.name ILIKE %(host)s"
        if sought.text.isascii() and sought.text.isdigit() and len(sought.text) < 10:
            of_all += ' OR t."index" = %(chunk)s'
            names |= {"chunk": int(sought.text)}
        of_all += ")"
    return of_tasks, of_all, names


def _row(row: tuple[Any, ...], job: Job) -> TaskRow:
    index, state, host, attempt, exit_code, duration, memory, reason, made_by, failure, _ = row
    taken = made_by if made_by != job.number else None
    return TaskRow(index, state, host or "", attempt, exit_code, duration, memory, reason, taken, failure)
