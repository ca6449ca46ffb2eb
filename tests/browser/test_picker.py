"""The picker over a folder of ten thousand files: a page of rows at a time, right answers, and all of it by keyboard."""

from __future__ import annotations

import copy
import os
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from jobs import vaults
from jobs.views.files import PICKED
from tests.browser.conftest import Visit, overflow_px, serious_faults
from tests.browser.test_files import PROGRAM
from tests.factories import make_app, make_host, make_machine, make_person, make_version

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
FILES = 10_000


@pytest.fixture
def opened(visit: Visit) -> Page:
    """The picker of a FILE field, open on the folder."""
    ada = make_person("ada")
    home = vaults.create_vault(name="home", owner=ada)
    root = vaults.root_of(home)
    for number in range(FILES):
        (root / f"case-{number:05}.c").touch()
    for number in range(300):
        (root / f"note-{number:03}.md").touch()
    (root / "case-04242.c").write_bytes(b"x" * 5000)
    os.utime(root / "case-00077.c", (2_000_000_000, 2_000_000_000))
    make_machine("n1")
    make_host("one")
    definition: dict[str, Any] = copy.deepcopy(PROGRAM)
    del definition["commands"]["read"]["parameters"]["-notes"]
    make_version(make_app(slug="reader", name="Reader"), definition=definition)
    page = visit(ada, "/apps/reader/launch/")
    page.get_by_role("button", name="Choose Source in the vault").press("Enter")
    expect(rows(page).first).to_be_visible()
    return page


def rows(page: Page) -> Locator:
    return page.locator(".picker-list > li")


def note(page: Page) -> Locator:
    return page.locator("[data-note]")


def chosen(page: Page) -> Locator:
    return page.locator('.picker-list > li[aria-selected="true"]')


def test_ten_thousand_files_are_never_all_in_the_page_and_come_as_one_goes_down(opened: Page) -> None:
    assert rows(opened).count() == PICKED
    expect(note(opened)).to_contain_text("The first 200 of 10,000.")
    assert serious_faults(opened) == []
    opened.locator(".picker-list").evaluate("list => list.scrollTo(0, list.scrollHeight)")
    expect(rows(opened)).to_have_count(2 * PICKED)
    expect(note(opened)).to_contain_text("The first 400 of 10,000.")
    expect(rows(opened).last).to_contain_text("case-00399.c")
    ids = rows(opened).evaluate_all("found => found.map(one => one.id)")
    assert len(set(ids)) == len(ids)


def test_typing_finds_among_all_and_sorting_orders_all(opened: Page) -> None:
    opened.keyboard.type("0999")
    expect(rows(opened)).to_have_count(11)  # case-00999, and case-09990 to case-09999
    expect(rows(opened).first).to_contain_text("case-00999.c")
    opened.keyboard.press("Control+a")
    opened.keyboard.press("Delete")
    expect(rows(opened)).to_have_count(PICKED)
    opened.get_by_label("Sort by").select_option("-size")
    expect(rows(opened).first).to_contain_text("case-04242.c")
    opened.get_by_label("Sort by").select_option("-time")
    expect(rows(opened).first).to_contain_text("case-00077.c")
    assert rows(opened).count() == PICKED
    opened.get_by_label("Search in this folder").fill("note")
    expect(note(opened)).to_contain_text("Nothing of that name is here.")  # the author's wildcards leave them out


def test_the_arrow_keys_go_past_the_first_page_to_a_file_that_is_chosen(opened: Page) -> None:
    for _ in range(20):
        opened.keyboard.press("PageDown")
    expect(rows(opened)).to_have_count(2 * PICKED)
    expect(chosen(opened)).to_contain_text("case-00200.c")
    opened.keyboard.press("ArrowDown")
    opened.keyboard.press("ArrowUp")
    opened.keyboard.press("ArrowDown")
    expect(chosen(opened)).to_contain_text("case-00201.c")
    opened.keyboard.press("Enter")
    expect(opened.get_by_role("dialog")).to_have_count(0)
    expect(opened.locator("[data-path]")).to_have_value("case-00201.c")


def test_on_a_phone_it_is_no_wider_than_the_screen(opened: Page) -> None:
    opened.set_viewport_size({"width": 390, "height": 800})
    assert overflow_px(opened) == 0
    assert rows(opened).count() == PICKED
