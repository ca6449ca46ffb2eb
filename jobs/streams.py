"""What can be followed live: a job's state, its log, its events. The one table of stream routes."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from django.db.models import Count

from jobs import logs
from jobs.models import Attempt, Job, JobEvent, JobStage, Task
from jobs.states import TASK_OPEN, TaskState
from portal.listening import EVERYTHING
from portal.people.models import User
from portal.streams import END, Asked, Event, Route

PIECE_BYTES = 192 * 1024
EVENTS_A_TIME = 200
NUMBER = r"(?P<number>[0-9]{1,18})"
TASK = r"(?P<stage>partition|run|assemble)/(?P<index>[0-9]{1,9})"


def _visible(user: User, match: re.Match[str]) -> int | None:
    """The job's number, if the person may see the job."""
    return Job.objects.visible_to(user).filter(number=int(match["number"])).values_list("number", flat=True).first()


def _topic(match: re.Match[str]) -> str:
    return str(int(match["number"]))


def _snapshot(number: int) -> dict[str, Any]:
    """What a page must know to see that it is out of date."""
    job = Job.objects.filter(number=number).values("state", "cancel_requested_at", "finished_at", "in_stages").first()
    last = JobEvent.objects.filter(job_id=number).order_by("-id").values_list("id", flat=True).first()
    in_stages = bool(job and job["in_stages"])
    attempt = None
    if not in_stages:
        attempt = Attempt.objects.filter(task__job_id=number).order_by("-id").values_list("number", "state").first()
    return {
        "state": job["state"] if job else "gone",
        "terminal": job is None or job["finished_at"] is not None,
        "cancelling": bool(job and job["cancel_requested_at"] and not job["finished_at"]),
        "attempt": list(attempt) if attempt else None,
        "event": last,
        **({"stages": _stages(number)} if in_stages else {}),
    }


def _stages(number: int) -> dict[str, list[Any]]:
    """By stage: its state, and how many tasks it has, succeeded, failed, cancelled and running."""
    counted = Task.objects.filter(job_id=number, state=TaskState.RUNNING).order_by().values_list("stage")
    running = dict(counted.annotate(n=Count("id")))
    rows = JobStage.objects.filter(job_id=number).values_list(
        "stage", "state", "total", "succeeded", "failed", "cancelled"
    )
    return {stage: [state, *figures, running.get(stage, 0)] for stage, state, *figures in rows}


async def job_state(asked: Asked) -> AsyncGenerator[Event, None]:
    """`state` now and at each change, `usage` when there are new samples, `end` when the job has ended."""
    before: dict[str, Any] | None = None
    while True:
        now = await asked.read(_snapshot, asked.subject)
        if now != before:
            before = now
            yield Event("state", json.dumps(now))
        if now["terminal"]:
            yield Event(END, id=END)
            return
        kinds = await asked.watch.told()
        while not kinds & {"state", "usage", EVERYTHING}:
            kinds = await asked.watch.told()
        if "usage" in kinds:
            yield Event("usage")


def _visible_task(user: User, match: re.Match[str]) -> int | None:
    """The id of the task whose log there is, if the person may see the job: of one that was taken over, that one's."""
    number = _visible(user, match)
    if number is None:
        return None
    rows = Task.objects.filter(job_id=number, stage=match["stage"], index=int(match["index"]))
    found = rows.values_list("pk", "taken_from_id").first()
    return None if found is None else found[1] or found[0]


def _attempt_of_task(task: int, attempt: int | None) -> Attempt | None:
    rows = Attempt.objects.filter(task_id=task).order_by("number")
    return rows.filter(number=attempt).first() if attempt is not None else rows.last()


def _attempt(number: int, attempt: int | None) -> Attempt | None:
    rows = Attempt.objects.filter(task__job_id=number).order_by("-task__index", "number")
    return rows.filter(number=attempt).first() if attempt is not None else rows.last()


def _piece(attempt_pk: int, offset: int) -> logs.LogPiece:
    piece = logs.read(Attempt.objects.get(pk=attempt_pk), offset, PIECE_BYTES)
    if piece.closed and not piece.data:  # its rows may have become a file between two queries: look once more
        return logs.read(Attempt.objects.get(pk=attempt_pk), offset, PIECE_BYTES)
    return piece


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _ended(number: int) -> bool:
    return bool(_snapshot(number)["terminal"])


