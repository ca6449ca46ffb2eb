"""Terminals in Chromium: typed, resized, loaded anew, looked on at by a second person, and lost and found again."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from jobs import hosts, services
from jobs.models import Job
from jobs.runtimes.fake import FakeRuntime
from jobs.slots import Slots
from portal.people.models import User
from tests.browser.conftest import Visit, overflow_px, serious_faults
from tests.jobs.conftest import start
from tests.jobs.terminals.on_screen import LIVE_MS, sees, shown, status, types
from tests.jobs.terminals.serving import portal, shell_app, with_relay
from tests.jobs.workers import Start, ended, launch, running
from tests.on_page import until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators"),
]
__all__ = ["start"]  # a fixture of tests of jobs


@pytest.fixture
def portal_url(free_port: int) -> Iterator[str]:
    with portal(free_port) as address:
        yield address


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime()


@pytest.fixture
def slots(start: Start, runtime: FakeRuntime) -> Slots:
    return with_relay(start(runtime))


def launched(owner: User) -> Job:
    job = launch(owner, version=shell_app(), command="shell", parameters={})
    running(job)
    return job


def test_a_shell_is_typed_to_resized_and_found_again(owner: User, visit: Visit, slots: Slots) -> None:
    job = launched(owner)
    page = visit(owner, f"/jobs/{job.number}/")
    status(page, "You type")
    types(page, "echo hello there")
    sees(page, "hello there")
    page.locator("#terminal-full").click()
    status(page, "You type")
    sees(page, "hello there")  # what was shown before
    types(page, "stty size")
    until(page, r"/\n\d+ \d+/.test(document.querySelector('.xterm-rows').innerText)")
    wide = re.findall(r"\n(\d+) (\d+)", shown(page))[-1]
    page.set_viewport_size({"width": 700, "height": 600})
    page.wait_for_timeout(300)
    types(page, "stty size")
    until(
        page,
        "before => { const found = [...document.querySelector('.xterm-rows').innerText.matchAll(/^(\\d+) (\\d+)/gm)];"
        " return found.length > 1 && Number(found.at(-1)[2]) < before; }",
        int(wide[1]),
    )
    page.reload()
    status(page, "You type")
    sees(page, "hello there")
    types(page, "exit 3")
    expect(page.locator("[data-terminal-banner]")).to_have_text(re.compile("ended with exit code 3"), timeout=LIVE_MS)
    assert ended(job).exit_code == 3
    page.reload()
    expect(page.locator("#terminal-ended")).to_contain_text("exit code 3")
    page.locator("#terminal-back").click()
    expect(page.locator("#job-head")).to_have_attribute("data-state", "failed")


def test_a_second_person_reads_until_the_owner_lets_them_type(
    owner: User, teammate: User, visit: Visit, slots: Slots
) -> None:
    job = launched(owner)
    services.share(job=job, actor=owner, team=owner.teams.get())
    mine = visit(owner, f"/jobs/{job.number}/terminal/")
    status(mine, "You type")
    theirs = visit(teammate, f"/jobs/{job.number}/terminal/", width=820)
    status(theirs, "owner types, you read. 1 other looks on.")
    types(mine, "echo for both")
    sees(theirs, "for both")
    theirs.keyboard.type("echo not mine\n")
    expect(theirs.locator("[data-terminal-take]")).to_be_hidden()
    mine.locator("[data-terminal-team]").click()
    theirs.locator("[data-terminal-take]").click()
    status(mine, "teammate types, you read")
    types(theirs, "echo by a mate")
    sees(mine, "by a mate")
    assert "not mine" not in shown(mine)
    mine.locator("[data-terminal-take]").click()
    status(theirs, "owner types, you read")


def test_what_a_program_writes_is_only_ever_shown(
    owner: User, visit: Visit, slots: Slots, runtime: FakeRuntime
) -> None:
    job = launched(owner)
    page = visit(owner, f"/jobs/{job.number}/terminal/")
    status(page, "You type")
    name = page.evaluate("document.title")
    for hostile in ("<img/src=x/onerror=alert(1)>", "&lt;b&gt;", "https://evil.example/"):
        types(page, f"echo {hostile}")
        sees(page, hostile)
    assert page.locator(".xterm-rows a, .xterm-rows img").count() == 0
    assert page.evaluate("document.title") == name


def test_a_lost_connection_is_said_and_comes_again(
    owner: User, visit: Visit, slots: Slots, start: Start, runtime: FakeRuntime
) -> None:
    job = launched(owner)
    page = visit(owner, f"/jobs/{job.number}/terminal/")
    types(page, "echo before it was lost")
    sees(page, "before it was lost")
    slots.leave()
    slots.watcher.superseded.set()
    banner = page.locator("[data-terminal-banner]")
    expect(banner).to_have_text(re.compile(r"Trying again in \d s"), timeout=LIVE_MS)
    host = hosts.register(name=slots.host.name, serve={"n1": 2}, tags=[], mounts="shared")
    with_relay(start(runtime, host=host))
    expect(banner).to_be_hidden(timeout=LIVE_MS)
    sees(page, "before it was lost")
    types(page, "echo after")
    sees(page, "after")


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1440, False)])
def test_the_pages_are_fit_for_everyone(
    owner: User, visit: Visit, slots: Slots, settings: object, width: int, dark: bool
) -> None:
    settings.JOB_SHELLS = True  # type: ignore[attr-defined]
    job = launched(owner)
    Job.objects.filter(pk=job.pk).update(label="a label that is quite long and goes on " * 4)
    shell = services.open_shell(job=job, actor=owner)
    for path in (f"/jobs/{job.number}/", f"/jobs/{job.number}/terminal/", shell.get_absolute_url()):
        page = visit(owner, path, width=width, dark=dark)
        status(page, "You type|you read")
        assert serious_faults(page) == [], path
        assert overflow_px(page) <= 0, path
        if width == 390 and page.locator("[data-terminal-keys]").is_visible():
            page.locator('[data-key="ctrl"]').click()
            page.keyboard.type("c")
            sees(page, "^C")
        page.locator(".xterm-helper-textarea").focus()
        page.keyboard.press("Shift+Escape")
        assert page.evaluate("document.activeElement.hasAttribute('data-terminal-reader')")
        page.keyboard.press("Enter")
        expect(page.locator(".xterm-accessibility")).to_be_attached()
        page.keyboard.press("Enter")
        page.context.close()
