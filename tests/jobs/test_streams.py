"""Live streams: who may open them, what they send, how they resume, how they end."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections
from django.test import Client
from django.utils import timezone

from jobs.events import record
from jobs.models import Attempt, Job, LogChunk
from jobs.states import JobState
from jobs.streams import CHANNEL, ROUTES
from portal import streams
from portal.people import tokens
from portal.people.models import User
from portal.streams import Streams
from tests.factories import make_job

pytestmark = pytest.mark.django_db(transaction=True)
SECURITY = {
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"same-origin",
    b"cache-control": b"no-store",
}


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
    return {"cookie": f"sessionid={client.cookies['sessionid'].value}"}


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
    found = [route.path.replace("(?P<number>[0-9]{1,18})", str(number)) for route in ROUTES]
    assert all(any(route.pattern.fullmatch(path) for route in ROUTES) for path in found)
    return found


def test_strangers_nobody_and_teammates_see_what_they_may(
    owner: User, teammate: User, stranger: User, operator: User
) -> None:
    job = make_job(owner, state=JobState.SUCCEEDED)
    shared = make_job(owner, state=JobState.SUCCEEDED, team=owner.teams.get())
    cookies = {person.username: cookie_of(person) for person in (owner, teammate, stranger, operator)}
    expected = {
        job.number: {"owner": 200, "teammate": 404, "stranger": 404, "operator": 200},
        shared.number: {"owner": 200, "teammate": 200, "stranger": 404, "operator": 200},
        99999: {"owner": 404, "teammate": 404, "stranger": 404, "operator": 404},
    }

    async def walk() -> None:
        for number, statuses in expected.items():
            for path in paths(number):
                for name, status in statuses.items():
                    async with visiting(path, cookies[name]) as visit:
                        await visit.until(lambda v: v.over)
                        assert (path, name, visit.status) == (path, name, status)
                async with visiting(path) as visit:
                    await visit.until(lambda v: v.over)
                    assert visit.status == 401

    asyncio.run(walk())


def test_every_answer_carries_the_security_headers(owner: User) -> None:
    job = make_job(owner, state=JobState.SUCCEEDED)
    cookie = cookie_of(owner)

    async def walk() -> None:
        for path in paths(job.number):
            for headers, method in ((cookie, "GET"), ({}, "GET"), (cookie, "POST"), ({"host": "evil.example"}, "GET")):
                async with visiting(path, headers, method) as visit:
                    await visit.until(lambda v: v.over)
                    assert SECURITY.items() <= visit.headers.items()
                    assert visit.status == {"POST": 405}.get(method, 200 if headers == cookie else visit.status)
                    assert b"access-control-allow-origin" not in visit.headers

    asyncio.run(walk())


def test_other_addresses_and_plain_json_go_to_django(owner: User) -> None:
    async def walk() -> None:
        for path, headers in (
            ("/jobs/1/", {}),
            ("/streams/jobs/x/", {}),
            (paths(1)[2], {"accept": "application/json"}),
        ):
            async with visiting(path, headers) as visit:
                await visit.until(lambda v: v.over)
                assert visit.status == 299

    asyncio.run(walk())


def test_a_foreign_host_name_is_refused(owner: User) -> None:
    async def walk() -> None:
        async with visiting(paths(1)[0], {"host": "evil.example"}) as visit:
            await visit.until(lambda v: v.over)
            assert visit.status == 400

    asyncio.run(walk())


def test_state_comes_at_once_and_at_each_change_and_ends_with_the_job(owner: User) -> None:
    job = make_job(owner, state=JobState.RUNNING)
    cookie = cookie_of(owner)

    async def walk() -> None:
        async with visiting(f"/streams/jobs/{job.number}/", cookie) as visit:
            await visit.until(lambda v: bool(v.events))
            assert visit.events[0][1]["state"] == "running"
            await run(finish)(job)
            await visit.until(lambda v: v.over)
            assert [name for name, _, _ in visit.events][-2:] == ["state", "end"]
            assert visit.events[-2][1]["state"] == "succeeded"

    asyncio.run(walk())


def test_a_client_that_has_seen_the_end_is_told_not_to_come_again(owner: User) -> None:
    job = make_job(owner, state=JobState.SUCCEEDED)
    cookie = cookie_of(owner)

    async def walk() -> None:
        async with visiting(f"/streams/jobs/{job.number}/", {**cookie, "last-event-id": "end"}) as visit:
            await visit.until(lambda v: v.over)
            assert visit.status == 204

    asyncio.run(walk())


def test_log_arrives_byte_for_byte_and_resumes_where_it_was_cut(owner: User) -> None:
    job = make_job(owner, state=JobState.RUNNING)
    write_log(job, "grüße\n".encode()[:3])
    cookie = cookie_of(owner)

    async def walk() -> None:
        async with visiting(f"/streams/jobs/{job.number}/log", cookie) as visit:
            await visit.until(lambda v: bool(logged(v)))
            await run(write_log)(job, "grüße\n".encode()[3:] + b"\x1b[31mred\xff\r")
            await visit.until(lambda v: b"red" in logged(v))
            assert logged(visit) == "grüße\n".encode() + b"\x1b[31mred\xff\r"
            first = next(event for event in visit.events if event[0] == "log")
        async with visiting(f"/streams/jobs/{job.number}/log", {**cookie, "last-event-id": first[2]}) as again:
            await again.until(lambda v: b"red" in logged(v))
            assert logged(again) == logged(visit)[first[1]["next"] :]
            await run(finish)(job)
            await again.until(lambda v: v.over)
            assert again.events[-1][0] == "end"

    asyncio.run(walk())


def test_log_of_a_job_that_waits_begins_when_it_starts(owner: User) -> None:
    job = make_job(owner, state=JobState.QUEUED)
    cookie = cookie_of(owner)

    def cancel() -> None:
        Job.objects.filter(pk=job.pk).update(state=JobState.CANCELLED, finished_at=timezone.now())
        record(job.number, "cancelled", "Cancelled.")

    async def walk() -> None:
        async with visiting(f"/streams/jobs/{job.number}/log", cookie) as visit:
            await visit.until(lambda v: v.status == 200)
            await asyncio.sleep(0.3)
            assert not visit.over
            await run(cancel)()
            await visit.until(lambda v: v.over)
            assert visit.events[-1][0] == "end"

    asyncio.run(walk())


def test_programs_get_every_event_once_and_resume_by_id(owner: User) -> None:
    job = make_job(owner, state=JobState.RUNNING)
    record(job.number, "queued", "Queued.")
    record(job.number, "started", "Started on one.")
    _, text = tokens.issue(user=owner, name="t", scopes=["read"])
    bearer = {"authorization": f"Bearer {text}"}

    async def walk() -> None:
        async with visiting(f"/api/v1/jobs/{job.number}/events", bearer) as visit:
            await visit.until(lambda v: len(v.events) >= 3)
            messages = [data["message"] for name, data, _ in visit.events if name == "event"]
            assert messages == ["Queued.", "Started on one."]
            first = visit.events[0][2]
        await run(finish)(job)
        async with visiting(f"/api/v1/jobs/{job.number}/events", {**bearer, "last-event-id": first}) as again:
            await again.until(lambda v: v.over)
            messages = [data["message"] for name, data, _ in again.events if name == "event"]
            assert messages == ["Started on one.", "It ended with exit code 0."]

    asyncio.run(walk())


def test_a_token_needs_the_scope_read(owner: User) -> None:
    job = make_job(owner)
    _, text = tokens.issue(user=owner, name="t", scopes=["launch"])

    async def walk() -> None:
        async with visiting(paths(job.number)[2], {"authorization": f"Bearer {text}"}) as visit:
            await visit.until(lambda v: v.over)
            assert visit.status == 403
        async with visiting(paths(job.number)[2], {"authorization": "Bearer nonsense"}) as visit:
            await visit.until(lambda v: v.over)
            assert visit.status == 401

    asyncio.run(walk())


def end_session(owner: User, job: Job) -> None:
    from portal.people.sessions import end_sessions

    end_sessions(owner)


def change_password(owner: User, job: Job) -> None:
    owner.set_password("another one entirely")
    owner.save()


def switch_off(owner: User, job: Job) -> None:
    User.objects.filter(pk=owner.pk).update(is_active=False)


def give_away(owner: User, job: Job) -> None:
    from tests.factories import make_person

    Job.objects.filter(pk=job.pk).update(owner=make_person())


@pytest.mark.parametrize("loss", [end_session, change_password, switch_off, give_away])
def test_an_open_stream_ends_when_the_right_to_it_does(
    owner: User, monkeypatch: pytest.MonkeyPatch, loss: Callable[[User, Job], None]
) -> None:
    monkeypatch.setattr(streams, "RECHECK_S", 0.2)
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.1)
    job = make_job(owner, state=JobState.RUNNING)
    cookie = cookie_of(owner)

    async def walk() -> None:
        for path in paths(job.number):
            async with visiting(path, cookie) as visit:
                await visit.until(lambda v: "still here" in v.text)
                assert not visit.over
        async with visiting(paths(job.number)[0], cookie) as visit:
            await visit.until(lambda v: "still here" in v.text)
            await run(loss)(owner, job)
            await visit.until(lambda v: v.over)

    asyncio.run(walk())


def test_a_revoked_token_ends_its_stream(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "RECHECK_S", 0.2)
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.1)
    job = make_job(owner, state=JobState.RUNNING)
    token, text = tokens.issue(user=owner, name="t", scopes=["read"])

    async def walk() -> None:
        async with visiting(paths(job.number)[2], {"authorization": f"Bearer {text}"}) as visit:
            await visit.until(lambda v: "still here" in v.text)
            await run(lambda: tokens.revoke(user=owner, pk=token.pk))()
            await visit.until(lambda v: v.over)

    asyncio.run(walk())


def test_the_listener_comes_back_after_its_connection_is_cut(owner: User) -> None:
    job = make_job(owner, state=JobState.RUNNING)
    cookie = cookie_of(owner)

    def cut() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%%' OR query = 'SELECT 1'"
            )

    async def walk() -> None:
        async with visiting(f"/streams/jobs/{job.number}/", cookie) as visit:
            await visit.until(lambda v: bool(v.events))
            await asyncio.sleep(0.3)
            await run(cut)()
            await run(finish)(job)  # told while nobody listens
            await visit.until(lambda v: v.over)
            assert visit.events[-1][0] == "end"

    asyncio.run(walk())


def test_a_visit_leaves_nothing_behind(owner: User) -> None:
    job = make_job(owner, state=JobState.RUNNING)
    cookie = cookie_of(owner)

    async def walk() -> None:
        app = Streams(ROUTES, django_instead, channel=CHANNEL)
        visit = Visit()
        headers = [(b"host", b"localhost"), (b"cookie", cookie["cookie"].encode())]
        scope = {"type": "http", "method": "GET", "path": paths(job.number)[0], "query_string": b"", "headers": headers}
        task = asyncio.create_task(app(scope, visit.receive, visit.send))
        await visit.until(lambda v: bool(v.events))
        assert app.open == 1
        visit.leave()
        await task
        assert app.open == 0
        assert not app.listener._watches
        await app.listener.stop()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(walk())
