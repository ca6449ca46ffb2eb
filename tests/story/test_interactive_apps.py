"""The interactive examples, used by real clicks through portal, relay and proxy; their containers have no network at all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from apps_catalog.models import App
from apps_catalog.services import import_definition, publish, record_image
from jobs.models import Job
from jobs.states import JobState
from tests.example_images import EXAMPLES, image_of
from tests.faults.site import Site, eventually
from tests.story.conftest import PASSWORD, Stage

pytestmark = [pytest.mark.browser, pytest.mark.docker]
START_MS = 60_000  # from the launch to an app that answers, on a machine with other things to do
BLUE, WHITE = (0x20, 0x6B, 0xC4), (255, 255, 255)  # a title bar in front, an empty sheet


@dataclass
class Visitor:
    """Somebody signed in, who launches an app and connects to it."""

    stage: Stage
    site: Site
    page: Page

    def app(self, slug: str, definition: bytes, image: str) -> None:
        """Published, its image known: what a curator and a worker do elsewhere."""
        if App.objects.filter(slug=slug).exists():
            return
        version = import_definition(text=definition, actor=self.stage.curator, image=image, slug=slug).version
        assert version is not None
        publish(version=version, actor=self.stage.curator)
        record_image(version_pk=version.pk, image=image, pinned=image, state="found", message="")

    def launch(self, slug: str, *, command: str = "") -> Job:
        page = self.page
        page.goto(f"{self.stage.url}/apps/{slug}/")
        page.locator(".page-actions").get_by_role("link", name="Launch").click()
        page.wait_for_url("**/launch/**")
        page.wait_for_load_state("networkidle")
        if command:
            page.locator(".command-choice", has_text=command).click()
            expect(page.locator('.command-choice[aria-current="true"]')).to_contain_text(command)
            page.wait_for_load_state("networkidle")
        page.locator('[name="machine"][value="n2"]').check()
        page.locator("button:has-text('Launch')").last.click()
        page.wait_for_url("**/jobs/*/")
        return Job.objects.get(pk=int(urlsplit(page.url).path.split("/")[2]))

    def connect(self) -> Page:
        """Wait for Connect on the job's page, and press it: the app, in a tab of its own and under an origin of its own."""
        button = self.page.locator("#job-connect")
        expect(button).to_be_visible(timeout=START_MS)
        with self.page.context.expect_page() as opened:
            button.click()
        app = opened.value
        app.set_default_timeout(20_000)
        app.wait_for_load_state()
        host = urlsplit(app.url).hostname or ""
        assert re.fullmatch(r"[0-9]+-[a-z0-9]{13,40}\.localhost", host), app.url
        return app

    def without_network(self, job: Job) -> None:
        """The container that serves has no network: nothing is published, nothing bridged."""
        attempt = self.site.running(job)
        facts = self.site.inspect(attempt.name)
        assert facts["HostConfig"]["NetworkMode"] == "none"
        assert not facts["NetworkSettings"]["Ports"]
        assert facts["HostConfig"]["ReadonlyRootfs"] is True
        assert facts["HostConfig"]["CapDrop"] == ["ALL"]

    def ended_well(self, job: Job) -> None:
        ended = self.site.ended(job, 40)
        assert (ended.state, ended.exit_code) == (JobState.SUCCEEDED, 0), ended.reason

    def results(self, job: Job) -> Locator:
        self.page.goto(f"{self.stage.url}/jobs/{job.number}/results/")
        return self.page.locator("main")


@pytest.fixture
def visitor(stage: Stage, installation: Site) -> Iterator[Visitor]:
    page = stage.page()
    page.goto(stage.url + "/accounts/login/")
    page.locator("input[name=login]").fill("grace")
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("button[type=submit]").click()
    page.wait_for_url(stage.url + "/")
    yield Visitor(stage, installation, page)
    page.context.close()
    assert stage.faults == []


def example(name: str) -> bytes:
    return (EXAMPLES / name / "AppDef.json").read_bytes()


def test_notebook_runs_a_cell_through_the_websocket_of_its_kernel(visitor: Visitor) -> None:
    visitor.app("notebook", example("notebook"), image_of("notebook"))
    job = visitor.launch("notebook")
    app = visitor.connect()
    visitor.without_network(job)
    app.locator(".jp-LauncherCard[data-category=Notebook]").first.click()
    expect(app.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=START_MS)
    app.locator(".jp-Notebook .jp-Cell .cm-content").first.click()
    app.keyboard.type("import socket; print('answer', 6 * 7, [name for _, name in socket.if_nameindex()])")
    app.keyboard.press("Shift+Enter")
    expect(app.locator(".jp-OutputArea-output").first).to_contain_text("answer 42 ['lo']", timeout=START_MS)
    # Past the portal's gate the token is still asked for: only the link carries it.
    app.context.clear_cookies(name=re.compile("^username-"))
    assert app.evaluate("fetch('/api/contents').then(answer => answer.status)") == 403
    app = visitor.connect()
    expect(app.get_by_role("menuitem", name="File", exact=True)).to_be_visible(timeout=START_MS)
    assert app.evaluate("fetch('/api/contents').then(answer => answer.status)") == 200
    app.get_by_role("menuitem", name="File", exact=True).click()
    app.get_by_role("menuitem", name="Shut Down", exact=True).click()
    app.get_by_role("button", name="Shut Down").click()
    visitor.ended_well(job)


