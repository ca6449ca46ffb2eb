"""The form parts of sources and destinations in Chromium: kinds, uploads that are cut, the test, the picker, the keyboard."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, Route, expect

from jobs import uploads, vaults
from jobs.models import Upload
from portal.people import sealing
from portal.people.models import Secret, User
from tests.browser.conftest import Visit, overflow_px, serious_faults

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONG = "a-very-long-name-" * 8 + ".csv"


@pytest.fixture(autouse=True)
def with_parts(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.browser.ends_page"
    settings.OUTWARD_ALLOWED = ("127.0.0.1",)


def at(**ends: Any) -> str:
    return "/test/ends/?" + urlencode(
        {name: json.dumps(value) if isinstance(value, dict) else value for name, value in ends.items()}
    )


def sent(page: Page) -> dict[str, Any]:
    page.get_by_role("button", name="Send").click()
    page.wait_for_load_state()
    found: dict[str, Any] = json.loads(page.locator("body").inner_text())
    return found


def source(page: Page) -> Any:
    return page.locator('[data-end="source"]')


def test_the_fields_of_the_chosen_kind_are_there_and_are_sent(visit: Visit, owner: User) -> None:
    vaults.create_vault(name="home", owner=owner)
    page = visit(owner, at())
    part = source(page)
    expect(part.get_by_label("Addresses")).to_be_hidden()
    part.get_by_label("Source", exact=True).select_option("url")
    part.get_by_label("Addresses").fill("https://example.org/a.csv\n\n https://example.org/b.csv ")
    expect(part.get_by_label("Bucket")).to_be_hidden()
    other = page.locator('[data-end="destination"]')
    other.get_by_label("Destination", exact=True).select_option("vault")
    other.get_by_label("Vault").select_option("home")
    other.locator("#destination-vault_path-field").fill("out/{job}")
    assert sent(page) == {
        "source": {"kind": "url", "urls": ["https://example.org/a.csv", "https://example.org/b.csv"]},
        "destination": {"kind": "vault", "vault": "home", "path": "out/{job}"},
    }


def test_faults_stand_at_their_fields_and_what_was_typed_stays(visit: Visit, owner: User) -> None:
    page = visit(owner, at())
    part = source(page)
    part.get_by_label("Source", exact=True).select_option("s3")
    part.get_by_label("Bucket").fill("s3://x")
    part.get_by_text("Type the keys here instead").click()
    part.get_by_label("Access key").fill("AK")
    page.get_by_role("button", name="Send").click()
    page.wait_for_load_state()
    part = source(page)
    expect(part.get_by_label("Bucket")).to_have_value("s3://x")
    expect(part.get_by_label("Bucket")).to_have_attribute("aria-invalid", "true")
    expect(part.get_by_text("Is the name alone, without s3:// and without a path.")).to_be_visible()
    expect(part.get_by_text("Goes with the other key: give both, or neither.")).to_be_visible()
    expect(part.get_by_text("Must be the address of the service, such as https://s3.example.org.")).to_be_visible()
    assert serious_faults(page) == []


def test_a_test_says_at_the_fields_what_is_wrong_and_what_it_found(visit: Visit, owner: User) -> None:
    vault = vaults.create_vault(name="home", owner=owner)
    vaults.save_file(vault, "a.csv", [b"one"])
    page = visit(owner, at())
    part = source(page)
    part.get_by_label("Source", exact=True).select_option("vault")
    part.get_by_role("button", name="Test the source").click()
    expect(part.get_by_text("2 things to fix before this can be tried.")).to_be_visible()
    expect(part.get_by_text("Must name a vault of yours or of a team of yours.")).to_be_visible()
    expect(part.get_by_label("Vault")).to_be_focused()
    part.get_by_label("Vault").select_option("home")
    part.locator("#source-vault_paths-field").fill("*.csv")
    part.get_by_role("button", name="Test the source").press("Enter")
    expect(part.get_by_text("It can be read: 1 file, 3 bytes (a.csv).")).to_be_visible()
    expect(part.get_by_text("Must name a vault")).to_be_hidden()
    part.locator("#source-vault_paths-field").fill("nothing")
    expect(part.get_by_text("It can be read")).to_be_hidden()
    part.get_by_role("button", name="Test the source").click()
    expect(part.get_by_text("There is no file 'nothing' in the vault 'home'.")).to_be_visible()


def test_files_are_chosen_by_keyboard_from_a_vault(visit: Visit, owner: User) -> None:
    vault = vaults.create_vault(name="home", owner=owner)
    vaults.make_folder(vault, "data")
    for name in ("data/a.csv", "data/b.csv"):
        vaults.save_file(vault, name, [b"one"])
    page = visit(owner, at(source={"kind": "vault", "vault": "home", "paths": ["old.csv"]}))
    button = source(page).get_by_role("button", name="Choose in the vault")
    for key in ("b", "a"):
        button.press("Enter")
        expect(page.get_by_role("option", name="Folder data")).to_be_visible()
        page.keyboard.press("Enter")
        expect(page.get_by_role("option", name=f"{key}.csv")).to_be_visible()
        page.keyboard.type(f"{key}.c")
        expect(page.get_by_role("option", name=f"{'ab'['ba'.index(key)]}.csv")).to_be_hidden()
        page.keyboard.press("Enter")
        expect(button).to_be_focused()
    assert sent(page)["source"]["paths"] == ["old.csv", "data/b.csv", "data/a.csv"]


def test_an_upload_goes_on_after_a_cut_and_is_sent_along(visit: Visit, owner: User, tmp_path: Path) -> None:
    body = os.urandom(20 * 2**20)
    (tmp_path / "data.bin").write_bytes(body)
    page = visit(owner, at())
    tries = []

    def cut_the_second(route: Route) -> None:
        if route.request.method == "PUT":
            tries.append(route.request.headers["content-range"])
            if len(tries) == 2:
                return route.abort("connectionreset")
        return route.continue_()

    page.route("**/uploads/to/*", cut_the_second)
    part = source(page)
    part.get_by_label("Source", exact=True).select_option("file")
    part.locator("input[type=file]").set_input_files(str(tmp_path / "data.bin"))
    expect(part.get_by_role("button", name="Remove: data.bin")).to_be_visible(timeout=30_000)
    assert [one.split()[1] for one in tries] == [
        f"0-8388607/{len(body)}",
        f"8388608-16777215/{len(body)}",
        f"8388608-16777215/{len(body)}",
        f"16777216-{len(body) - 1}/{len(body)}",
    ]
    upload = Upload.objects.get()
    assert sent(page)["source"] == {"kind": "file", "uploads": [str(upload.pk)]}
    assert uploads.path_of(upload).read_bytes() == body
    assert upload.complete


def test_an_upload_goes_on_when_the_page_is_opened_again(visit: Visit, owner: User, tmp_path: Path) -> None:
    body = os.urandom(9 * 2**20)
    (tmp_path / "data.bin").write_bytes(body)
    page = visit(owner, at(source={"kind": "file"}))
    ranges: list[str] = []

    def only_the_first(route: Route) -> None:
        if ranges:
            return route.abort("connectionreset")
        ranges.append("x")
        return route.continue_()

    page.route("**/uploads/to/*", only_the_first)
    source(page).locator("input[type=file]").set_input_files(str(tmp_path / "data.bin"))
    expect(source(page).get_by_text("The connection broke off at 8.0 MiB; going on in")).to_be_visible(timeout=30_000)
    page.unroute("**/uploads/to/*")
    page.reload()
    seen: list[str] = []
    page.on("request", lambda one: seen.append(one.headers.get("content-range", "")) if one.method == "PUT" else None)
    source(page).locator("input[type=file]").set_input_files(str(tmp_path / "data.bin"))
    expect(source(page).get_by_role("button", name="Remove: data.bin")).to_be_visible(timeout=30_000)
    assert seen == [f"bytes 8388608-{len(body) - 1}/{len(body)}"]
    assert uploads.path_of(Upload.objects.get()).read_bytes() == body


def test_an_empty_file_and_one_that_is_too_large(visit: Visit, owner: User, tmp_path: Path, settings: Any) -> None:
    settings.UPLOAD_LIMIT_MIB = 1
    (tmp_path / "none.txt").write_bytes(b"")
    (tmp_path / "large.txt").write_bytes(b"x" * (2**20 + 1))
    page = visit(owner, at(source={"kind": "file"}))
    part = source(page)
    part.locator("input[type=file]").set_input_files([str(tmp_path / "none.txt"), str(tmp_path / "large.txt")])
    expect(part.get_by_text("This file has 1.0 MiB; at most 1.0 MiB are allowed.")).to_be_visible()
    expect(part.get_by_role("button", name="Remove: none.txt")).to_be_visible()
    part.get_by_role("button", name="Remove: none.txt").click()
    expect(part.locator("[data-sent] li")).to_have_count(0)


def test_without_scripts_every_field_is_there_and_the_kind_decides(visit: Visit, owner: User) -> None:
    page = visit(owner, at(), scripts=False)
    part = source(page)
    part.get_by_label("Source", exact=True).select_option("url")
    part.get_by_label("Addresses").fill("https://example.org/a.csv")
    expect(part.get_by_label("Bucket")).to_be_visible()
    expect(part.get_by_role("button", name="Test the source")).to_be_hidden()
    assert sent(page)["source"] == {"kind": "url", "urls": ["https://example.org/a.csv"]}


@pytest.mark.parametrize(
    ("kind", "width"), [("url", 390), ("file", 390), ("vault", 390), ("s3", 390), ("s3", 820), ("s3", 1440)]
)
def test_every_kind_fits_its_page(visit: Visit, owner: User, kind: str, width: int) -> None:
    vaults.create_vault(name="home", owner=owner)
    Secret.objects.create(user=owner, name="lake", kind="keys", sealed=sealing.seal("{}"))
    upload = uploads.receive(owner=owner, name=LONG, chunks=[b"x"], limit_bytes=10)
    kinds: dict[str, dict[str, Any]] = {
        "url": {"urls": [f"https://example.org/{LONG}", "ftp://x"]},
        "file": {"uploads": [str(upload.pk), "00000000-0000-4000-8000-000000000000"]},
        "vault": {"vault": "gone", "paths": ["a//b", LONG]},
        "s3": {"bucket": "s3://x", "endpoint": "http://10.0.0.1", "access_key": "x" * 60, "paths": ["*/x"]},
    }
    page = visit(
        owner,
        at(source={"kind": kind, **kinds[kind]}, destination={"kind": "s3"}, faults="1"),
        width=width,
        dark=width == 820,
    )
    assert serious_faults(page) == []
    assert overflow_px(page) <= 0
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/ends-{kind}-{width}.png", full_page=True)