def _task_ended(task: int) -> bool:
    return Task.objects.filter(pk=task).exclude(state__in=TASK_OPEN).exists()


async def job_log(asked: Asked) -> AsyncGenerator[Event, None]:
    """The log of a job without stages."""
    async with aclosing(_log(asked, _attempt, _ended)) as events:
        async for event in events:
            yield event


async def task_log(asked: Asked) -> AsyncGenerator[Event, None]:
    """The log of one task."""
    async with aclosing(_log(asked, _attempt_of_task, _task_ended)) as events:
        async for event in events:
            yield event


async def _log(
    asked: Asked, find: Callable[[int, int | None], Attempt | None], ended: Callable[[int], bool]
) -> AsyncGenerator[Event, None]:
    """The bytes of an attempt's log (`?attempt=`, else the newest) from `?offset=` or from Last-Event-ID on.

    `log`: {offset, next, cut, data in base64}; a piece that is `cut` is the mark for a part left out.
    """
    wanted = _whole(asked.query.get("attempt", ""))
    offset = _whole(asked.query.get("offset", "")) or 0
    resumed = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,18})", asked.last_event_id)
    if resumed:
        wanted, offset = int(resumed[1]), int(resumed[2])
    while (attempt := await asked.read(find, asked.subject, wanted)) is None:
        if await asked.read(ended, asked.subject):
            yield Event(END, id=END)
            return
        await asked.watch.told()
    yield Event("attempt", json.dumps({"number": attempt.number}))
    while True:
        piece = await asked.read(_piece, attempt.pk, offset)
        if piece.data:
            offset = piece.next_offset
            body = {
                "offset": piece.offset,
                "next": piece.next_offset,
                "cut": piece.cut,
                "data": base64.b64encode(piece.data).decode(),
            }
            yield Event("log", json.dumps(body), id=f"{attempt.number}.{piece.next_offset}")
        elif piece.closed:
            yield Event(END, id=END)
            return
        else:
            await asked.watch.told()


def _events(number: int, after: int) -> list[dict[str, Any]]:
    rows = JobEvent.objects.filter(job_id=number, id__gt=after).order_by("id")[:EVENTS_A_TIME]
    return [{"id": row.pk, "at": row.at.isoformat(), "kind": row.kind, "message": row.message} for row in rows]


def _progress(number: int) -> dict[str, Any]:
    job = Job.objects.filter(number=number).first()
    if job is None:
        return {"state": "gone", "terminal": True}
    attempt = None if job.in_stages else _attempt(number, None)
    return {
        "state": job.state,
        "terminal": job.terminal,
        "tasks_done": job.tasks_done,
        "tasks_total": job.tasks_total,
        "exit_code": job.exit_code,
        "log_bytes": attempt.log_bytes if attempt else 0,
    }


async def job_events(asked: Asked) -> AsyncGenerator[Event, None]:
    """For programs: `event` for each thing that happened (resumable by its id), `progress` when a figure moves, `end`."""
    after = _whole(asked.last_event_id) or 0
    before: dict[str, Any] | None = None
    while True:
        progress = await asked.read(_progress, asked.subject)
        while rows := await asked.read(_events, asked.subject, after):
            for row in rows:
                after = row["id"]
                yield Event("event", json.dumps(row), id=str(after))
        if progress != before:
            before = progress
            yield Event("progress", json.dumps(progress))
        if progress["terminal"]:
            yield Event(END, id=END)
            return
        await asked.watch.told()


ROUTES = (
    Route("job-state", rf"/streams/jobs/{NUMBER}/", _visible, _topic, job_state),
    Route("job-log", rf"/streams/jobs/{NUMBER}/log", _visible, _topic, job_log),
    Route("task-log", rf"/streams/jobs/{NUMBER}/tasks/{TASK}/log", _visible_task, _topic, task_log),
    Route("job-events", rf"/api/v1/jobs/{NUMBER}/events", _visible, _topic, job_events),
)
