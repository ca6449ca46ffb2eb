"""The curate pages in Chromium: the overlay editor with the form beside it, by keyboard, at every width, in both themes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from apps_catalog.models import Version
from portal.people.models import User
from tests.apps_catalog.drafts import import_draft
from tests.browser.conftest import Visit, overflow_px, serious_faults
from tests.factories import make_person

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
GALLERY = Path(__file__).resolve().parents[2] / "examples" / "gallery" / "AppDef.json"


@pytest.fixture
def curator(db: None) -> User:
    return make_person("cora", is_curator=True)


def test_an_overlay_is_written_by_keyboard_with_the_form_beside_it(visit: Visit, curator: User) -> None:
    version = import_draft(actor=curator)
    page = visit(curator, f"{version.get_curate_url()}overlay/?command=say&part=parameters")
    preview = page.locator("#overlay-preview")
    expect(preview).to_contain_text("Word")
    page.get_by_label("Label", exact=True).focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("What to shout")
    expect(preview).to_contain_text("What to shout")
    page.get_by_label("Hidden: nobody is asked").press("Space")
    page.get_by_label("Default", exact=True).fill("")
    expect(preview).to_contain_text("It can't be saved like this")
    page.get_by_role("button", name="Save", exact=True).press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("needs a default")
    expect(page.locator(".jsonform .rjf-error-text")).to_contain_text("Needs a default")
    expect(page.get_by_label("Label", exact=True)).to_have_value("What to shout")
    page.get_by_label("Default", exact=True).fill("HEY")
    page.get_by_role("button", name="Save", exact=True).press("Enter")
    expect(page.locator("#messages")).to_contain_text("Saved")
    expect(preview).to_contain_text("Not asked for")
    found = Version.objects.get().overlay["commands"]["say"]["parameters"]["word"]
    assert found == {"label": "What to shout", "hidden": True, "default": "HEY"}
    page.get_by_role("link", name=re.compile("^Back to the version")).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(version.app.name)


def test_parameters_are_put_in_another_order(visit: Visit, curator: User) -> None:
    version = import_draft(actor=curator, text=GALLERY.read_text())
    command = next(iter(json.loads(version.definition)["commands"]))
    page = visit(curator, f"{version.get_curate_url()}overlay/?command={command}&part=order")
    page.get_by_role("button", name="Move up: Order, 3 · Count to").press("Enter")
    expect(page.locator("#overlay-preview [data-field]").first).to_have_attribute("data-field", "p:-count")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#messages")).to_contain_text("Saved")
    assert Version.objects.get().overlay["commands"][command]["order"][:3] == ["mode", "-count", "-title"]


def test_the_editor_has_no_serious_faults(visit: Visit, curator: User) -> None:
    version = import_draft(actor=curator, text=GALLERY.read_text())
    command = next(iter(json.loads(version.definition)["commands"]))
    for width, dark in ((390, True), (1440, False)):
        for query in (
            "",
            f"?command={command}&part=parameters",
            f"?command={command}&part=order",
        ):
            page = visit(curator, f"{version.get_curate_url()}overlay/{query}", width=width, dark=dark)
            expect(page.locator("#overlay-preview .form-preview")).to_be_visible()
            assert overflow_px(page) <= 0, (width, query)
            assert serious_faults(page) == [], (width, query)
