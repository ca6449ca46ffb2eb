"""The scale slider in Chromium: cores and nodes, limits by machine type, and that browser and server say the same."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from jobs.forms.machines import MachineRow, rows
from jobs.forms.scale import cost_words, share_words, size_words
from jobs.placement import machine_states
from portal.people.models import User
from tests.browser.conftest import Visit, overflow_px, serious_faults
from tests.factories import DEFINITION, make_app, make_host, make_machine, make_person, make_version

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
URL = "/apps/wing/launch/"


@pytest.fixture
def ada(db: None, settings: Any) -> User:
    settings.PRICE_UNIT = "EUR"
    make_machine("n4", cores=8, ram_mib=32768, price_per_hour=Decimal("0.125"), order=1, aliases=["n3"], nodes_max=4)
    make_machine(
        "ng4",
        cores=16,
        ram_mib=131_072,
        gpus=2,
        slave_ram_mib=65_537,
        slave_gpus=1,
        price_per_hour=Decimal("1.3333"),
        order=2,
        nodes_max=12,
    )
    make_machine("n1", cores=2, ram_mib=4096, order=3)
    make_host("one", serves={"n4": 4, "ng4": 1, "n1": 1})
    make_version(make_app(slug="wing", name="Wing flow"), definition={**DEFINITION, "machines": ["n*"]}, label="1")
    nodes = {**DEFINITION, "hints": ["SCALE_NODES"], "scale_max": 3}
    make_version(make_app(slug="nodes"), definition=nodes, label="1")
    return make_person("ada")


def choose(page: Page, machine: str) -> None:
    page.locator(f'input[name="machine"][value="{machine}"]').check()


def sent(page: Page) -> str:
    """How many nodes the form would send."""
    found: str = page.evaluate("new FormData(document.getElementById('launch-form')).get('nodes')")
    return found


def test_the_slider_counts_cores_and_sends_nodes(visit: Visit, ada: User) -> None:
    page = visit(ada, URL)
    slider, box = page.locator("[data-scale-slider]"), page.get_by_label("cores", exact=True)
    expect(page.get_by_label("nodes", exact=True)).to_be_hidden()
    expect(box).to_have_value("8")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(box).to_have_value("16")
    expect(slider).to_have_attribute("aria-valuetext", "16 cores")
    assert sent(page) == "2"
    expect(page.locator("[data-scale-size]")).to_have_text("2 nodes, 16 cores, 64 GiB RAM, 0 GPUs")
    expect(page.locator("[data-scale-cost]")).to_have_text("0.25 EUR per hour for all")
    box.fill("17")
    assert sent(page) == "3"
    box.blur()
    expect(box).to_have_value("24")
    box.fill("many")
    expect(page.locator("#panel")).to_contain_text("Nodes: Write a whole number of nodes")
    box.blur()
    expect(page.locator("#nodes-error")).to_contain_text("Write a whole number of nodes")
    assert serious_faults(page) == []


def test_another_machine_type_has_other_limits(visit: Visit, ada: User) -> None:
    page = visit(ada, URL + "?nodes=4")
    slider = page.locator("[data-scale-slider]")
    expect(page.locator("[data-scale-why]")).to_have_text("at most 4 nodes of n4")
    choose(page, "ng4")
    expect(slider).to_have_attribute("max", "12")
    expect(page.get_by_label("cores", exact=True)).to_have_value("64")
    expect(page.locator("[data-scale-shares]")).to_have_text(
        "The first node has 128 GiB RAM and 2 GPUs, each other 64 GiB RAM and 1 GPU."
    )
    choose(page, "n1")
    assert sent(page) == "1"
    expect(slider).to_be_hidden()
    expect(page.locator("[data-scale-size]")).to_have_text("1 node, 2 cores, 4.0 GiB RAM, 0 GPUs")
    expect(page.locator("[data-scale-cost]")).to_have_text("free of charge")
    choose(page, "n4")
    assert sent(page) == "4"
    expect(slider).to_be_visible()


def test_an_app_may_count_nodes_and_say_how_many(visit: Visit, ada: User) -> None:
    page = visit(ada, "/apps/nodes/launch/")
    slider, box = page.locator("[data-scale-slider]"), page.get_by_label("nodes", exact=True)
    expect(page.locator("[data-scale-why]")).to_have_text("at most 3 nodes: the app says so")
    expect(slider).to_have_attribute("max", "3")
    slider.focus()
    page.keyboard.press("End")
    expect(box).to_have_value("3")
    box.fill("9")
    expect(page.locator("#panel")).to_contain_text("Nodes: Must be at most 3")
    page.locator("#launch").click()
    expect(page.locator("#problems")).to_contain_text("Nodes")
    expect(box).to_be_focused()
    expect(page.locator("#nodes-error")).to_contain_text("Must be at most 3")
    page.locator("#problems").get_by_role("link", name="Nodes").click()
    expect(box).to_be_focused()


def test_browser_and_server_say_the_same_of_every_size(visit: Visit, ada: User) -> None:
    page = visit(ada, URL)
    table: tuple[MachineRow, ...] = rows(machine_states(), "n4")
    box = page.locator("#nodes")
    for row in table:
        choose(page, row.name)
        for nodes in (1, 2, 3, row.nodes_most):
            # The box is out of sight while cores are counted; what it holds counts all the same.
            box.evaluate("(box, value) => { box.value = value; box.dispatchEvent(new Event('input')); }", str(nodes))
            expect(page.locator("[data-scale-size]")).to_have_text(size_words(row, nodes))
            expect(page.locator("[data-scale-shares]")).to_have_text(share_words(row, nodes))
            expect(page.locator("[data-scale-cost]")).to_have_text(cost_words(row.price_per_hour, nodes))


def test_without_scripts_nodes_are_a_number(visit: Visit, ada: User) -> None:
    page = visit(ada, URL + "?nodes=2", scripts=False)
    expect(page.get_by_label("nodes", exact=True)).to_have_value("2")
    expect(page.get_by_label("cores", exact=True)).to_be_hidden()
    expect(page.locator("[data-scale-slider]")).to_be_hidden()
    expect(page.locator("#scale")).to_contain_text("2 nodes, 16 cores, 64 GiB RAM, 0 GPUs")


@pytest.mark.parametrize("width", [390, 1440])
def test_the_section_fits_and_is_accessible(visit: Visit, ada: User, width: int) -> None:
    page = visit(ada, URL + "?nodes=99&machine=ng4", width=width, dark=width == 390)
    assert overflow_px(page) <= 0
    assert serious_faults(page) == []
