"""Live streams: who may open them, what guards each answer, and that they end when the right to them does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from jobs.models import Job
from jobs.states import JobState
from portal import streams
from portal.people import tokens
from portal.people.models import User
from tests.factories import make_job
from tests.jobs.visits import cookie_of, paths, run, visiting

pytestmark = pytest.mark.django_db(transaction=True)
SECURITY = {
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"same-origin",
    b"cache-control": b"no-store",
}


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
