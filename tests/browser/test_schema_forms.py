"""Forms of JSON Schemas in Chromium: each feature filled in by hand and launched, every real schema typed into."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from jobs.models import Job
from portal.people.models import User
from tests.apps_catalog.launch.json_schema.schemas import PROBES, corpus, there
from tests.browser.conftest import Visit, overflow_px, serious_faults
from tests.browser.typing_schemas import BLANK, UNLABELLED, Typist, type_into_all
from tests.factories import make_host, make_machine, make_person
from tests.jobs.schema_apps import make_schema_app

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
TRY = "/curate/schema/"
PICKS = {"alternatives": {"/target": "File", "/either": "Text", "": "By number"}}
BY_NAME = {sample.name: sample for sample in PROBES}


@pytest.fixture
def ada(db: None) -> User:
    make_machine("n1")
    make_host("one", serves={"n1": 4})
    return make_person("ada", is_curator=True)


def paste(page: Page, text: str) -> None:
    """As a file that is dropped: a page of text typed key by key would be no better a test."""
    page.evaluate("document.querySelector('[data-schema-form]')?.setAttribute('data-before', '')")
    page.evaluate(
        """text => { const area = document.getElementById("id_definition"); area.value = text;
          area.dispatchEvent(new CustomEvent("slipway:filled")); }""",
        text,
    )
    page.locator("[data-schema-form]:not([data-before])").wait_for()
    page.wait_for_load_state("networkidle")


def settled(page: Page) -> None:
    """Past the pause after typing, and every answer is here."""
    page.wait_for_timeout(450)
    page.wait_for_load_state("networkidle")
    expect(page.locator(".htmx-request")).to_have_count(0)


def test_each_feature_is_filled_in_by_hand_and_launched(visit: Visit, ada: User) -> None:
    """The 15 probes on the launch page: what was typed is what the job has."""
    for sample in PROBES:
        make_schema_app(json.loads(sample.text), slug=sample.name)
    page = visit(ada, "/")
    root = page.url.rstrip("/")
    wrong: dict[str, Any] = {}
    for sample in PROBES:
        page.goto(f"{root}/apps/{sample.name}/launch/", wait_until="networkidle")
        Typist(page, PICKS.get(sample.name, {}), "app").whole(sample.filling)
        settled(page)
        page.get_by_role("button", name="Launch", exact=True).click()
        page.wait_for_load_state("networkidle")
        job = Job.objects.order_by("-number").first()
        if "/jobs/" not in page.url or job is None or job.parameters != {"app": sample.filling}:
            wrong[sample.name] = (
                job.parameters if job and "/jobs/" in page.url else page.locator("#problems").text_content()
            )
    assert wrong == {}


def test_every_real_schema_gives_a_form_that_can_be_typed_into(visit: Visit, ada: User) -> None:
    """No blank part, every input with a label, and the page's verdict on what was typed is jsonschema's."""
    page = visit(ada, TRY)
    wrong: dict[str, Any] = {}
    for parameter in corpus():
        sample = there(parameter.values[0])
        page.goto(page.url.split("?")[0], wait_until="networkidle")
        paste(page, sample.text)
        Typist(page, {}).open_folds()
        found = {"blank": page.evaluate(BLANK), "unlabelled": page.evaluate(UNLABELLED)}
        typed = type_into_all(page)
        settled(page)
        shown = page.locator("#instance").text_content() or ""
        instance = json.loads(shown) if shown.startswith(("{", "[")) else None
        said_valid = page.locator(".try-verdict.is-good").count() == 1
        found["verdict"] = said_valid != (instance is not None and sample.schema.validator.is_valid(instance))
        found["typed"] = typed == 0 and page.locator("[data-schema-form] :is(select, button[data-act])").count() == 0
        if any(found.values()):
            wrong[sample.name] = found
    assert wrong == {}


def test_conditions_come_and_go_while_one_types(visit: Visit, ada: User) -> None:
    page = visit(ada, TRY)
    paste(page, BY_NAME["conditions"].text)
    food, water = page.locator('[data-when="/@0"]'), page.locator('[data-when="/@1"]')
    expect(water).to_be_visible()
    page.get_by_label("cat").check()
    expect(food).to_be_visible()
    expect(water).to_be_hidden()
    page.get_by_label("milk").check()
    page.get_by_label("fish").check()
    expect(food).to_be_hidden()
    page.get_by_label("cat").check()
    expect(page.get_by_label("milk")).to_be_checked()  # what is hidden is kept
    expect(page.locator("#instance")).to_contain_text('"food": "milk"')


def test_a_field_becomes_required_when_another_is_filled_in(visit: Visit, ada: User) -> None:
    page = visit(ada, TRY)
    paste(page, BY_NAME["dependencies"].text)
    label = page.locator('[data-node="/bill"] .form-label')
    expect(label).not_to_have_class("form-label required")
    page.get_by_label("card").fill("1")
    expect(label).to_have_class("form-label required")
    expect(page.locator("#panel")).to_contain_text("bill: Must be filled in")


def test_rows_are_added_moved_and_removed_by_keyboard(visit: Visit, ada: User) -> None:
    page = visit(ada, TRY)
    paste(page, BY_NAME["lists"].text)
    add = page.locator('button[value="schema:add:/words"]')
    add.focus()
    page.keyboard.press("Enter")
    expect(page.locator('[id="f/words/*0"]')).to_be_focused()
    page.keyboard.type("one")
    add.focus()
    page.keyboard.press("Enter")
    expect(page.locator('[id="f/words/*1"]')).to_be_focused()
    page.keyboard.type("two")
    page.get_by_role("button", name="Move Item 2 up").press("Enter")
    expect(page.get_by_role("button", name="Move Item 1 down")).to_be_focused()
    expect(page.locator('[id="f/words/*0"]')).to_have_value("two")
    page.get_by_role("button", name="Remove Item 2").press("Enter")
    expect(page.get_by_role("button", name="Remove Item 1")).to_be_focused()
    expect(page.locator("#instance")).to_contain_text('"two"')
    expect(page.locator("#instance")).not_to_contain_text('"one"')
    page.get_by_role("button", name="Remove Item 1").press("Enter")
    expect(add).to_be_focused()


def test_slider_and_box_move_together(visit: Visit, ada: User) -> None:
    page = visit(ada, TRY)
    paste(page, BY_NAME["numbers"].text)
    slider, box = page.locator('[data-node="/steps"] [data-slider]'), page.locator('[id="f/steps"]')
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(box).to_have_value("10")
    box.fill("95")
    expect(slider).to_have_js_property("value", "95")
    expect(page.locator("#instance")).to_contain_text('"steps": 95')


def test_faults_stand_at_touched_fields_and_lead_to_them(visit: Visit, ada: User) -> None:
    page = visit(ada, TRY)
    paste(page, BY_NAME["texts"].text)
    place = page.locator('[data-node="/code"]')
    expect(place.locator(".invalid-feedback")).to_be_empty()
    page.get_by_label("code").fill("nope")
    page.get_by_label("code").blur()
    expect(place).to_contain_text("Must match the pattern")
    page.locator("#panel [data-goto]").first.click()
    expect(page.get_by_label("code")).to_be_focused()
    page.get_by_label("code").fill("ABC-1")
    expect(place.locator(".invalid-feedback")).to_be_empty()
    expect(page.locator(".try-verdict")).to_have_text("Valid")


def test_many_fields_can_be_searched(visit: Visit, ada: User) -> None:
    many = {
        "allOf": [
            {"title": f"Part {n}", "properties": {f"key{n}{m}": {"type": "string"} for m in range(8)}} for n in range(4)
        ]
    }
    page = visit(ada, TRY)
    paste(page, json.dumps(many))
    page.get_by_label("Search among the fields").fill("key25")
    expect(page.locator("[data-search-count]")).to_have_text("1 of 32 shown")
    expect(page.get_by_label("key25")).to_be_visible()
    expect(page.get_by_text("Part 1")).to_be_hidden()
    page.get_by_label("Search among the fields").fill("")
    expect(page.get_by_text("Part 1")).to_be_visible()


def test_a_bad_schema_shows_the_line_and_the_form_comes_back(visit: Visit, ada: User) -> None:
    page = visit(ada, TRY)
    paste(page, BY_NAME["texts"].text)
    page.get_by_label("code").fill("ABC-1")
    page.locator("#id_definition").fill('{\n"properties": {"code": {"type": "strin"}}\n}')
    expect(page.locator("#check")).to_contain_text("Can't be used yet")
    expect(page.locator("#check [data-finding-line]")).to_have_text("Line 2")
    page.locator("#id_definition").fill('{"properties": {"code": {"type": "string", "title": "The code"}}}')
    expect(page.get_by_label("The code")).to_be_visible()


@pytest.mark.parametrize(("width", "dark"), [(390, False), (820, True), (1440, False)])
def test_pages_fit_and_can_be_read(visit: Visit, ada: User, width: int, dark: bool) -> None:
    page = visit(ada, TRY, width=width, dark=dark)
    for name in ("groups", "lists", "alternatives"):
        paste(page, BY_NAME[name].text)
        Typist(page, {}).open_folds()
        for add in page.locator('button[value^="schema:add:"]').all()[:2]:
            add.click()
            settled(page)
        assert overflow_px(page) <= 0, name
    assert serious_faults(page) == []


def test_without_scripts_plain_fields_still_work(visit: Visit, ada: User) -> None:
    make_schema_app(json.loads(BY_NAME["lists"].text), slug="lists")
    page = visit(ada, "/apps/lists/launch/", scripts=False)
    page.locator('button[value="schema:add:app/words"]').click()
    page.locator('[id="fapp/words/*0"]').fill("plain")
    page.get_by_role("button", name="Launch", exact=True).click()
    page.wait_for_load_state()
    assert Job.objects.get().parameters == {"app": {"words": ["plain"]}}


def test_a_fault_of_a_group_leads_to_the_group_and_marks_no_field_in_it(visit: Visit, ada: User) -> None:
    tags = {"title": "Tags", "type": "array", "items": {"type": "string"}, "minItems": 2, "default": ["a"]}
    make_schema_app({"type": "object", "properties": {"tags": tags}})
    page = visit(ada, "/apps/pipeline/launch/")
    page.get_by_role("button", name="Launch", exact=True).click()
    page.locator("#problems").get_by_role("link", name="Tags").click()
    expect(page.locator("fieldset.sf-set")).to_be_focused()
    item = page.get_by_label("Item 1", exact=True)
    assert item.evaluate("it => getComputedStyle(it).borderColor") == page.locator("#name").evaluate(
        "it => getComputedStyle(it).borderColor"
    )
