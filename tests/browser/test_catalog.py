"""The catalog and the curate area in Chromium: live search, the import editor, publishing, by keyboard, at every width."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from apps_catalog.models import App, Version
from portal.people.models import User
from tests.apps_catalog.drafts import appdef_text, import_draft, publish_new
from tests.apps_catalog.test_hostile_words import hostile_appdef
from tests.browser.conftest import Visit, overflow_px, serious_faults
from tests.factories import make_person

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
BROKEN = '{\n  "name": "x",\n  "author": "y",\n}'


@pytest.fixture
def curator(db: None) -> User:
    return make_person("cora", is_curator=True)


def checked(page: Page, text: str) -> None:
    """The text is in the editor and what there is to say of it has come."""
    with page.expect_response("**/curate/import/check/"):
        page.get_by_label("AppDef").fill(text)


def test_the_shelf_follows_what_is_typed(visit: Visit, curator: User) -> None:
    publish_new(actor=curator, name="OpenFOAM")
    publish_new(actor=curator, name="Blender")
    page = visit(make_person("ada"), "/")
    page.get_by_role("searchbox").press_sequentially("openf", delay=30)
    expect(page.locator(".app-card")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/\?q=openf$"))
    page.get_by_role("searchbox").fill("opemfaom")
    page.get_by_role("link", name="openfoam", exact=True).click()
    page.get_by_role("link", name="OpenFOAM").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("OpenFOAM")
    page.go_back()
    expect(page.locator(".app-card")).to_have_count(1)


def test_the_catalog_works_without_scripts(visit: Visit, curator: User) -> None:
    publish_new(actor=curator, name="OpenFOAM")
    publish_new(actor=curator, name="Blender")
    page = visit(make_person("ada"), "/", scripts=False)
    page.get_by_role("searchbox").fill("blend")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".app-card")).to_have_count(1)


def test_a_definition_is_imported_and_published_by_keyboard(visit: Visit, curator: User) -> None:
    page = visit(curator, "/curate/import/")
    page.get_by_label("AppDef").focus()
    page.keyboard.insert_text(BROKEN)
    expect(page.locator("#check")).to_contain_text("Can't be imported yet")
    expect(page.locator(".editor-mark-error")).to_have_count(1)
    page.get_by_role("link", name="Line 4").press("Enter")
    assert page.evaluate("document.activeElement.id") == "id_definition"
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(appdef_text(name="By hand"))
    expect(page.locator("#check")).to_contain_text("Can be imported")
    expect(page.locator("#check")).to_contain_text("Word")  # the form that people will see
    page.get_by_role("button", name="Import as draft").press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("a draft")
    page.get_by_role("button", name="Publish").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Publish").press("Enter")
    expect(page.locator("#messages")).to_contain_text("Published")
    assert App.objects.get().published


def test_a_file_is_chosen_or_dropped(visit: Visit, curator: User, tmp_path: Path) -> None:
    raw = appdef_text(name="From a file").replace("\n", "\r\n")
    (tmp_path / "AppDef.json").write_bytes(raw.encode())
    (tmp_path / "large.json").write_bytes(b" " * (5 * 2**20))
    page = visit(curator, "/curate/import/")
    page.get_by_label("Or choose a file").set_input_files(tmp_path / "large.json")
    expect(page.locator("#editor-note")).to_contain_text("at most 4 MiB")
    page.evaluate(
        """text => {
            const dropped = new DataTransfer();
            dropped.items.add(new File([text], "AppDef.json"));
            const event = new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true });
            document.querySelector("[data-editor]").dispatchEvent(event);
        }""",
        BROKEN,
    )
    expect(page.locator("#check")).to_contain_text("Can't be imported yet")
    page.get_by_label("Or choose a file").set_input_files(tmp_path / "AppDef.json")
    expect(page.locator("#check")).to_contain_text("Can be imported")
    page.get_by_role("button", name="Import as draft").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("From a file")
    assert Version.objects.get().definition == raw


def test_the_note_says_when_a_text_is_too_long_to_be_checked_and_when_no_longer(
    visit: Visit, curator: User, tmp_path: Path
) -> None:
    page = visit(curator, "/curate/import/")
    long = tmp_path / "long.json"
    long.write_text(" " * (1024 * 1024 + 1))
    page.locator("#id_file").set_input_files(long)
    expect(page.locator("#editor-note")).to_contain_text("Too long to be checked")
    page.locator("#id_definition").fill("{}")
    expect(page.locator("#editor-note")).to_contain_text("It is checked while you write")


def test_nothing_hostile_runs_and_no_page_has_serious_faults(visit: Visit, curator: User) -> None:
    hostile = publish_new(actor=curator, text=json.dumps(hostile_appdef(), indent=1), image="")
    draft = import_draft(actor=curator, name="x" * 200)
    addresses = ["/", hostile.app.get_absolute_url(), "/curate/", hostile.get_curate_url(), draft.get_curate_url()]
    for width, dark in ((390, False), (1440, True)):
        for address in addresses:
            page = visit(curator, address, width=width, dark=dark)
            assert overflow_px(page) <= 0, address
            assert serious_faults(page) == [], address
        page = visit(curator, "/curate/import/", width=width, dark=dark)
        checked(page, hostile.definition)
        expect(page.locator("#check")).to_contain_text("Can be imported")
        assert serious_faults(page) == []
        assert overflow_px(page) <= 0


@pytest.mark.parametrize("width", [768, 820, 1024])
def test_the_menu_of_all_rooms_fits_beside_a_long_name(visit: Visit, width: int) -> None:
    person = make_person("a.very.long.name.of.somebody", is_curator=True, is_operator=True)
    page = visit(person, "/", width=width)
    expect(page.get_by_role("navigation", name="Main").get_by_role("link")).to_have_count(6)
    assert overflow_px(page) <= 0
