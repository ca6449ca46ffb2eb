"""What keys of a definition change on pages, in Chromium: licence, hinted vault, output followed."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from portal.people.models import User
from tests.browser.conftest import Visit, serious_faults
from tests.factories import DEFINITION, make_app, make_host, make_machine, make_person, make_vault, make_version

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def ada(db: None) -> User:
    make_machine("n1", cores=2, ram_mib=4096)
    make_host("one", serves={"n1": 2})
    return make_person("ada")


def publish(slug: str, *, command: dict[str, Any] | None = None, **over: Any) -> None:
    throw = {**DEFINITION["commands"]["throw"], **(command or {})}
    definition = {**DEFINITION, "appdefversion": 2, "commands": {"throw": throw}, **over}
    app = make_app(slug=slug, licensed=over.get("licensed", True))
    make_version(app, definition=definition, label="1")


def launched(page: Page) -> Page:
    page.locator("#launch").click()
    page.wait_for_url("**/jobs/*/")
    return page


def test_a_licence_to_bring_is_said_on_card_app_page_and_form(visit: Visit, ada: User) -> None:
    publish("theirs", licensed=False)
    for path in ("/", "/apps/theirs/", "/apps/theirs/launch/"):
        page = visit(ada, path)
        expect(page.get_by_text("Bring your own licence")).to_be_visible()
        assert serious_faults(page) == []


def test_a_hint_chooses_its_vault_first(visit: Visit, ada: User) -> None:
    make_vault(ada, name="first")
    make_vault(ada, name="projects")
    publish("hinted", hints=["VAULT:projects"])
    expect(visit(ada, "/apps/hinted/launch/").get_by_label("Vault")).to_have_value("projects")


def test_a_command_without_connection_follows_its_output(visit: Visit, ada: User) -> None:
    publish("batch", command={"noconnect": True, "interactive": True, "url": "http://%PUBLICADDR%/"})
    page = launched(visit(ada, "/apps/batch/launch/"))
    expect(page.locator("[data-log-view]")).to_be_visible()
    expect(page.locator("[data-log-note]")).to_contain_text("The log begins when the job starts.")
    expect(page.locator("#job-connection")).to_have_count(0)
    assert serious_faults(page) == []