def test_dashboard_shows_live_values_and_takes_a_form(visitor: Visitor, dashboard_image: str) -> None:
    visitor.app("dashboard", example("dashboard"), dashboard_image)
    job = visitor.launch("dashboard")
    app = visitor.connect()
    visitor.without_network(job)
    expect(app.locator("#connection")).to_have_text("Live")
    before = app.locator("#temperature").inner_text()
    expect(app.locator("#temperature")).not_to_have_text(before)
    app.get_by_label("Target, 5 to 35 °C").fill("99")
    app.get_by_role("button", name="Apply").click()
    expect(app.locator("#said")).to_have_text("Write a temperature from 5 to 35 degrees.")
    app.get_by_label("Target, 5 to 35 °C").fill("25.5")
    app.get_by_label("Window open").check()
    app.get_by_role("button", name="Apply").click()
    expect(app.locator("#said")).to_have_text("The heater now aims at 25.5 degrees.")
    expect(app.locator("#target-now")).to_have_text("25.5")
    expect(app.locator("#window-now")).to_have_text("open")
    app.get_by_role("button", name="Stop").click()
    expect(app.locator("#connection")).to_have_text("Ended")
    visitor.ended_well(job)
    expect(visitor.results(job)).to_contain_text("temperature.csv")


def test_desktop_shows_the_program_and_is_worked_by_mouse_keys_clipboard_and_window_size(visitor: Visitor) -> None:
    visitor.app("desktop", example("desktop"), image_of("desktop"))
    job = visitor.launch("desktop")
    app = visitor.connect()
    visitor.without_network(job)
    screen = Screen(app)
    screen.shows((300, 44), BLUE, "the title bar of the sketch pad, in front")
    screen.shows((300, 400), WHITE, "its empty sheet")
    assert screen.size() == (1280, 900)

    app.mouse.move(200, 300)
    app.mouse.down()
    app.mouse.move(400, 300, steps=8)
    app.mouse.up()
    screen.shows((300, 300), BLUE, "the line that was drawn")

    app.mouse.click(500, 79)  # the caption
    screen.pastes_and_copies("from outside")

    app.set_viewport_size({"width": 1000, "height": 700})
    eventually(lambda: screen.size() == (1000, 700), 10, "The screen's new size")
    screen.shows((500, 690), (0x1F, 0x2A, 0x3C), "the bar at the new lower edge")

    app.mouse.click(795, 79)  # Save
    eventually(
        lambda: b"Saved sketch.svg: 1 lines, 'from outside, typed on'." in visitor.site.log_of(job), 15, "The save"
    )
    with app.context.expect_page() as opened:
        app.evaluate("address => window.open(address)", f"{origin_of(app)}/vnc.html?autoconnect=true#password=wrong")
    expect(opened.value.locator("#noVNC_status")).to_contain_text("Authentication fail", timeout=20_000)

    app.mouse.click(840, 45)  # closes the window, which ends the program, which ends the job
    visitor.ended_well(job)
    expect(visitor.results(job)).to_contain_text("sketch.svg")


def test_desktop_by_the_path_of_jarvice_ends_when_the_person_logs_out(visitor: Visitor) -> None:
    visitor.app("desktop", example("desktop"), image_of("desktop"))
    job = visitor.launch("desktop", command="Terminal")
    app = visitor.connect()
    screen = Screen(app)
    screen.shows((400, 300), (0x10, 0x18, 0x20), "the terminal")
    app.mouse.click(300, 200)
    app.keyboard.type("touch /results/typed; exec 3>/results/kept; sleep 1000\n", delay=20)
    app.mouse.click(25, 883)  # Menu
    app.mouse.click(40, 850)  # Log out
    visitor.ended_well(job)
    assert b"Logged out." in visitor.site.log_of(job)
    expect(visitor.results(job)).to_contain_text("typed")


