"""A definition with every key, in Chromium: what each key shows on card, app page and form, and what it asks for."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from apps_catalog.services import import_definition, publish
from portal.people import account_variables
from portal.people.models import User
from tests.browser.conftest import Visit, serious_faults
from tests.factories import make_host, make_machine, make_person, make_team, make_vault
from tests.jobs.every_key import definition

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def ada(curator: User, operator: User) -> User:
    """Someone who may launch the app; her team has its account variable."""
    make_machine("n4", cores=4, ram_mib=8192, nodes_max=8)
    make_machine("g1", cores=1)
    make_host("one", serves={"n4": 1, "g1": 1})
    made = import_definition(text=json.dumps(definition()), actor=curator, image="slipway-python:bookworm")
    assert made.version is not None
    publish(version=made.version, actor=curator)
    ada = make_person("ada")
    make_vault(ada, name="first")
    make_vault(ada, name="projects")
    return ada


def test_the_card_and_the_app_page_show_what_the_author_says(visit: Visit, ada: User) -> None:
    page = visit(ada, "/")
    card = page.locator(".app-card", has_text="Every key")
    for words in ("Has all there is.", "Slipway", "Bring your own licence"):
        expect(card.get_by_text(words)).to_be_visible()
    assert card.locator("img").evaluate("picture => picture.naturalWidth") > 0
    page.get_by_role("link", name="Tests").click()
    expect(page.locator(".app-card", has_text="Every key")).to_be_visible()
    page = visit(ada, "/apps/every-key/")
    for name, words in (("Everything", "All types."), ("Script", "Runs a script of the author's."), ("Parallel", "Under mpirun."), ("Desk", "Something to connect to.")):  # fmt: skip
        command = page.locator(".command", has=page.get_by_role("heading", name=name))
        expect(command.get_by_text(words)).to_be_visible()
    assert serious_faults(page) == []


def test_the_form_keeps_to_machines_nodes_hints_and_time_of_the_command(visit: Visit, ada: User) -> None:
    page = visit(ada, "/apps/every-key/launch/?command=every")
    expect(page.locator("input[name=machine][value=n4]")).to_be_checked()
    expect(page.locator("input[name=machine][value=g1]")).to_have_count(0)
    expect(page.get_by_role("slider", name="Scale in cores")).to_have_attribute("max", "2")  # steps of a node each
    expect(page.get_by_text("Empty means 02:00").first).to_be_attached()
    # The command's hints go before the app's: cores count, and no vault is wished for.
    expect(page.get_by_label("Vault", exact=True)).not_to_have_value("projects")
    # The app's own where the command has none: nodes, and the vault projects.
    page = visit(ada, "/apps/every-key/launch/?command=script")
    expect(page.get_by_label("Vault", exact=True)).to_have_value("projects")
    expect(page.get_by_role("slider", name="Scale in nodes")).to_have_attribute("max", "4")


def test_vault_types_are_what_the_form_offers(visit: Visit, ada: User, curator: User) -> None:
    make_vault(ada, name="cloud", type="OBJECT", bucket="b")
    vault = visit(ada, "/apps/every-key/launch/?command=desk").get_by_label("Vault", exact=True)
    offered = {one.split(" ")[0] for one in vault.get_by_role("option").all_inner_texts()}
    assert offered == {"projects", "cloud", "first", "No"}
    alone = {**definition(), "name": "Alone", "vault-types": ["NONE"], "hints": []}
    made = import_definition(text=json.dumps(alone), actor=curator, image="slipway-python:bookworm")
    assert made.version is not None
    publish(version=made.version, actor=curator)
    expect(visit(ada, "/apps/alone/launch/?command=desk").get_by_label("Vault", exact=True)).to_have_count(0)


def test_parameters_have_the_authors_words_and_what_is_required_is_asked_for(visit: Visit, ada: User) -> None:
    page = visit(ada, "/apps/every-key/launch/?command=every")
    for parameter in definition()["commands"]["every"]["parameters"].values():
        if parameter["type"] != "CONST":
            expect(page.get_by_text(parameter["description"], exact=True).first).to_be_attached()
    page.locator("#launch").click()
    expect(page.get_by_role("region", name="What would run")).to_contain_text("Mesh: Must be filled in.")


def test_a_required_account_variable_is_asked_of_an_operator_and_inherited_from_a_team(visit: Visit, ada: User) -> None:
    page = visit(ada, "/apps/every-key/launch/?command=desk")
    expect(page.locator("[data-faults]")).to_contain_text("LICENSE_SERVER")
    expect(page.locator("[data-faults]")).to_contain_text("operator")
    account_variables.set_variable(team=make_team(ada, name="Crew"), name="LICENSE_SERVER", value="27000@lic")
    page = visit(ada, "/apps/every-key/launch/?command=desk")
    expect(page.locator("[data-faults]")).not_to_contain_text("LICENSE_SERVER")
    expect(page.locator("body")).not_to_contain_text("27000@lic")
