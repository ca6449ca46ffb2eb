"""The way of a terminal from a job's program to a browser: who is let in, what arrives, and how it ends."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.sessions.models import Session as SignIn
from websockets.exceptions import InvalidStatus

from jobs import services, terminal_door
from jobs.models import Endpoint, Host, Job, Shell
from jobs.runtimes.fake import FakeRuntime
from jobs.slots import Slots
from portal.people.models import AuditEvent, User
from tests.jobs.terminals.serving import Page, opened, portal, shell_app, with_relay
from tests.jobs.workers import Start, ended, launch, running

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators"),
]


@pytest.fixture
def url(free_port: int) -> Iterator[str]:
    with portal(free_port) as address:
        yield address


@pytest.fixture
def slots(start: Start, runtime: FakeRuntime) -> Slots:
    return with_relay(start(runtime))


@pytest.fixture
def job(owner: User, slots: Slots) -> Job:
    made = launch(owner, version=shell_app(), command="shell", parameters={})
    running(made)
    return made


def path(job: Job, tab: str = "1") -> str:
    return f"/jobs/{job.number}/terminal/ws?tab={tab}"


def look(url: str, person: User, address: str) -> Page:
    """As a page does: again while the terminal is not there yet."""
    while True:
        page = Page(opened(url, address, person))
        page._read(lambda page=page: page.said)
        if page.said[0]["type"] == "hello" or page.said[0].get("code") not in ("starting", "away"):
            return page


def test_a_shell_is_typed_to_and_the_job_ends_with_it(url: str, owner: User, job: Job) -> None:
    page = look(url, owner, path(job))
    assert page.hears("hello")["you_type"]
    page.say("size", columns=120, rows=40)
    page.sees(b"$ ")
    page.type(b"stty size\n")
    page.sees(b"40 120\r\n")
    assert Endpoint.objects.get(job=job).state == Endpoint.State.OPEN
    page.type(b"exit 4\n")
    end = page.hears("end")
    assert (end["exit_code"], end["reason"]) == (4, "The program ended with exit code 4.")
    assert page.ends() == terminal_door.DONE
    assert ended(job).exit_code == 4
    late = Page(opened(url, path(job), owner))
    assert late.hears("refused")["code"] == "gone"
    late.ends()


def test_what_was_shown_before_is_there_again_and_two_windows_share_it(url: str, owner: User, job: Job) -> None:
    page = look(url, owner, path(job))
    page.type(b"echo remember me\n")
    page.sees(b"\r\nremember me\r\n")
    page.socket.close()
    again, second = look(url, owner, path(job)), look(url, owner, path(job, "2"))
    again.sees(b"\r\nremember me\r\n")
    second.sees(b"\r\nremember me\r\n")
    second.say("take")
    assert second.hears("writer")["you_type"]
    second.type(b"echo from two\n")
    again.sees(b"\r\nfrom two\r\n")
    for one in (again, second):
        one.socket.close()


def test_a_worker_that_comes_anew_shows_the_same_shell(
    url: str, owner: User, job: Job, slots: Slots, start: Start, runtime: FakeRuntime
) -> None:
    page = look(url, owner, path(job))
    page.type(b"echo before\n")
    page.sees(b"\r\nbefore\r\n")
    slots.leave()
    slots.watcher.superseded.set()
    assert page.ends() is not None
    host = Host.objects.get(pk=slots.host.pk)
    from jobs import hosts

    host = hosts.register(name=host.name, serve={"n1": 2}, tags=[], mounts="shared")
    fresh = start(runtime, host=host)
    find, fresh.relay._find = fresh.relay._find, lambda _: None
    with_relay(fresh)
    early = Page(opened(url, path(job), owner))
    assert early.hears("refused")["code"] == "away"  # it listens before it has taken the job up
    early.ends()
    fresh.relay._find = find
    again = look(url, owner, path(job))
    again.sees(b"\r\nbefore\r\n")
    again.type(b"echo after\n")
    again.sees(b"\r\nafter\r\n")
    again.type(b"exit\n")
    again.ends()
    assert ended(job).exit_code == 0
    assert len(runtime.started) == 1


# -- who is let in ----------------------------------------------------------------------------------------------------


def refused(url: str, person: User | None, address: str, **over: Any) -> int:
    with pytest.raises(InvalidStatus) as caught:
        opened(url, address, person, **over)
    answer = caught.value.response
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert json.loads(answer.body or b"")["status"] == answer.status_code
    return answer.status_code


def test_only_its_owner_and_the_team_it_is_shared_with_are_let_in(
    url: str, owner: User, teammate: User, stranger: User, curator: User, operator: User, job: Job
) -> None:
    for person in (teammate, stranger, curator, operator):
        assert refused(url, person, path(job)) == 404, person
    assert refused(url, None, path(job)) == 401
    services.share(job=job, actor=owner, team=owner.teams.get())
    page = look(url, teammate, path(job))
    hello = page.hears("hello")
    assert (hello["owner"], hello["may_type"], hello["you_type"]) == (False, False, False)
    page.say("take")
    page.type(b"exit 1\n")
    page.hears("taken")
    mine = look(url, owner, path(job))
    mine.type(b"echo alive\n")
    page.sees(b"\r\nalive\r\n")
    for person in (stranger, curator, operator):
        assert refused(url, person, path(job)) == 404, person
    for one in (page, mine):
        one.socket.close()


def test_a_page_of_another_site_is_refused_though_the_cookie_is_there(url: str, owner: User, job: Job) -> None:
    for origin in ("https://evil.example", "http://evil.example", "null", None, "http://127.0.0.1:1", "::", "http://["):
        assert refused(url, owner, path(job), origin=origin) == 403, origin


def test_there_is_nothing_at_other_addresses(url: str, owner: User, job: Job) -> None:
    plain = launch(owner, parameters={"darts": 100})
    shell = f"/jobs/{job.number}/shells/999/ws"
    for address in (
        "/",
        "/jobs/",
        "/jobs/999999/terminal/ws",
        f"/jobs/{plain.number}/terminal/ws",
        shell,
        "/jobs/x/terminal/ws",
    ):
        assert refused(url, owner, address) == 404, address


def test_a_sign_out_ends_what_is_open(url: str, owner: User, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal_door, "RECHECK_S", 0.3)
    page = look(url, owner, path(job))
    SignIn.objects.all().delete()
    assert page.ends() == terminal_door.SIGNED_OUT


def test_a_job_that_is_shared_no_more_ends_what_is_open(
    url: str, owner: User, teammate: User, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal_door, "RECHECK_S", 0.3)
    services.share(job=job, actor=owner, team=owner.teams.get())
    page = look(url, teammate, path(job))
    services.share(job=job, actor=owner, team=None)
    assert page.ends() == terminal_door.SIGNED_OUT


def test_a_message_that_is_too_large_is_refused(url: str, owner: User, job: Job) -> None:
    page = look(url, owner, path(job))
    page.socket.send(b"x" * (terminal_door.SENT_MAX + 1))
    assert page.ends() == terminal_door.TOO_LARGE
    again = look(url, owner, path(job))
    again.socket.send("x" * 70_000)
    assert again.ends() == terminal_door.TOO_LARGE


# -- shells beside a program ------------------------------------------------------------------------------------------


@pytest.fixture
def busy(owner: User, start: Start, settings: Any) -> Job:
    from tests.jobs.workers import program

    settings.JOB_SHELLS = True
    with_relay(start(FakeRuntime(program(duration_s=600))))
    made = launch(owner)
    running(made)
    return made


def until_ended(shell: Shell) -> None:
    until = time.monotonic() + 15
    while shell.ended_at is None:
        assert time.monotonic() < until
        time.sleep(0.02)
        shell.refresh_from_db()


def shell_path(shell: Shell, tab: str = "1") -> str:
    return f"/jobs/{shell.job_id}/shells/{shell.pk}/ws?tab={tab}"


def test_a_shell_is_opened_typed_to_and_ended_with_a_row_at_both_ends(url: str, owner: User, busy: Job) -> None:
    shell = services.open_shell(job=busy, actor=owner)
    page = look(url, owner, shell_path(shell))
    assert page.hears("hello")["kind"] == "shell"
    page.type(b"id -u\n")
    page.sees(b"\r\n505\r\n")
    page.socket.close()
    again = look(url, owner, shell_path(shell))
    again.sees(b"\r\n505\r\n")
    again.type(b"exit 5\n")
    assert again.hears("end")["exit_code"] == 5
    again.ends()
    over = Page(opened(url, shell_path(shell), owner))
    assert over.hears("refused")["code"] == "gone"
    over.ends()
    until_ended(shell)
    assert shell.exit_code == 5
    rows = list(AuditEvent.objects.filter(action__startswith="shell.").order_by("id"))
    assert [(row.action, row.actor_name, row.target) for row in rows] == [
        ("shell.open", "owner", f"job {busy.number}"),
        ("shell.close", "owner", f"job {busy.number}"),
    ]
    busy.refresh_from_db()
    assert not busy.terminal


def test_a_shell_is_its_owners_alone(
    url: str, owner: User, teammate: User, stranger: User, operator: User, busy: Job
) -> None:
    services.share(job=busy, actor=owner, team=owner.teams.get())
    shell = services.open_shell(job=busy, actor=owner)
    for person in (teammate, stranger, operator):
        assert refused(url, person, shell_path(shell)) == 404, person


def test_its_owner_ends_a_shell_by_a_button(url: str, owner: User, busy: Job) -> None:
    shell = services.open_shell(job=busy, actor=owner)
    page = look(url, owner, shell_path(shell))
    page.say("end")
    assert page.hears("end")["exit_code"] == 129
    page.ends()


def test_shells_end_with_their_job(url: str, owner: User, busy: Job) -> None:
    shell, never = (services.open_shell(job=busy, actor=owner) for _ in range(2))
    page = look(url, owner, shell_path(shell))
    services.cancel(job=busy, actor=owner)
    page.ends()
    ended(busy)
    for one in (shell, never):
        until_ended(one)
    assert never.reason == "The job has ended."
    assert AuditEvent.objects.filter(action="shell.close").count() == 2


def test_an_image_without_a_shell_says_so(url: str, owner: User, start: Start, settings: Any) -> None:
    from tests.jobs.workers import program

    settings.JOB_SHELLS = True
    image = "sha256:" + "0" * 64
    with_relay(start(FakeRuntime(program(duration_s=600), shell_less={image})))
    job = launch(owner)
    running(job)
    shell = services.open_shell(job=job, actor=owner)
    page = Page(opened(url, shell_path(shell), owner))
    assert "has no shell" in page.hears("refused")["message"]
    page.ends()
    until_ended(shell)
    assert "has no shell" in shell.reason


def test_a_worker_that_comes_anew_ends_the_shells_of_the_one_before(
    url: str, owner: User, start: Start, settings: Any
) -> None:
    from jobs import hosts
    from tests.jobs.workers import program

    settings.JOB_SHELLS = True
    runtime = FakeRuntime(program(duration_s=600))
    slots = with_relay(start(runtime))
    job = launch(owner)
    running(job)
    shell, unbegun = (services.open_shell(job=job, actor=owner) for _ in range(2))
    page = look(url, owner, shell_path(shell))
    slots.leave()
    slots.watcher.superseded.set()
    page.ends()
    host = hosts.register(name=slots.host.name, serve={"n1": 2}, tags=[], mounts="shared")
    with_relay(start(runtime, host=host))
    again = look(url, owner, shell_path(unbegun))
    again.type(b"echo here\n")
    again.sees(b"\r\nhere\r\n")
    again.socket.close()
    until_ended(shell)
    assert "restarted" in shell.reason
    assert shell.mark not in runtime._shells
