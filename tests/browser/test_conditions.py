"""Fields that depend on switches, in Chromium: they come and go at once, and always as the server judges."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page, expect

from apps_catalog.launch.conditions import present
from apps_catalog.launch.spec import LaunchSpec, Submission
from apps_catalog.launch.validate import validate
from jobs.models import Job
from portal.people.models import User
from tests.browser.conftest import Visit, serious_faults
from tests.factories import make_app, make_host, make_machine, make_person, make_version
from tests.jobs.conditional import MESH, commands, definition, switches
from tests.jobs.gallery import spec_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
URL = "/apps/wing/launch/"

# What the curate pages do to show the forms of a definition.
SHOW_FORMS = """async (definition) => {
  const area = document.getElementById("check");
  await htmx.ajax("POST", "/curate/form-preview/", { target: area, swap: "innerHTML", values: { definition } });
  area.querySelectorAll("details").forEach((fold) => { fold.open = true; });
}"""
# Switches are clicked as they are set, hidden ones too: they keep their setting. Back comes what is to be seen.
SET_AND_READ = """(settings) => [...document.querySelectorAll(".form-preview-command")].map((form, number) => {
  const fields = [...form.querySelectorAll("[data-field]")];
  for (const field of fields) {
    const box = field.querySelector('input[type="checkbox"]');
    if (box && box.checked !== settings[number][field.dataset.field.slice(2)]) box.click();
  }
  return fields.filter((field) => field.checkVisibility()).map((field) => field.dataset.field.slice(2));
})"""


@pytest.fixture
def ada(db: None) -> User:
    make_machine("n1", cores=2, ram_mib=4096)
    make_host("one", serves={"n1": 2})
    make_version(make_app(slug="wing", name="Wing flow"), definition=MESH, label="1")
    return make_person("ada")


def settled(page: Page) -> None:
    """Past the pause after typing, and the panel's answer is here."""
    page.wait_for_timeout(400)
    page.wait_for_load_state("networkidle")


def demanded(spec: LaunchSpec, key: str, flags: dict[str, bool]) -> set[str]:
    """What the server wants to be filled in when only the switches are set."""
    found = validate(spec, Submission(key, flags, machine="n1"))
    return {fault.pointer.removeprefix("/parameters/") for fault in found} if isinstance(found, list) else set()


def test_browser_and_server_agree_on_what_takes_part(visit: Visit, curator: User) -> None:
    page = visit(curator, "/curate/import/")
    compared = 0

    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(drawn=st.lists(commands(), min_size=6, max_size=6), seed=st.integers(0, 2**32))
    def agree(drawn: list[dict[str, Any]], seed: int) -> None:
        nonlocal compared
        chance = random.Random(seed)
        made = definition(drawn)
        spec = spec_of(made)
        page.evaluate(SHOW_FORMS, json.dumps(made))
        for _ in range(4):
            flags = [{key: chance.random() < 0.6 for key in switches(one)} for one in drawn]
            for number, seen in enumerate(page.evaluate(SET_AND_READ, flags)):
                command = spec.commands[f"c{number}"]
                there = present(command, flags[number])
                assert set(seen) == there, (drawn[number], flags[number])
                texts = {key.replace("~", "~0").replace("/", "~1") for key in there - set(switches(drawn[number]))}
                assert demanded(spec, f"c{number}", flags[number]) == texts
                compared += 1

    agree()
    assert compared >= 8 * 6 * 4


def test_fields_come_and_go_and_keep_their_values(visit: Visit, ada: User) -> None:
    page = visit(ada, URL)
    cells, levels, old = page.get_by_label("Cells"), page.locator('[name="p:-levels"]'), page.get_by_label("Earlier")
    expect(cells).to_be_hidden()
    expect(page.locator("#launch-count")).to_have_text("1 thing to fix before launching")
    expect(page.locator("[data-optional]")).to_be_hidden()
    page.get_by_label("Make a mesh").check()
    expect(cells).to_be_visible()
    page.locator("[data-optional] > summary").click()
    expect(levels).to_be_visible()
    expect(old).to_be_hidden()
    expect(page.locator("[role=status]", has_text="Shown: Cells, Refine, Levels. Hidden: Earlier mesh.")).to_have_count(
        1
    )
    cells.fill("many")
    page.get_by_label("Refine").uncheck()
    expect(levels).to_be_hidden()
    page.get_by_label("Make a mesh").uncheck()
    expect(cells).to_be_hidden()
    old.fill("old.msh")
    expect(page.locator("#panel-words")).to_have_text("/bin/echo -case wing -old old.msh")
    page.get_by_label("Make a mesh").check()
    expect(cells).to_have_value("many")
    expect(page.get_by_label("Refine")).not_to_be_checked()
    assert serious_faults(page) == []