SERVER = """
import http.server, os, pathlib, socket, sys
pathlib.Path.home().joinpath(".config").mkdir()
pathlib.Path.home().joinpath(".config", "seen").write_text("kept in " + str(pathlib.Path.home()))
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = ("host " + self.headers["Host"] + ", " + pathlib.Path.home().joinpath(".config", "seen").read_text()).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
class Server(http.server.HTTPServer):
    address_family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
Server((sys.argv[1], 8000), Page).serve_forever()
"""


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_app_that_listens_everywhere_and_writes_to_its_home_is_reached(visitor: Visitor, address: str) -> None:
    code = {"name": "c", "description": "c", "type": "CONST", "positional": True, "required": True}
    command = {
        "path": "/usr/bin/python3",
        "name": "Serve",
        "description": "Serves.",
        "interactive": True,
        "url": "https://%PUBLICADDR%:8000/where",
        "parameters": {
            "-c": {**code, "value": SERVER, "positional": False},
            "address": {**code, "value": address},
        },
    }
    slug = f"listens-{'v6' if ':' in address else 'v4'}"
    visitor.app(slug, definition_of(slug, command), visitor.site.version.image_pinned)
    job = visitor.launch(slug)
    app = visitor.connect()
    visitor.without_network(job)
    expect(app.locator("body")).to_have_text("host localhost:8000, kept in /home/nimbix")
    visitor.page.get_by_role("button", name="Cancel").first.click()
    visitor.page.get_by_role("dialog").get_by_role("button", name=re.compile("Cancel|Stop")).last.click()
    assert visitor.site.ended(job, 40).state == JobState.CANCELLED


def definition_of(name: str, command: dict[str, Any]) -> bytes:
    top = {
        "name": name,
        "description": "Serves one page.",
        "author": "Tests",
        "licensed": True,
        "appdefversion": 2,
        "classifications": ["Tests"],
        "machines": ["n2"],
        "vault-types": ["NONE"],
        "commands": {"serve": command},
    }
    return json.dumps(top).encode()


def origin_of(page: Page) -> str:
    parts = urlsplit(page.url)
    return f"{parts.scheme}://{parts.netloc}"


@dataclass
class Screen:
    """noVNC's page: the desktop is a canvas as large as the window."""

    page: Page

    def size(self) -> tuple[int, int]:
        found = self.page.evaluate(
            "(() => { const c = document.querySelector('canvas'); return c ? [c.width, c.height] : [0, 0]; })()"
        )
        return int(found[0]), int(found[1])

    def pixel(self, at: tuple[int, int]) -> tuple[int, ...]:
        code = "at => { const c = document.querySelector('canvas'); return c ? [...c.getContext('2d').getImageData(at[0], at[1], 1, 1).data] : [] }"
        return tuple(self.page.evaluate(code, list(at))[:3])

    def shows(self, at: tuple[int, int], color: tuple[int, int, int], what: str) -> None:
        """VNC may encode pictures with loss, so near is good enough."""

        def near() -> bool:
            found = self.pixel(at)
            return len(found) == 3 and all(abs(one - other) <= 12 for one, other in zip(found, color, strict=True))

        try:
            eventually(near, 30)
        except AssertionError:
            raise AssertionError(f"At {at} the screen shows {self.pixel(at)}, not {color}: {what}") from None

    def pastes_and_copies(self, text: str) -> None:
        """What is written into noVNC's clipboard is pasted into the field that has the keys; what is copied there comes back.

        Programs ask for the clipboard when they paste, and get it when it comes: one that is asked too early is asked again.
        """
        board = self.page.locator("#noVNC_clipboard_text")

        def once() -> bool:
            self._write_clipboard(text)
            for keys in ("Control+a", "Control+v"):
                self.page.keyboard.press(keys)
            self.page.wait_for_timeout(700)
            self.page.keyboard.press("End")
            self.page.keyboard.type(", typed on", delay=20)
            for keys in ("Control+a", "Control+c"):
                self.page.keyboard.press(keys)
            self.page.wait_for_timeout(500)
            return board.input_value() == f"{text}, typed on"

        eventually(once, 40, "Pasting and copying")

    def _write_clipboard(self, text: str) -> None:
        board = self.page.locator("#noVNC_clipboard_text")
        if "noVNC_open" not in (self.page.locator("#noVNC_control_bar").get_attribute("class") or ""):
            self.page.locator("#noVNC_control_bar_handle").click()
        self.page.locator("#noVNC_clipboard_button").click()
        board.fill(text)
        self.page.locator("#noVNC_clipboard_button").click()
        expect(board).to_be_hidden()
        self.page.mouse.click(600, 79)  # back to the field


@pytest.fixture(scope="module")
def dashboard_image() -> str:
    """The image that the examples share, made here where it is not there as it stands."""
    import subprocess

    done = subprocess.run(
        [str(EXAMPLES / "build.sh")], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
