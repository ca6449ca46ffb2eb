"""GET /events: what happens to one's jobs, live. A line of JSON each, or server-sent events for those who ask for them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Any

from django.http import HttpRequest, HttpResponse

from jobs.bytenite.answers import JSON, Act, Endpoint, explained
from jobs.bytenite.calls import Call, Caller
from jobs.bytenite.credentials import caller
from jobs.bytenite.finding import find_job, jobs_of, stages_of
from jobs.bytenite.words import state_of, when
from jobs.models import Job, JobEvent
from jobs.ten_steps import ten_steps_each
from portal.api.problems import bytenite_refusal
from portal.errors import NotFound, PortalError
from portal.people.models import User
from portal.streams import SERVER_SENT, Asked, Door, Event, Form, Refusal, Route

LOOK_S = 1.0  # jobs of a person have no notice of their own: they are looked for
AT_ONCE = 200


def rows_after(user: User, after: int, job: int | None = None) -> list[dict[str, Any]]:
    """What happened to the person's own jobs in stages, or to one of them, as the stream tells it."""
    rows = JobEvent.objects.filter(job__owner=user, job__in_stages=True, id__gt=after)
    rows = rows if job is None else rows.filter(job_id=job)
    found = list(rows.order_by("id")[:AT_ONCE])
    jobs = list(jobs_of(user).filter(pk__in={row.job_id for row in found})) if found else []
    steps = ten_steps_each([(each, stages_of(each)) for each in jobs])
    states = {each.number: state_of(each, steps[each.number]) for each in jobs}
    return [
        {
            "id": str(row.pk),
            "jobId": str(row.job_id),
            "type": row.kind,
            "message": row.message,
            "state": states[row.job_id],
            "timestamp": when(row.at),
        }
        for row in found
    ]


def last_of(user: User) -> int:
    """Where a stream of all jobs begins: with what is still to come."""
    newest = JobEvent.objects.filter(job__owner=user).order_by("-id").values_list("id", flat=True).first()
    return newest or 0


def _asked_for(user: User, text: str) -> Job | None:
    """The job that `jobId` names; None where it is not there, or is none of the person's."""
    with suppress(NotFound):
        return find_job(user, text)
    return None


async def events(asked: Asked) -> AsyncGenerator[Event, None]:
    """`?jobId=` tells one job from its beginning, and ends with it; without it all that happens from now on."""
    text = asked.query.get("jobId", asked.query.get("job_id", ""))
    job = await asked.read(_asked_for, asked.user, text) if text else None
    if text and job is None:
        yield Event("error", json.dumps({"message": f"There is no job '{text[:40]}', or it is not yours to see."}))
        return
    only = job.number if job else None
    after = int(asked.last_event_id) if re.fullmatch(r"[0-9]{1,18}", asked.last_event_id) else 0
    if not after and only is None:
        after = await asked.read(last_of, asked.user)
    while True:
        while rows := await asked.read(rows_after, asked.user, after, only):
            for row in rows:
                after = int(row["id"])
                yield Event("event", json.dumps(row), id=row["id"])
        if only is not None and await asked.read(_ended, only):
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(asked.watch.told(), LOOK_S)


def _ended(number: int) -> bool:
    return not Job.objects.filter(number=number, finished_at=None).exists()


def _line(event: Event) -> bytes:
    """As a stream of a protocol buffer's gateway is written: {"result": ...} a line."""
    name = "error" if event.name == "error" else "result"
    return f'{{"{name}": {event.data}}}\n'.encode()


LINES = Form(JSON, b"", b"\n", _line)


def _form(headers: Mapping[str, str]) -> Form:
    return SERVER_SENT if "text/event-stream" in headers.get("accept", "") else LINES


def _who(headers: Mapping[str, str]) -> User | Refusal:
    request = HttpRequest()
    request.META["HTTP_AUTHORIZATION"] = headers.get("authorization", "")
    try:
        return caller(request, "read").user
    except PortalError as error:
        return Refusal(error.status, error.code, explained(error))


def _refuse(refusal: Refusal) -> tuple[str, bytes]:
    return JSON, bytenite_refusal(refusal.status, refusal.message).encode()


def _authorize(user: User, match: re.Match[str]) -> int | None:
    return user.pk


def _topic(match: re.Match[str]) -> str:
    return "bytenite"


DOOR = Door(_who, _form, _refuse, yields=False)
ROUTES = (Route("bytenite-events", r"/v1/+(?:customer|computing)/+events/?", _authorize, _topic, events, DOOR),)


def so_far(call: Call, who: Caller) -> HttpResponse:
    """Where only WSGI is served: what has happened so far, and no more."""
    job = call.request.GET.get("jobId", "")
    rows = rows_after(who.user, 0, find_job(who.user, job).number if job else None)
    text = b"".join(_line(Event("event", json.dumps(row))) for row in rows)
    return HttpResponse(text, content_type=JSON)


ENDPOINTS = (Endpoint("events", "events", {"GET": Act(so_far)}),)