def test_what_is_hidden_is_neither_counted_nor_sent(visit: Visit, ada: User) -> None:
    page = visit(ada, URL)
    page.get_by_label("Make a mesh").check()
    page.get_by_label("Cells").fill("many")
    page.get_by_label("Case").fill("")
    page.locator("#launch").click()
    expect(page.locator("#problems li")).to_have_count(2)
    page.get_by_label("Make a mesh").uncheck()
    page.get_by_label("Earlier").fill("old.msh")
    expect(page.locator("#problems")).to_contain_text("1 thing to fix before launching")
    expect(page.locator("#problems li:visible")).to_have_count(1)
    page.get_by_label("Case").fill("wing")
    expect(page.locator("#problems")).to_have_count(0)
    settled(page)
    page.locator("#launch").click()
    page.wait_for_url("**/jobs/*/")
    job = Job.objects.get()
    assert job.parameters == {"-case": "wing", "-mesh": False, "-old": "old.msh"}


def test_the_json_side_holds_what_is_hidden_too(visit: Visit, ada: User) -> None:
    page = visit(ada, URL)
    page.get_by_label("Make a mesh").check()
    page.get_by_label("Cells").fill("many")
    page.get_by_label("Make a mesh").uncheck()
    page.get_by_role("button", name="JSON", exact=True).click()
    box = page.get_by_role("textbox", name="Submission as JSON")
    assert json.loads(box.input_value())["parameters"] == {"-case": "wing", "-mesh": False, "-cells": "many"}
    page.get_by_role("button", name="Form", exact=True).click()
    expect(page.get_by_label("Cells")).to_be_hidden()
    page.get_by_label("Make a mesh").check()
    expect(page.get_by_label("Cells")).to_have_value("many")


def test_without_scripts_all_is_shown_with_its_condition(visit: Visit, ada: User) -> None:
    page = visit(ada, URL, scripts=False)
    expect(page.get_by_label("Cells")).to_be_visible()
    expect(page.locator('[data-field="p:-cells"]')).to_contain_text("Only when Make a mesh is on.")
    expect(page.locator('[data-field="p:-old"]')).to_contain_text("Only when Make a mesh is off.")
    page.get_by_label("Cells").fill("not judged")
    page.get_by_label("Earlier").fill("old.msh")
    page.locator("#launch").click()
    page.wait_for_url("**/jobs/*/")
    assert "-cells" not in Job.objects.get().parameters


def test_a_search_and_a_condition_hide_each_for_itself(visit: Visit, ada: User) -> None:
    one = MESH["commands"]["run"]
    more = {f"-x{n}": {**one["parameters"]["-levels"], "name": f"Extra {n}"} for n in range(14)}
    large = {**MESH, "commands": {"run": {**one, "parameters": {**one["parameters"], **more}}}}
    make_version(make_app(slug="many"), definition=large, label="1")
    page = visit(ada, "/apps/many/launch/?p.-mesh=true&p.-cells=4")
    page.locator("[data-optional] > summary").click()
    search = page.get_by_label("Search among the optional parameters")
    search.fill("extra 1")
    expect(page.locator("[data-search-count]")).to_have_text("5 of 16 shown")
    page.get_by_label("Make a mesh").uncheck()
    expect(page.locator("[data-optional]")).to_be_hidden()
    page.get_by_label("Make a mesh").check()
    expect(page.locator('[data-field="p:-x1"]')).to_be_visible()
    expect(page.locator('[data-field="p:-x2"]')).to_be_hidden()
