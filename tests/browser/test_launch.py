"""The launch page in Chromium: by hand, by keyboard alone, without scripts, at every width."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from jobs import vaults
from jobs.models import Job, Upload
from portal.people.models import User
from tests.browser.conftest import Visit, overflow_px, serious_faults
from tests.factories import make_app, make_host, make_machine, make_person, make_version
from tests.jobs.gallery import GALLERY, large

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
URL = "/apps/gallery/launch/"


@pytest.fixture
def ada(db: None) -> User:
    make_machine("n1", cores=2, ram_mib=4096, price_per_hour=Decimal("0.5"), order=1, description="Small")
    make_machine("g1", cores=4, gpus=1, requires=["gpu=a100"], order=2)
    make_host("one", serves={"n1": 2})
    make_version(make_app(slug="gallery", name=GALLERY["name"]), definition=GALLERY, label="1.4")
    return make_person("ada")


def field(page: Page, name: str) -> Locator:
    return page.locator(f'[data-field="{name}"]')


def settled(page: Page) -> None:
    """Past the pause after typing, and the panel's answer is here."""
    page.wait_for_timeout(400)
    page.wait_for_load_state("networkidle")


def unfold(page: Page) -> None:
    page.locator("[data-optional] > summary").click()


def test_the_panel_follows_what_is_typed(visit: Visit, ada: User) -> None:
    page = visit(ada, URL)
    expect(page.locator("#panel")).to_contain_text("Case name: Must be filled in.")
    page.get_by_label("Case name").fill("two words")
    expect(page.locator("#panel-words")).to_contain_text("-case 'two words'")
    expect(page.locator("#launch-count")).to_have_text("")
    expect(page.locator("#panel")).to_contain_text("0.50 per hour")
    page.locator("label", has_text="g1").click()
    expect(page.locator("#panel")).to_contain_text("No host that is up has the tag gpu=a100")


def test_only_touched_fields_complain(visit: Visit, ada: User) -> None:
    page = visit(ada, URL)
    unfold(page)
    page.get_by_label("Ratio").fill("7")
    page.get_by_label("Ratio").blur()
    expect(field(page, "p:ratio")).to_contain_text("Must be at most 1.")
    expect(page.get_by_label("Ratio")).to_have_attribute("aria-invalid", "true")
    expect(field(page, "p:-case").locator(".invalid-feedback")).to_be_empty()
    page.get_by_label("Ratio").fill("0.25")
    expect(field(page, "p:ratio").locator(".invalid-feedback")).to_be_empty()
    page.get_by_label("Case name").focus()
    page.get_by_label("Case name").blur()
    expect(field(page, "p:-case")).to_contain_text("Must be filled in.")


def test_a_complaint_that_appears_takes_no_click_away(visit: Visit, ada: User) -> None:
    page = visit(ada, URL + "?p.-case=x")
    unfold(page)
    page.get_by_label("Ratio").fill("7")
    settled(page)
    # Leaving the field makes its complaint appear, which moves all below it while the button is down.
    page.get_by_label("Verbose").uncheck()
    expect(field(page, "p:ratio")).to_contain_text("Must be at most 1.")
    expect(page.get_by_label("Verbose")).not_to_be_checked()


def test_slider_and_box_move_together(visit: Visit, ada: User) -> None:
    page = visit(ada, URL)
    slider, box = (
        page.locator("[data-slider]"),
        page.get_by_label("Darts", exact=False).and_(page.locator("[data-number]")),
    )
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(box).to_have_value("25")
    box.fill("5")
    expect(slider).to_have_value("5")
    box.fill("7")
    box.blur()
    expect(field(page, "p:darts")).to_contain_text("the nearest allowed values are 5 and 15")


def test_a_long_list_is_searched_by_keyboard(visit: Visit, ada: User) -> None:
    page = visit(ada, URL + "?p.-case=x")
    unfold(page)
    box = page.get_by_role("combobox", name="Many")
    box.focus()
    page.keyboard.type("37")
    expect(page.get_by_role("option", name="entry 37")).to_be_visible()
    page.keyboard.press("Enter")
    expect(box).to_have_value("entry 37")
    expect(page.locator("#panel-words")).to_contain_text("'entry 37'")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    expect(box).to_have_value("entry 37")
    expect(box).to_have_attribute("aria-expanded", "false")


def test_faults_are_counted_and_lead_to_their_fields(visit: Visit, ada: User) -> None:
    page = visit(ada, URL)
    unfold(page)
    page.get_by_label("Ratio").fill("7")
    page.locator("#launch").click()
    expect(page.locator("#problems")).to_contain_text("2 things to fix before launching")
    expect(page.get_by_label("Case name")).to_be_focused()
    page.locator("[data-optional] > summary").click()
    page.locator("#problems").get_by_role("link", name="Ratio").click()
    expect(page.get_by_label("Ratio")).to_be_focused()
    expect(page.get_by_label("Ratio")).to_have_value("7")
    assert Job.objects.count() == 0


