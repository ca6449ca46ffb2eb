"""The curate pages in Chromium: the overlay editor with the form beside it, by keyboard, at every width, in both themes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from apps_catalog import services
from apps_catalog.models import ImageImport, Version
from apps_catalog.services.bulk import Wish, import_one, record_run
from jobs import chores
from jobs.runtimes.fake import FakeRuntime
from portal.people.models import User
from tests.apps_catalog.drafts import appdef_text, import_draft, publish_new
from tests.browser.conftest import Visit, overflow_px, serious_faults
from tests.factories import make_machine, make_person
from tests.jobs.runtimes.saved_images import of, saved, tar

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


def test_the_page_of_a_version_shows_form_dry_run_and_use(visit: Visit, curator: User) -> None:
    make_machine("n1")
    version = import_draft(actor=curator)
    page = visit(curator, version.get_curate_url())
    for fold in page.locator("details.version-preview > summary").all():
        fold.press("Enter")
    expect(page.locator(".form-preview")).to_contain_text("Word")
    panel = page.locator("#dry-panel")
    expect(panel).to_contain_text("/bin/echo")
    page.locator("#dry-json").fill(page.locator("#dry-json").input_value().replace("hello", "good morning"))
    expect(panel).to_contain_text("good morning")
    page.locator("#dry-json").fill("{")
    expect(panel).to_contain_text("Line 1")
    expect(page.get_by_text("Nobody has launched this app yet.")).to_be_visible()


def test_an_image_is_asked_for_and_the_page_follows(visit: Visit, curator: User) -> None:
    page = visit(curator, "/curate/import/image/")
    page.get_by_label("Container image").fill("docker.io/acme/echo:1")
    page.get_by_role("button", name="Read the image").press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("Waiting for a worker")
    engine = FakeRuntime()
    engine.keep("docker.io/acme/echo:1", saved(tar(*of(AppDef_json=appdef_text(name="Echo").encode()))))
    chores.read_image(ImageImport.objects.get().pk, engine)
    page.get_by_role("link", name="Look it over").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Echo")


def test_terms_are_agreed_to_with_the_launch(visit: Visit, curator: User) -> None:
    make_machine("n1")
    version = publish_new(actor=curator)
    Version.objects.filter(pk=version.pk).update(eula="Be kind.")
    page = visit(make_person("ada"), f"/apps/{version.app.slug}/launch/")
    expect(page.locator("#panel")).to_contain_text("Licence terms")
    page.get_by_label("I have read the terms").press("Space")
    expect(page.locator("#panel")).to_contain_text("/bin/echo")
    page.get_by_role("button", name="Launch", exact=True).click()
    expect(page).to_have_url(re.compile(r"/jobs/\d+/"))


def test_the_other_curate_pages_have_no_serious_faults(visit: Visit, curator: User) -> None:
    User.objects.filter(pk=curator.pk).update(is_operator=True)
    curator.refresh_from_db()
    old = publish_new(actor=curator, name="x" * 120)
    new = import_draft(actor=curator, name="x" * 120, description="Another.", machines=["zz*"], image="")
    Version.objects.filter(pk=old.pk).update(eula="y" * 3000)
    services.set_grant(version=new, actor=curator, what="runs_as_root", on=True, reason="An old installer.")
    wish = services.request_image_import(actor=curator, image="docker.io/acme/" + "long/" * 20 + "name:1")
    services.fail_image_import(wish, "It has none.")
    run = record_run(Wish(curator), [import_one(Wish(curator), "a/" * 60 + "b.json", "{")], source="one file")
    addresses = [
        new.get_curate_url(),
        f"{new.get_curate_url()}overlay/",
        f"/curate/compare/{old.app.slug}/",
        f"/apps/{old.app.slug}/eula/",
        f"{new.get_curate_url()}grants/?what=certified",
        wish.get_absolute_url(),
        run.get_absolute_url(),
        "/curate/imports/",
    ]
    for width, dark in ((390, True), (1440, False)):
        for address in addresses:
            page = visit(curator, address, width=width, dark=dark)
            assert overflow_px(page) <= 0, (width, address)
            assert serious_faults(page) == [], (width, address)
