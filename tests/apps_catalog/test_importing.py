"""Importing: whole or nothing, never the same text twice, and only by curators."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from django.test import override_settings
from pytest_django import DjangoAssertNumQueries

from apps_catalog import services
from apps_catalog.models import App, Version
from portal.errors import Conflict, Forbidden, Invalid
from portal.people.models import AuditEvent, User
from tests.apps_catalog.drafts import IMAGE, appdef_text, import_draft, publish_new

pytestmark = pytest.mark.django_db
CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "appdefs"


def test_a_definition_becomes_a_draft_to_the_letter(curator: User) -> None:
    text = "\ufeff" + appdef_text(name="Öl & Gas <3>").replace("\n", "\r\n")
    imported = services.import_definition(text=text.encode(), actor=curator, image=IMAGE)
    assert imported.created
    assert imported.version is not None
    version = Version.objects.get(pk=imported.version.pk)
    assert version.definition == text
    assert version.state == Version.State.DRAFT
    assert (version.label, version.app.slug, version.app.name) == ("1", "ol-gas-3", "Öl & Gas <3>")
    assert not version.app.published
    assert services.spec_of(version).digest == version.digest
    assert AuditEvent.objects.filter(action="version.import", actor=curator).count() == 1


def test_the_same_text_is_never_stored_twice(curator: User) -> None:
    text = appdef_text()
    first = services.import_definition(text=text, actor=curator)
    again = services.import_definition(text=text, actor=curator)
    assert (again.version, again.created) == (first.version, False)
    assert Version.objects.count() == App.objects.count() == 1


def test_the_same_text_with_another_image_changes_the_image(curator: User) -> None:
    text = appdef_text()
    services.import_definition(text=text, actor=curator, image=IMAGE)
    version = services.import_definition(text=text, actor=curator, image="ghcr.io/x/y:2").version
    assert version is not None
    assert Version.objects.get().image == "ghcr.io/x/y:2"
    assert Version.objects.get().image_state == Version.ImageState.UNKNOWN


def test_a_new_text_of_the_same_name_and_author_is_the_next_version(curator: User) -> None:
    first = import_draft(actor=curator, name="CFD", description="one")
    second = import_draft(actor=curator, name="CFD", description="two")
    other = import_draft(actor=curator, name="CFD", author="Someone else")
    assert (second.app, second.label) == (first.app, "2")
    assert (other.app.slug, other.label) == ("cfd-2", "1")


def test_labels_can_be_chosen_and_are_unique(curator: User) -> None:
    first = import_draft(actor=curator, name="CFD", label="2.1-rc1")
    assert first.label == "2.1-rc1"
    assert import_draft(actor=curator, name="CFD", description="two").label == "1"
    with pytest.raises(Conflict, match=r"already has a version 2.1-rc1"):
        import_draft(actor=curator, name="CFD", description="three", label="2.1-rc1")
    with pytest.raises(Invalid, match="label"):
        import_draft(actor=curator, label="a/b")


def test_an_app_or_a_short_name_can_be_chosen(curator: User) -> None:
    first = import_draft(actor=curator, name="One")
    here = services.import_definition(text=appdef_text(name="Two"), actor=curator, slug=first.app.slug)
    assert here.version is not None
    assert (here.version.app, here.version.label) == (first.app, "2")
    there = services.import_definition(text=appdef_text(name="Three"), actor=curator, slug="my_app")
    assert there.app is not None
    assert there.app.slug == "my_app"
    with pytest.raises(Invalid, match="short name"):
        services.import_definition(text=appdef_text(), actor=curator, slug="../x")


@pytest.mark.parametrize("name", ["", "🚀", "مرحبا", "x" * 5000, "<script>alert(1)</script>", "a\u202eb\tc"])
def test_any_name_gets_a_short_name(curator: User, name: str) -> None:
    version = import_draft(
        actor=curator, name=name, author="y" * 900, classifications=["z" * 900, "/".join("abc" * 20)]
    )
    assert 1 <= len(version.app.slug) <= 80
    assert 1 <= len(version.app.name) <= 300
    services.publish(version=version, actor=curator)


def test_an_error_writes_nothing_and_says_where(curator: User) -> None:
    imported = services.import_definition(text='{\n  "name": "x",\n}', actor=curator)
    assert imported.version is None
    assert imported.app is None
    [finding] = imported.reading.findings
    assert (finding.level, finding.line) == ("error", 3)
    assert not App.objects.exists()
    assert not AuditEvent.objects.filter(action="version.import").exists()


@override_settings(APPDEF_LIMIT_MIB=1)
def test_what_is_too_large_is_not_read(curator: User) -> None:
    imported = services.import_definition(text=b"[" * (2**20 + 1), actor=curator)
    assert [finding.code for finding in imported.reading.findings] == ["too-large"]


def test_a_dry_run_writes_nothing(curator: User) -> None:
    imported = services.import_definition(text=appdef_text(), actor=curator, dry_run=True)
    assert imported.reading.ok
    assert (imported.app, imported.version) == (None, None)
    assert not App.objects.exists()


def test_only_curators_import(stranger: User) -> None:
    with pytest.raises(Forbidden):
        services.import_definition(text=appdef_text(), actor=stranger)
    assert not App.objects.exists()


@pytest.mark.parametrize("image", ["has blank", "$(id)", "-v /:/x", "a" * 501, "x;y"])
def test_an_image_is_a_reference_and_nothing_else(curator: User, image: str) -> None:
    with pytest.raises(Invalid, match="image"):
        services.import_definition(text=appdef_text(), actor=curator, image=image)


def test_a_bad_icon_is_a_finding_with_its_line(curator: User) -> None:
    text = appdef_text(image={"type": "image/png", "data": "%%%"})
    imported = services.import_definition(text=text, actor=curator)
    [finding] = [one for one in imported.reading.findings if one.code == "icon-unreadable"]
    assert finding.level == "info"
    assert '"data"' in text.splitlines()[(finding.line or 0) - 1]
    assert imported.app is not None
    assert imported.app.icon is None


def test_a_spec_is_read_once_per_process(curator: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    version = publish_new(actor=curator)
    spec = services.spec_of(version)
    slim = Version.objects.defer("definition").get(pk=version.pk)
    with django_assert_num_queries(0):
        assert services.spec_of(slim) is spec


def test_a_stored_text_that_is_no_longer_read_is_said(curator: User) -> None:
    version = import_draft(actor=curator)
    version.digest, version.definition = "0" * 64, "{"
    with pytest.raises(Conflict, match="can no longer be read"):
        services.spec_of(version)


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real AppDefs is not beside this checkout")
@pytest.mark.slow
def test_the_corpus_is_imported_and_published(curator: User) -> None:
    for path in sorted(CORPUS.glob("*.json")):
        text = path.read_bytes()
        imported = services.import_definition(text=text, actor=curator, image=IMAGE)
        errors = [finding for finding in imported.reading.findings if finding.level == "error"]
        if imported.version is None:
            assert errors
            assert errors[0].line
            assert errors[0].column
            with pytest.raises(json.JSONDecodeError):
                json.loads(text)
        else:
            assert not errors
            services.publish(version=imported.version, actor=curator)
    assert Version.objects.count() >= 50


def test_an_icon_is_kept_as_our_png(curator: User) -> None:
    gif = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
    text = appdef_text(image={"type": "image/gif", "data": base64.b64encode(gif).decode()})
    app = services.import_definition(text=text, actor=curator).app
    assert app is not None
    assert bytes(app.icon or b"").startswith(b"\x89PNG")
    assert len(app.icon_digest) == 64