def test_form_and_json_edit_the_same_state(visit: Visit, ada: User) -> None:
    page = visit(ada, URL + "?p.-case=x")
    page.get_by_role("button", name="JSON", exact=True).click()
    box = page.get_by_role("textbox", name="Submission as JSON")
    body = json.loads(box.input_value())
    assert body["parameters"]['a "key" <i>'] == "x"
    box.fill(json.dumps({**body, "parameters": {**body["parameters"], "-case": "from json"}})[:-1])
    expect(page.locator("#panel")).to_contain_text("Line 1, column")
    box.blur()
    expect(page.locator("#json-error")).to_contain_text("Line 1, column")
    expect(box).to_have_attribute("aria-invalid", "true")
    box.fill(json.dumps({**body, "parameters": {**body["parameters"], "-case": "from json"}}))
    expect(page.locator("#panel-words")).to_contain_text("'from json'")
    page.get_by_role("button", name="Form", exact=True).click()
    expect(page.get_by_label("Case name")).to_have_value("from json")


def test_a_double_click_launches_once(visit: Visit, ada: User) -> None:
    page = visit(ada, URL + "?p.-case=x")
    page.locator("#launch").dblclick()
    page.wait_for_url(re.compile(r"/jobs/\d+/"))
    page.reload()
    page.go_back()
    page.wait_for_load_state("networkidle")
    assert Job.objects.count() == 1


def test_launching_by_keyboard_alone(visit: Visit, ada: User) -> None:
    page = visit(ada, URL)
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "p:-case":
            break
    page.keyboard.type("typed")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "launch":
            break
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/jobs/\d+/"))
    job = Job.objects.get()
    assert job.parameters["-case"] == "typed"
    assert job.parameters["darts"] == 25


def test_a_file_is_picked_from_the_vault_and_another_is_uploaded(visit: Visit, ada: User, tmp_path: Path) -> None:
    vault = vaults.default_vault(ada)
    for name in ("data.csv", "other.bin"):
        vaults.save_file(vault, name, [b"1,2"])
    page = visit(ada, URL + "?p.-case=x")
    unfold(page)
    page.get_by_role("button", name="Choose Input in the vault").click()
    expect(page.get_by_role("option", name="data.csv")).to_be_visible()
    expect(page.get_by_role("option", name="other.bin")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.locator('[name="p:input"]')).to_have_value("data.csv")
    expect(page.locator("#panel-words")).to_contain_text("/data/data.csv")
    key = tmp_path / "key.json"
    key.write_text("{}")
    page.locator('input[type="file"]').set_input_files(key)
    expect(page.locator("#panel-files")).to_contain_text("/opt/in/key.json")
    page.locator("#launch").click()
    page.wait_for_url(re.compile(r"/jobs/\d+/"))
    job = Job.objects.get()
    assert job.parameters["input"] == "data.csv"
    assert job.uploads.get().name == "key.json"


def test_many_parameters_can_be_searched(visit: Visit, ada: User) -> None:
    make_version(make_app(slug="large"), definition=large(229), label="1")
    page = visit(ada, "/apps/large/launch/")
    unfold(page)
    page.get_by_label("Search among the optional parameters").fill("parameter 17")
    expect(page.locator("[data-search-count]")).to_have_text("13 of 229 shown")
    expect(field(page, "p:-p17")).to_be_visible()
    expect(field(page, "p:-p18")).to_be_hidden()


def test_it_works_without_scripts(visit: Visit, ada: User, tmp_path: Path) -> None:
    page = visit(ada, URL, scripts=False)
    unfold(page)
    page.get_by_label("Case name").fill("plain")
    page.locator('[name="p:darts"]').fill("25")
    page.locator('[name="p:many"]').select_option(label="entry 9")
    key = tmp_path / "key.json"
    key.write_text("{}")
    page.locator('input[type="file"]').set_input_files(key)
    page.locator("#launch").click()
    page.wait_for_url(re.compile(r"/jobs/\d+/"))
    job = Job.objects.get()
    assert (job.parameters["-case"], job.parameters["darts"], job.parameters["many"]) == ("plain", 25, "entry 9")
    assert job.uploads.get() == Upload.objects.get(name="key.json")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 820, 1440])
def test_the_page_is_accessible_with_errors_on_it(visit: Visit, ada: User, width: int, dark: bool) -> None:
    page = visit(ada, URL, width=width, dark=dark)
    assert serious_faults(page) == []
    unfold(page)
    page.get_by_label("Ratio").fill("7")
    page.locator("#launch").click()
    expect(page.locator("#problems")).to_be_visible()
    for fold in page.locator("details:not([open]) > summary").all():
        if fold.is_visible():
            fold.click()
    assert serious_faults(page) == []
    assert overflow_px(page) <= 0
    page.get_by_role("button", name="JSON", exact=True).click()
    assert serious_faults(page) == []
    assert overflow_px(page) <= 0
