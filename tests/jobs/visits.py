"""Visits to the live streams, for tests: one client of the ASGI application, and what happens to a job meanwhile."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection, connections
from django.test import Client
from django.utils import timezone

from jobs.events import CHANNEL, record
from jobs.models import Attempt, Job, LogChunk
from jobs.states import JobState
from jobs.streams import ROUTES, TASK
from portal.people.models import User
from portal.streams import Streams


async def django_instead(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"django"})


class Visit:
    """One client of the ASGI application: what it was sent so far, and a way to go away."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.text = ""
        self.over = False
        self._gone = asyncio.Event()
        self._news = asyncio.Event()

    async def receive(self) -> MutableMapping[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            self.text += message.get("body", b"").decode()
            self.over = not message.get("more_body", False)
        self._news.set()

    def leave(self) -> None:
        self._gone.set()

    @property
    def events(self) -> list[tuple[str, Any, str]]:
        found = []
        for block in self.text.split("\n\n"):
            fields = dict(
                line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":")
            )
            if "event" in fields:
                found.append((fields["event"], json.loads(fields["data"]), fields.get("id", "")))
        return found

    async def until(self, true: Callable[[Visit], bool], within_s: float = 8) -> Visit:
        async with asyncio.timeout(within_s):
            while not true(self):
                self._news.clear()
                await self._news.wait()
        return self


@asynccontextmanager
async def visiting(path: str, headers: dict[str, str] | None = None, method: str = "GET") -> AsyncIterator[Visit]:
    app, visit = Streams(ROUTES, django_instead, channel=CHANNEL), Visit()
    path, _, query = path.partition("?")
    sent = {"host": "localhost", **(headers or {})}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
    }
    task = asyncio.create_task(app(scope, visit.receive, visit.send))
    try:
        yield visit
    finally:
        visit.leave()
        await asyncio.wait_for(task, 8)
        await app.listener.stop()


def cookie_of(user: User) -> dict[str, str]:
    client = Client()
    client.force_login(user)
    return {"cookie": f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"}


def write_log(job: Job, data: bytes) -> Attempt:
    attempt = Attempt.objects.get(task__job=job)
    last = LogChunk.objects.filter(attempt=attempt).order_by("-sequence").first()
    offset = last.offset + len(last.data) if last else 0
    LogChunk.objects.create(attempt=attempt, sequence=last.sequence + 1 if last else 0, offset=offset, data=data)
    Attempt.objects.filter(pk=attempt.pk).update(log_bytes=offset + len(data))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", (CHANNEL, f"{job.number} log"))
    return attempt


def finish(job: Job) -> None:
    Attempt.objects.filter(task__job=job).update(ended_at=timezone.now(), state="exited")
    Job.objects.filter(pk=job.pk).update(state=JobState.SUCCEEDED, finished_at=timezone.now())
    record(job.number, "succeeded", "It ended with exit code 0.")


def logged(visit: Visit) -> bytes:
    return b"".join(base64.b64decode(data["data"]) for name, data, _ in visit.events if name == "log")


def run(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function in a thread, whose connection is given back as the application does it."""

    def work(*args: Any) -> Any:
        try:
            return function(*args)
        finally:
            connections.close_all()

    return sync_to_async(work, thread_sensitive=False)


def paths(number: int) -> list[str]:
    """An address of every stream there is, from the table itself."""
    numbered = [route.path.replace("(?P<number>[0-9]{1,18})", str(number)) for route in ROUTES]
    found = [path.replace(TASK, "run/0") for path in numbered]
    assert all(any(route.pattern.fullmatch(path) for route in ROUTES) for path in found)
    return found
