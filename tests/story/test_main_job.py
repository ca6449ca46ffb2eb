"""The main job, told twice in Chromium: with the mouse, and by keyboard alone.

Import an AppDef, publish it, launch it with slider, dropdown, file picker and upload, watch the log live, download
the result. Every page on the way is examined by axe-core, and none may break the content security policy.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Protocol

import pytest
from playwright.sync_api import Locator, Page, TimeoutError, expect

from jobs.models import Job
from tests.browser.conftest import listen
from tests.story.conftest import PASSWORD, Stage

pytestmark = [pytest.mark.browser, pytest.mark.docker]

RUN_MS = 60_000  # patience with the job, which is to run on while a loaded machine opens its log
PROGRAM = """
import os, sys, time
for number in range(20):
    print("step", number, flush=True)
    time.sleep(0.5)
words = sys.argv[1:]
print("words", words, flush=True)
print("upload", open("/opt/note.txt").read().strip(), flush=True)
print("data", open(words[words.index("-case") + 1]).readline().strip(), flush=True)
open("/results/out.txt", "w").write(" ".join(words))
"""
COLOURS = ["red", "green", "blue", "yellow", "white", "black"]


def definition(name: str) -> str:
    """An app whose program is written in its own definition, so that it needs no image but the base."""

    def parameter(type_: str, **more: object) -> dict[str, object]:
        return {"name": type_.lower(), "description": "For the story.", "type": type_, "required": True, **more}

    code = parameter("CONST", value=PROGRAM, positional=False)
    parameters = {
        "-c": code,
        "-darts": parameter("RANGE", name="Darts", min=5, max=100, step=5, value=20),
        "-colour": parameter("selection", name="Colour", values=COLOURS),
        "-case": parameter("FILE", name="Case", filter="*.csv"),
        "note": parameter("UPLOAD", name="Note", target="note.txt", filter=".txt", size=1000),
    }
    command = {"path": "/usr/bin/python3", "name": "Tell", "description": "Tells.", "parameters": parameters}
    top = {
        "name": name,
        "description": "A story.",
        "author": "Grace",
        "licensed": True,
        "appdefversion": 2,
        "classifications": ["Stories/True ones"],
        "machines": ["n*"],
        "vault-types": ["FILE"],
        "image": {"type": "image/png", "data": ""},
        "commands": {"tell": command},
    }
    return json.dumps(top, indent=1)


class Hand(Protocol):
    """How a person works the page."""

    def press(self, page: Page, target: Locator) -> None: ...
    def write(self, page: Page, target: Locator, text: str) -> None: ...
    def choose_file(self, page: Page, target: Locator, path: Path) -> None: ...
    def confirm_choice(self, page: Page, option: Locator) -> None: ...


class Mouse:
    def press(self, page: Page, target: Locator) -> None:
        target.click()

    def write(self, page: Page, target: Locator, text: str) -> None:
        target.fill(text)

    def choose_file(self, page: Page, target: Locator, path: Path) -> None:
        target.set_input_files(path)

    def confirm_choice(self, page: Page, option: Locator) -> None:
        if option.get_attribute("data-choose") is None:
            option.click()
        else:
            option.dblclick()


class Keyboard:
    """Tab, Enter, Space and arrows; the mouse is never touched."""

    def reach(self, page: Page, target: Locator) -> None:
        """Press Tab until the target has the focus."""
        for _ in range(150):
            if target.evaluate("element => element === document.activeElement"):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"Tab never comes to {target}")

    def press(self, page: Page, target: Locator) -> None:
        target.wait_for()
        self.reach(page, target)
        page.keyboard.press("Enter")

    def write(self, page: Page, target: Locator, text: str) -> None:
        target.wait_for()
        self.reach(page, target)
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(text)

    def choose_file(self, page: Page, target: Locator, path: Path) -> None:
        """Headless Chromium sometimes passes a key on a file field over; a person would press again."""
        for key in ("Enter", "Space", "Enter"):
            self.reach(page, target)
            try:
                with page.expect_file_chooser(timeout=4_000) as chooser:
                    page.keyboard.press(key)
            except TimeoutError:
                continue
            chooser.value.set_files(path)
            return
        raise AssertionError(f"No key opens the file chooser of {target}")

    def confirm_choice(self, page: Page, option: Locator) -> None:
        """In the picker: down to the entry, then Enter."""
        option.wait_for()
        for _ in range(60):
            selected = option.evaluate(
                "e => e === document.activeElement || e.getAttribute('aria-selected') === 'true'"
            )
            if selected:
                page.keyboard.press("Enter")
                return
            page.keyboard.press("ArrowDown")
        raise AssertionError(f"The arrows never come to {option}")


def sign_in(hand: Hand, stage: Stage, page: Page) -> None:
    page.goto(stage.url + "/curate/import/")
    stage.examine(page)
    hand.write(page, page.locator("input[name=login]"), "grace")
    hand.write(page, page.locator("input[name=password]"), PASSWORD)
    hand.press(page, page.locator("button[type=submit]"))
    page.wait_for_url("**/curate/import/")


def import_and_publish(hand: Hand, stage: Stage, page: Page, name: str) -> None:
    hand.write(page, page.locator("#id_definition"), definition(name))
    expect(page.locator("#check")).to_contain_text("Colour")
    stage.examine(page)
    hand.write(page, page.locator("#id_image"), "slipway-python:bookworm")
    hand.press(page, page.get_by_role("button", name="Import as draft"))
    page.wait_for_url("**/curate/apps/**")
    stage.examine(page)
    hand.press(page, page.get_by_role("button", name="Publish"))
    hand.press(page, page.get_by_role("dialog").get_by_role("button", name="Publish"))
    expect(page.locator(".page-subtitle")).to_contain_text("Published")
    hand.press(page, page.get_by_role("link", name="App page"))
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    stage.examine(page)


def launch(hand: Hand, stage: Stage, page: Page, note: Path) -> None:
    hand.press(page, page.locator(".page-actions").get_by_role("link", name="Launch"))
    page.wait_for_url("**/launch/**")
    page.wait_for_load_state("networkidle")
    slider = page.locator("[data-slider]")
    slider.focus() if isinstance(hand, Mouse) else Keyboard().reach(page, slider)
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    dropdown = page.locator('[data-field="p:-colour"] select')
    dropdown.select_option("2") if isinstance(hand, Mouse) else Keyboard().reach(page, dropdown)
    if not isinstance(hand, Mouse):
        page.keyboard.press("b")
    choose = page.locator('[data-field="p:-case"]').get_by_role("button", name="Choose")
    hand.press(page, choose)
    dialog = page.get_by_role("dialog")
    hand.confirm_choice(page, dialog.get_by_role("option", name="cases"))
    hand.confirm_choice(page, dialog.get_by_role("option", name="dam.csv"))
    expect(page.locator('[name="p:-case"]')).to_have_value("cases/dam.csv")
    expect(choose).to_be_focused()  # where the person was before the picker opened
    hand.choose_file(page, page.locator('[data-field="p:note"] input[type=file]'), note)
    expect(page.locator('[data-field="p:note"]')).to_contain_text("note.txt")
    expect(page.locator("#panel-words")).to_contain_text("-darts 35 -colour blue -case /data/cases/dam.csv")
    stage.examine(page)
    if isinstance(hand, Mouse):
        page.locator("#launch-button, button:has-text('Launch')").last.click()
    else:
        page.keyboard.press("Control+Enter")
    page.wait_for_url("**/jobs/*/")


def watch_and_download(hand: Hand, stage: Stage, page: Page, job: Job) -> None:
    hand.press(page, page.get_by_role("link", name="Log", exact=True))
    lines = page.locator("[data-log-lines]")
    expect(lines).to_contain_text("step 1", timeout=RUN_MS)
    job.refresh_from_db()
    assert not job.terminal, "The log came only after the end."
    expect(lines).to_contain_text("data x,y", timeout=RUN_MS)
    expect(lines).to_contain_text("upload a note")
    expect(page.get_by_text("Succeeded").first).to_be_visible(timeout=RUN_MS)
    stage.examine(page)
    for tab in ("Metrics", "Inputs", "Results"):
        hand.press(page, page.locator(".nav-tabs, [role=navigation], nav").get_by_role("link", name=tab).first)
        page.wait_for_url(f"**/{tab.lower()}/")
        stage.examine(page)
    with page.expect_download() as download:
        hand.press(page, page.get_by_role("link", name="Download out.txt"))
    said = Path(download.value.path()).read_text()
    assert said == "-darts 35 -colour blue -case /data/cases/dam.csv"


@pytest.mark.parametrize("hand", [Mouse(), Keyboard()], ids=["mouse", "keyboard"])
def test_the_main_job(stage: Stage, hand: Hand, tmp_path: Path) -> None:
    name = f"Story by {type(hand).__name__.lower()} {secrets.token_hex(2)}"  # a second try finds nothing of the first
    note = tmp_path / "note.txt"
    note.write_text("a note\n")
    page = stage.page()
    sign_in(hand, stage, page)
    import_and_publish(hand, stage, page, name)
    launch(hand, stage, page, note)
    job = Job.objects.get(pk=int(page.url.rstrip("/").rsplit("/", 1)[-1]))
    watch_and_download(hand, stage, page, job)
    assert stage.faults == []


def test_no_page_breaks_its_policy_or_shuts_anyone_out(stage: Stage) -> None:
    """Every page that a menu leads to, at the three widths and in both themes."""
    for width in (390, 820, 1440):
        for theme in ("light", "dark"):
            context = stage.browser.new_context(
                viewport={"width": width, "height": 900},
                color_scheme=theme,
            )
            page = context.new_page()
            listen(page, stage.faults)
            sign_in(Mouse(), stage, page)
            for path in ("/", "/jobs/", "/files/", "/files/grace/", "/hosts/", "/curate/", "/account/", "/account/tokens/", "/api/docs/"):  # fmt: skip
                page.goto(stage.url + path)
                stage.examine(page)
                wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert wide <= 0, f"{path} is {wide} px too wide at {width}"
            context.close()
    assert stage.faults == []
