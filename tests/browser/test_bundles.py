"""Bundles and secrets in Chromium: an archive and a folder chosen, looked over and imported; pages at every width, in both themes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from apps_catalog.models import Version
from portal.people import secrets
from portal.people.models import Secret, User
from tests.apps_catalog.bundle_files import bundle, foldered, manifest, push, zipped
from tests.browser.conftest import Visit, overflow_px, serious_faults
from tests.factories import make_machine, make_person, make_secret, make_team

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SCHEMA = json.dumps({"type": "object", "properties": {"n": {"type": "integer", "title": "How many"}}})
LOOKS = [(390, False), (820, True), (1440, False)]


@pytest.fixture
def curator(db: None) -> User:
    return make_person("cora", is_curator=True)


def looks_right(page: Page) -> None:
    assert overflow_px(page) == 0
    assert serious_faults(page) == []


def test_a_folder_is_looked_over_as_soon_as_it_is_chosen(visit: Visit, curator: User, tmp_path: Path) -> None:
    make_machine("n1", cores=4, ram_mib=8192)
    root = foldered(bundle(schema_json=SCHEMA) | {"__pycache__/x.pyc": b"\0"}, tmp_path / "my counter")
    page = visit(curator, "/curate/import/bundle/")
    looks_right(page)
    page.get_by_label("Or the folder itself").set_input_files(root)
    expect(page.locator("#check")).to_contain_text("Can be imported")
    expect(page.locator("[data-chosen]")).to_have_text("my counter: 3 files")
    expect(page.locator("#check").get_by_label("How many")).to_be_visible()
    looks_right(page)
    page.get_by_label(re.compile("^Activate it at once")).check()
    page.get_by_role("button", name="Import", exact=True).press("Enter")
    expect(page.locator("#messages")).to_contain_text("counter@0.1 is imported and active")
    version = Version.objects.get()
    assert (version.state, version.schema_text) == ("published", SCHEMA)
    looks_right(page)
    page.get_by_role("link", name="app/main.py").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("app/main.py")
    looks_right(page)


def test_what_is_wrong_with_an_archive_is_told_with_its_place(visit: Visit, curator: User, tmp_path: Path) -> None:
    path = tmp_path / "broken.zip"
    path.write_bytes(zipped(bundle('{\n "name": "x",\n}')).read())
    page = visit(curator, "/curate/import/bundle/", width=390)
    page.get_by_label("An archive").set_input_files(path)
    expect(page.locator("#check")).to_contain_text("a trailing comma")
    expect(page.locator("#check")).to_contain_text("manifest.json, line 3, column 1")
    looks_right(page)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.locator("#check")).to_contain_text("a trailing comma")
    assert not Version.objects.exists()


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_the_page_of_an_app_at_every_width(visit: Visit, curator: User, width: int, dark: bool) -> None:
    make_machine("n1", cores=1, ram_mib=1024)
    name = "a-name-of-sixty-four-characters-which-is-as-long-as-they-may-be-"
    config = {"container": "ghcr.io/acme/" + "long-" * 20 + "name:1", "secrets": ["MINE", "S" * 64]}
    text = manifest(name=name, description="Counts. " * 30, platform_config=config, device_requirements={"min_cpu": 64})
    files = bundle(text, schema_json=SCHEMA) | {"app/" + "deep/" * 12 + "file-with-a-long-name.py": "x = 1\n" * 50}
    version = push(files, curator, activate=True).version
    assert version is not None
    make_secret(curator, "MINE")
    page = visit(curator, f"/apps/{name}/", width=width, dark=dark)
    expect(page.get_by_text("No machine type here has that")).to_be_visible()
    looks_right(page)
    page.goto(page.url.replace(f"/apps/{name}/", version.get_curate_url()), wait_until="networkidle")
    looks_right(page)


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_secrets_are_added_replaced_and_deleted_by_keyboard(visit: Visit, width: int, dark: bool) -> None:
    person = make_person("ada")
    make_team(person, name="A team with a rather long name for a column of a table")
    make_secret(person, "OLD_" + "X" * 60)
    page = visit(person, "/account/secrets/", width=width, dark=dark)
    looks_right(page)
    page.get_by_role("link", name="Two keys").press("Enter")
    page.get_by_label("Name").fill("S3 RESULTS")
    page.get_by_label("Access key").fill("AKIA")
    page.get_by_label("Secret key").fill("hidden-7f3a")
    page.get_by_label("Secret key").press("Enter")
    expect(page.locator(".invalid-feedback")).to_contain_text("no digit first")
    looks_right(page)
    page.get_by_label("Name").fill("S3_RESULTS")
    page.get_by_label("Secret key").fill("hidden-7f3a")
    page.get_by_role("button", name="Add secret").press("Enter")
    expect(page.locator("#messages")).to_contain_text("Nobody can read it again")
    assert "7f3a" not in page.content()
    page.get_by_role("link", name="Replace S3_RESULTS").press("Enter")
    page.get_by_label("Access key").fill("AKIB")
    page.get_by_label("Secret key").fill("other")
    looks_right(page)
    page.get_by_role("button", name="Replace", exact=True).press("Enter")
    expect(page.locator("#messages")).to_contain_text("is replaced")
    assert secrets.open_secret(Secret.objects.get(name="S3_RESULTS"))["access_key"] == "AKIB"
    page.get_by_role("button", name="Delete S3_RESULTS").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Delete").press("Enter")
    expect(page.locator("#messages")).to_contain_text("is deleted")
    assert not Secret.objects.filter(name="S3_RESULTS").exists()
