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
    "chunk": 't."index"::bigint',
    "duration": "coalesce((extract(epoch FROM coalesce(a.ended_at, to_timestamp(%(asof)s / 1000.0)) - a.started_at)"
    " * 1000)::bigint, -1)",
    "memory": "coalesce(a.memory_peak_bytes, -1)",
}
SORTS = tuple(f"{sign}{key}" for key in KEYS for sign in ("", "-"))
# Of a task that was taken over from an earlier job: the attempt of the one it was taken from.
FROM = """
FROM jobs_task t
LEFT JOIN jobs_task made ON made.id = coalesce(t.taken_from_id, t.id)
LEFT JOIN jobs_attempt a ON a.task_id = made.id AND a.number = made.attempt_number
LEFT JOIN jobs_host h ON h.id = a.host_id
WHERE t.job_id = %(job)s AND t.stage = %(stage)s
"""
ROWS = """
SELECT t."index", t.state, h.name, t.attempt_number, a.exit_code,
  extract(epoch FROM coalesce(a.ended_at, now()) - a.started_at)::float8, a.memory_peak_bytes, left(t.reason, 300),
  made.job_id, t.failure_class, {key}
{source} {where} {behind} ORDER BY {key} {way}, t."index" {way} OFFSET %(skip)s LIMIT %(limit)s
"""


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
    behind = ""
    with connection.cursor() as cursor:
        if after:
            found = CURSOR.fullmatch(after)
            if found is None:
                raise Invalid("This place in the list of tasks is not one of ours. Start again at its beginning.")
            names |= {"last": int(found[1]), "index": int(found[2]), "asof": int(found[3])}
            behind = f'AND ({key}, t."index") {"<" if way == "DESC" else ">"} (%(last)s, %(index)s)'
        else:
            cursor.execute("SELECT (extract(epoch FROM now()) * 1000)::bigint")
            names["asof"] = cursor.fetchone()[0]
        where, more = _where(sought)
        text = ROWS.format(key=key, source=FROM, where=where, behind=behind, way=way)
        cursor.execute(text, names | more)
        rows = cursor.fetchall()
    cut = len(rows) == names["limit"]
    rows = rows[: names["limit"] - 1]
    cursor_behind = f"{rows[-1][10]}.{rows[-1][0]}.{names['asof']}" if cut else ""
    return Window([_row(row, job) for row in rows], cursor_behind)


def counts(job: Job, text: str = "", *, stage: Stage = Stage.RUN) -> dict[str, int]:
    """How many tasks of a stage are in each state, of those that `text` fits. One query."""
    where, more = _where(Sought(text=text))
    source = FROM if text else "FROM jobs_task t WHERE t.job_id = %(job)s AND t.stage = %(stage)s"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT t.state, count(*) {source} {where} GROUP BY t.state",
            {"job": job.number, "stage": str(stage), **more},
        )
        found = dict(cursor.fetchall())
    return {str(state): found.get(str(state), 0) for state in TaskState}


def _where(sought: Sought) -> tuple[str, dict[str, Any]]:
    words = ""
    names: dict[str, Any] = {}
    if sought.state:
        words, names = "AND t.state = %(state)s", {"state": sought.state}
    if sought.text:
        escaped = re.sub(r"([\\%_])", r"\\\1", sought.text)
        names |= {"host": f"%{escaped}%"}
        words += " AND (h.name ILIKE %(host)s"
        if sought.text.isascii() and sought.text.isdigit() and len(sought.text) < 10:
            words += ' OR t."index" = %(chunk)s'
            names |= {"chunk": int(sought.text)}
        words += ")"
    return words, names


def _row(row: tuple[Any, ...], job: Job) -> TaskRow:
    index, state, host, attempt, exit_code, duration, memory, reason, made_by, failure, _ = row
    taken = made_by if made_by != job.number else None
    return TaskRow(index, state, host or "", attempt, exit_code, duration, memory, reason, taken, failure)
