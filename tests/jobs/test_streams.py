"""Live streams: what they send, how they resume, how they end, and that nothing stays behind."""

from __future__ import annotations

import asyncio

import pytest
from django.db import connection
from django.utils import timezone

from jobs.events import CHANNEL, record
from jobs.models import Job
from jobs.states import JobState
from jobs.streams import ROUTES
from portal.people import tokens
from portal.people.models import User
from portal.streams import Streams
from tests.factories import make_job
from tests.jobs.visits import Visit, cookie_of, django_instead, finish, logged, paths, run, visiting, write_log

pytestmark = pytest.mark.django_db(transaction=True)


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


def test_the_listener_comes_back_after_its_connection_is_cut(owner: User) -> None:
    job = make_job(owner, state=JobState.RUNNING)
    cookie = cookie_of(owner)

    def cut() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND (query LIKE 'LISTEN%%' OR query = 'SELECT 1')"
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
