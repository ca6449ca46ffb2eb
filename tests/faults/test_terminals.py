"""Terminals in a real browser over real processes and containers: a shell outlives its worker and the portal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, Page, expect

from jobs.models import Job, Shell
from portal.people.models import AuditEvent
from tests.browser.conftest import listen
from tests.factories import make_version
from tests.faults.site import Process, Site, eventually
from tests.jobs.terminals.on_screen import LIVE_MS, sees, shown, status, types
from tests.jobs.terminals.serving import COMMAND

pytestmark = [pytest.mark.faults, pytest.mark.browser]
OPTIONS = ("--serve", "w1=2")
LOST = ("Failed to load resource: net::", "WebSocket connection to")


@pytest.fixture
def worker(site: Site) -> Process:
    site.machine("w1")
    return site.worker("omega", *OPTIONS)


def serve(site: Site, port: int) -> Process:
    """The portal with plain names of static files, which nobody has gathered for a test."""
    return site.web(port, JOB_SHELLS="1", DEBUG="1", PUBLIC_URL=f"http://127.0.0.1:{port}")


@pytest.fixture
def page(site: Site, free_port: int, chromium: Browser) -> Iterator[Page]:
    """Signed in as the owner, at a portal that is a process of its own."""
    url = f"http://127.0.0.1:{free_port}"
    web = serve(site, free_port)
    client = Client()
    client.force_login(site.owner)
    context = chromium.new_context(base_url=url, viewport={"width": 1100, "height": 720})
    name = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": url}])
    faults: list[str] = []
    opened = context.new_page()
    opened.set_default_timeout(LIVE_MS)
    listen(opened, faults)
    yield opened
    context.close()
    web.dismiss()
    assert [fault for fault in faults if not fault.startswith(LOST)] == []


def test_a_shell_outlives_its_worker_and_the_portal(site: Site, worker: Process, page: Page) -> None:
    definition = {
        "appdefversion": 2,
        "name": "Shell",
        "description": "A shell.",
        "author": "Slipway",
        "licensed": True,
        "classifications": ["Tools"],
        "machines": ["w1"],
        "vault-types": ["NONE"],
        "commands": {"shell": {**COMMAND, "path": "/bin/bash"}},
    }
    version = make_version(definition=definition, image_pinned=site.version.image_pinned)
    page.goto(f"/apps/{version.app.slug}/launch/")
    page.locator("#launch").click()
    page.wait_for_url(re.compile(r"/jobs/\d+/$"))
    job = Job.objects.get(number=int(page.url.rstrip("/").rpartition("/")[2]))
    status(page, "You type")
    page.locator("#terminal-full").click()
    status(page, "You type")
    types(page, "kept=$RANDOM$RANDOM; echo it is $kept and $$ of $TERM")
    sees(page, "of xterm-256color")
    said = re.findall(r"it is (\d+) and (\d+)", shown(page))[-1]
    types(
        page,
        "stty size; ls --color /; printf '\\033[38;2;250;250;250mfaint\\033[0m \\033]8;;https://evil.example\\007link\\033]8;;\\007 \\033]2;A title\\007'; cat",
    )
    sees(page, "link")
    expect(page).to_have_title(re.compile("^A title"))
    assert page.locator(".xterm-rows a").count() == 0
    page.keyboard.press("Control+c")
    before = site.inspect(site.running(job).name)

    worker.kill()
    expect(page.locator("[data-terminal-banner]")).to_contain_text(re.compile("Trying again"), timeout=LIVE_MS)
    again = site.worker("omega", *OPTIONS)
    status(page, "You type")
    types(page, "echo once more $kept and $$")
    sees(page, f"once more {said[0]} and {said[1]}")
    sees(page, "it is")  # what its log holds
    after = site.inspect(before["Name"].lstrip("/"))
    assert (after["Id"], after["State"]["Pid"]) == (before["Id"], before["State"]["Pid"])

    web = next(process for process in site.processes if process.name == "web" and process.alive)
    port = int(page.url.split(":")[2].split("/")[0])
    web.kill()
    expect(page.locator("[data-terminal-banner]")).to_contain_text(re.compile("Trying again"), timeout=LIVE_MS)
    web = serve(site, port)
    status(page, "You type")
    types(page, "exit 6")
    expect(page.locator("[data-terminal-banner]")).to_contain_text("exit code 6", timeout=LIVE_MS)
    assert site.ended(job).exit_code == 6
    log = site.log_of(job)
    assert f"it is {said[0]} and {said[1]}".encode() in log
    assert f"once more {said[0]} and {said[1]}".encode() in log
    web.dismiss()
    again.dismiss()


def test_a_shell_beside_a_job_is_opened_by_a_click_and_ends_with_the_worker(
    site: Site, worker: Process, page: Page, tmp_path: Path
) -> None:
    job = site.submit("echo begun; sleep 600", "w1")
    site.running(job)
    page.goto(f"/jobs/{job.number}/")
    page.locator("#job-open-shell").click()
    status(page, "You type")
    types(page, "id -u; cat /proc/1/cmdline | tr '\\0' ' '; ls /sys/class/net")
    sees(page, "sleep 600")
    types(page, "head -c 20000000 /dev/zero | tr '\\0' y | fold -w 79; echo flo''oded")  # faster than any screen
    sees(page, "flooded")
    worker.kill()
    again = site.worker("omega", *OPTIONS)
    expect(page.locator("[data-terminal-banner]")).to_contain_text(re.compile("has ended"), timeout=LIVE_MS)
    shell = eventually(lambda: Shell.objects.filter(job=job, ended_at__isnull=False).first(), 20)
    assert "restarted" in shell.reason
    top = site.runtime._call.top(site.running(job).name, "-eo pid,args")
    assert not [row for row in top["Processes"] if "bash" in row[-1]]  # it is not left behind
    page.goto(f"/jobs/{job.number}/")
    page.locator("#job-cancel").click()
    page.get_by_role("button", name="Cancel the job").click()
    site.ended(job)
    rows = AuditEvent.objects.filter(action__startswith="shell.", target=f"job {job.number}").order_by("id")
    assert [row.action for row in rows] == ["shell.open", "shell.close"]
    again.dismiss()
