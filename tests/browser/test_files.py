"""The file pages, the upload box and the picker in Chromium: by hand, by keyboard, without scripts, at every width."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from jobs import vaults
from jobs.models import Upload, Vault
from portal.people.models import User
from tests.browser.conftest import Visit, overflow_px, serious_faults
from tests.factories import make_app, make_host, make_machine, make_person, make_version

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
HOME = "/files/home/"
PROGRAM = {
    "name": "Reader",
    "author": "Slipway",
    "description": "Reads files.",
    "machines": ["n*"],
    "vault-types": ["FILE"],
    "commands": {
        "read": {
            "path": "/usr/bin/wc",
            "name": "Read",
            "description": "Reads.",
            "parameters": {
                "source": {
                    "name": "Source",
                    "description": "A program.",
                    "type": "FILE",
                    "filter": "*.c|*.py",
                    "required": True,
                    "positional": True,
                },
                "-notes": {
                    "name": "Notes",
                    "description": "What to note.",
                    "type": "UPLOAD",
                    "target": "notes.txt",
                    "filter": ".txt",
                    "size": 1000,
                    "required": True,
                },
            },
        }
    },
}


@pytest.fixture
def ada(db: None) -> User:
    return make_person("ada")


@pytest.fixture
def vault(ada: User) -> Vault:
    home = vaults.create_vault(name="home", owner=ada)
    vaults.make_folder(home, "run")
    for path in ("run/main.c", "run/notes.md", "a.py", "z.PY", "<img src=x onerror=alert(1)>.c", "n" * 250 + ".py"):
        vaults.save_file(home, path, [path.encode()])
    return home


def names(vault: Vault, path: str = "") -> set[str]:
    return {entry.name for entry in vaults.list_folder(vault, path).entries}


def a_file(folder: Path, name: str, content: bytes = b"content") -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


def test_several_files_arrive_with_progress_and_a_taken_name_can_be_replaced(
    visit: Visit, ada: User, vault: Vault, tmp_path: Path
) -> None:
    page = visit(ada, HOME)
    page.get_by_label("Upload files here").set_input_files(
        [a_file(tmp_path, "large.bin", b"x" * 3_000_000), a_file(tmp_path, "\u00fcn\u00ef <b>.txt")]
    )
    expect(page.get_by_role("link", name="large.bin")).to_be_visible()
    assert {"large.bin", "\u00fcn\u00ef <b>.txt"} <= names(vault)
    page.get_by_label("Upload files here").set_input_files([a_file(tmp_path, "a.py", b"new")])
    expect(page.get_by_role("status").filter(has_text="is there already")).to_be_visible()
    page.get_by_role("button", name="Replace: a.py").click()
    expect(page.get_by_label("Uploads")).to_be_hidden()
    with vaults.open_file(vault, "a.py") as file:
        assert file.read() == b"new"


def test_an_upload_that_loses_its_connection_can_be_tried_again(
    visit: Visit, ada: User, vault: Vault, tmp_path: Path
) -> None:
    page = visit(ada, HOME)
    page.route("**/upload/**", lambda route: route.fulfill(status=429, body=""), times=1)
    page.get_by_label("Upload files here").set_input_files([a_file(tmp_path, "b.txt")])
    page.get_by_role("button", name="Try again: b.txt").click()
    expect(page.get_by_role("link", name="b.txt")).to_be_visible()
    assert "b.txt" in names(vault)


def test_files_are_renamed_moved_and_deleted_by_keyboard(visit: Visit, ada: User, vault: Vault) -> None:
    page = visit(ada, HOME)
    page.get_by_label("Choose a.py").press("Space")
    page.get_by_role("button", name="Rename").press("Enter")
    page.get_by_label("New name of a.py").fill("b.py")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="b.py", exact=True)).to_be_visible()
    page.get_by_label("Choose b.py").press("Space")
    page.get_by_role("button", name="Move").press("Enter")
    page.get_by_label("Folder to move to").fill("run")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 thing was moved.")).to_be_visible()
    assert names(vault, "run") == {"main.c", "notes.md", "b.py"}
    page.get_by_label("Choose run").press("Space")
    delete = page.get_by_role("button", name="Delete")
    delete.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("can't be undone")
    page.keyboard.press("Escape")
    expect(delete).to_be_focused()
    delete.press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Delete").press("Enter")
    expect(page.get_by_text("1 thing was deleted.")).to_be_visible()
    assert "run" not in names(vault)


def test_all_of_it_works_without_scripts(visit: Visit, ada: User, vault: Vault, tmp_path: Path) -> None:
    page = visit(ada, HOME, scripts=False)
    page.get_by_label("Upload files here").set_input_files([a_file(tmp_path, "c.txt")])
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_text("1 file arrived.")).to_be_visible()
    page.get_by_label("Name of a new folder").fill("made")
    page.get_by_role("button", name="Make folder").click()
    expect(page.get_by_role("link", name="made")).to_be_visible()
    page.get_by_label("Choose c.txt").check()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("1 thing was deleted.")).to_be_visible()
    assert "c.txt" not in names(vault)


def test_a_download_keeps_its_name(visit: Visit, ada: User, vault: Vault) -> None:
    page = visit(ada, HOME)
    with page.expect_download() as download:
        page.get_by_role("link", name="<img src=x").click()
    assert "img src=x" in download.value.suggested_filename


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 820, 1440])
def test_the_pages_fit_and_are_accessible(visit: Visit, ada: User, vault: Vault, width: int, dark: bool) -> None:
    vaults.create_vault(name="empty", owner=ada)
    page = visit(ada, "/files/", width=width, dark=dark)
    origin = page.url.removesuffix("/files/")
    for path in ("/files/", HOME, "/files/empty/", "/files/home/?search=nothing"):
        page.goto(origin + path)
        assert serious_faults(page) == []
        assert overflow_px(page) <= 0


# The picker and the upload box on the launch page


@pytest.fixture
def launch(visit: Visit, ada: User, vault: Vault) -> Page:
    make_machine("n1")
    make_host("one")
    make_version(make_app(slug="reader", name="Reader"), definition=PROGRAM)
    return visit(ada, "/apps/reader/launch/")


def test_a_file_is_picked_by_keyboard_alone(launch: Page) -> None:
    button = launch.get_by_role("button", name="Choose Source in the vault")
    button.press("Enter")
    dialog = launch.get_by_role("dialog")
    options = dialog.get_by_role("listbox")
    expect(options.get_by_role("option").first).to_be_visible()
    listed = options.get_by_role("option").all_inner_texts()
    assert len(listed) == 4
    assert not any("z.PY" in one for one in listed)
    assert serious_faults(launch) == []
    launch.keyboard.type("run")
    launch.keyboard.press("Enter")
    expect(options.get_by_role("option", name="main.c")).to_have_attribute("aria-selected", "true")
    launch.keyboard.press("Backspace")
    expect(options.get_by_role("option", name="a.py", exact=False).first).to_be_visible()
    launch.keyboard.type("run")
    launch.keyboard.press("Enter")
    expect(options.get_by_role("option", name="main.c")).to_be_visible()
    launch.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(launch.locator("input[data-path]")).to_have_value("run/main.c")
    expect(button).to_be_focused()


def test_escape_leaves_the_path_as_it_was(launch: Page) -> None:
    launch.locator("input[data-path]").fill("a.py")
    button = launch.get_by_role("button", name="Choose Source in the vault")
    button.click()
    expect(launch.get_by_role("listbox").get_by_role("option", name="a.py").first).to_have_attribute(
        "aria-selected", "true"
    )
    launch.keyboard.press("Escape")
    expect(launch.get_by_role("dialog")).to_have_count(0)
    expect(launch.locator("input[data-path]")).to_have_value("a.py")
    expect(button).to_be_focused()


def test_a_file_for_a_parameter_is_checked_before_it_is_sent(launch: Page, ada: User, tmp_path: Path) -> None:
    box = launch.locator("[data-upload]")
    chooser = box.locator("input[type=file]")
    chooser.set_input_files(a_file(tmp_path, "notes.exe"))
    expect(box).to_contain_text("does not end in .txt")
    chooser.set_input_files(a_file(tmp_path, "notes.txt", b"x" * 1001))
    expect(box).to_contain_text("at most 1000 B are allowed")
    assert not Upload.objects.exists()
    chooser.set_input_files(a_file(tmp_path, "notes.txt", b"fine"))
    expect(box).to_contain_text("Uploaded, 4 B")
    expect(box.locator("[data-upload-id]")).to_have_value(re.compile(r"^[0-9a-f-]{36}$"))
    assert Upload.objects.get().owner == ada
    assert serious_faults(launch) == []
    box.get_by_role("button", name="Remove: notes.txt").click()
    expect(box.locator("[data-upload-id]")).to_have_value("")
