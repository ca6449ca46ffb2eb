"""Importing bundles: the same whatever they are packed in, whole or not at all, never over what a job has used."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import override_settings

from apps_catalog import services
from apps_catalog.models import App, Version
from apps_catalog.services import bundle_store, resolve_tag, tags_of
from portal.errors import Conflict, Forbidden, Invalid, NotFound
from portal.people import secrets
from portal.people.models import AuditEvent, Secret, User
from tests.apps_catalog.bundle_files import bundle, foldered, manifest, push, tarred, zipped
from tests.factories import make_job

pytestmark = pytest.mark.django_db


def version_of(done: services.ImportedBundle) -> Version:
    assert done.version is not None, done.reading.findings
    return Version.objects.select_related("app").get(pk=done.version.pk)


def test_a_bundle_becomes_a_draft(curator: User) -> None:
    schema = '{"properties": {"n": {"type": "integer"}}}'
    text = manifest(description="Counts.", platform_config={"container": "docker.io/library/python:3.11"})
    done = push(bundle(text, schema_json=schema, template_json='{"app": "counter"}'), curator)
    version = version_of(done)
    assert (done.created, version.state, version.label, version.app.slug) == (True, "draft", "0.1", "counter")
    assert (version.definition, version.schema_text, version.template_text) == (text, schema, '{"app": "counter"}')
    assert version.image == "docker.io/library/python:3.11"
    spec = services.spec_of(version)
    assert (spec.digest, spec.commands["run"].schema) == (version.digest, json.loads(schema))
    assert version.app.summary == "Counts."
    assert not version.app.published
    with bundle_store.opened(version) as file, zipfile.ZipFile(file) as archive:
        assert archive.namelist() == ["app/main.py", "manifest.json", "schema.json", "template.json"]
    assert AuditEvent.objects.filter(action="version.import", actor=curator).count() == 1


@override_settings(BUNDLE_IMAGE="slipway-examples:1")
def test_without_a_container_it_runs_in_the_usual_image(curator: User) -> None:
    assert version_of(push(bundle(), curator)).image == "slipway-examples:1"


@pytest.mark.parametrize("top", ["", "counter-main/", "./", "./counter/"])
@pytest.mark.parametrize("kind", ["zip", "tar", "gz", "bz2", "xz", "folder", "sent"])
def test_the_same_files_are_the_same_bundle_however_they_come(
    kind: str, top: str, curator: User, tmp_path: Path
) -> None:
    files = {f"{top}{name}": data for name, data in bundle(app__a_py="x = 1\n").items()}
    raw = [(name, [data.encode() if isinstance(data, str) else data]) for name, data in files.items()]
    match kind:
        case "zip":
            read = services.from_archive(zipped(files))
        case "folder":
            read = services.from_folder(foldered(files, tmp_path))
        case "sent":
            read = services.from_files(raw)
        case _:
            read = services.from_archive(tarred(files, kind.removeprefix("tar")))
    first = push(bundle(app__a_py="x = 1\n"), curator)
    again = services.import_bundle(read=read, actor=curator)
    assert again.version == first.version, again.reading.findings
    assert (again.created, again.replaced, Version.objects.count()) == (False, False, 1)


def test_another_bundle_of_the_same_version_takes_its_place_until_a_job_has_used_it(curator: User, owner: User) -> None:
    first = version_of(push(bundle(), curator, activate=True))
    done = push(bundle(manifest(description="Better."), app__main_py="print(2)\n"), curator)
    version = version_of(done)
    assert (done.created, done.replaced, version.pk, version.state) == (False, True, first.pk, "published")
    assert version.bundle_digest != first.bundle_digest
    assert App.objects.get().summary == "Better."
    make_job(owner, version=version)
    with pytest.raises(Conflict, match=r"was used by a job.*Raise the version in manifest.json, for example to 0.2"):
        push(bundle(app__main_py="print(3)\n"), curator)
    assert version_of(push(bundle(manifest(description="Better."), app__main_py="print(2)\n"), curator)) == version
    assert version_of(push(bundle(manifest(version="0.2")), curator)).label == "0.2"


def test_what_was_replaced_leaves_the_store(curator: User, django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        first = version_of(push(bundle(), curator))
        push(bundle(app__main_py="print(2)\n"), curator)
    assert not default_storage.exists(first.bundle)
    assert default_storage.exists(version_of(push(bundle(app__main_py="print(2)\n"), curator)).bundle)


def test_only_curators_push(owner: User) -> None:
    with pytest.raises(Forbidden):
        push(bundle(), owner)
    assert not App.objects.exists()


def test_a_dry_run_writes_nothing(curator: User) -> None:
    done = push(bundle(), curator, dry_run=True)
    assert done.reading.ok
    assert list(done.files) == ["app/main.py", "manifest.json"]
    assert not App.objects.exists()


@pytest.mark.parametrize(
    ("name", "over", "code"),
    [("pi", {}, "name_taken"), ("Counter", {}, "name_taken"), ("counter", {"type": "partitioner"}, "role")],
)
def test_a_name_is_permanent(name: str, over: dict[str, Any], code: str, curator: User) -> None:
    push(bundle(), curator)
    App.objects.create(slug="pi", name="Pi")
    with pytest.raises(Conflict) as refused:
        push(bundle(manifest(name=name, version="0.9", **over)), curator)
    assert refused.value.code == code
    assert Version.objects.count() == 1


def test_nobody_pushes_over_an_engine_that_comes_with_slipway(curator: User) -> None:
    push(bundle(manifest(name="lines", type="partitioner")), curator, builtin=True)
    with pytest.raises(Conflict, match="comes with Slipway"):
        push(bundle(manifest(name="lines", type="partitioner", version="9.0")), curator)
    assert push(bundle(manifest(name="lines", type="partitioner", version="9.0")), curator, builtin=True).created


def test_tags_mean_the_highest_that_is_active(curator: User, owner: User) -> None:
    made = {
        text: version_of(push(bundle(manifest(version=text)), curator, activate=True))
        for text in ("1.10", "1.9", "2.0")
    }
    push(bundle(manifest(version="2.1")), curator)
    assert resolve_tag("counter", user=owner) == made["2.0"]
    assert resolve_tag("Counter@1", user=owner) == made["1.10"]
    assert resolve_tag("counter@1.9", user=owner, role="app") == made["1.9"]
    assert tags_of(made["2.0"]) == ["counter", "counter@2", "counter@2.0"]
    assert tags_of(made["1.10"]) == ["counter@1", "counter@1.10"]
    assert App.objects.get().default_version == made["2.0"]
    services.retire(version=made["2.0"], actor=curator)
    assert App.objects.get().default_version == made["1.10"]
    assert resolve_tag("counter", user=owner) == made["1.10"]
    with pytest.raises(Conflict, match=r"No version that counter@2 means is active. Active are: 1.10, 1.9"):
        resolve_tag("counter@2", user=owner)
    with pytest.raises(NotFound):
        resolve_tag("counter@2.1", user=owner)
    assert resolve_tag("counter@2.1", user=curator).state == "draft"
    with pytest.raises(Conflict, match="'counter' is an app"):
        resolve_tag("counter", user=owner, role="assembler")
    with pytest.raises(Conflict, match="always its latest"):
        services.make_default(version=made["1.9"], actor=curator)


@pytest.mark.parametrize("tag", ["", "a b", "counter@", "counter@01.2", "counter@1.2.3", "counter@-1", "a" * 65, "x\0"])
def test_what_is_no_tag_is_said_to_be_none(tag: str, owner: User) -> None:
    with pytest.raises(Invalid, match="is no tag"):
        resolve_tag(tag, user=owner)


def test_a_login_goes_into_a_secret_and_nowhere_else(curator: User) -> None:
    text = manifest(
        platform_config={
            "Container": "ghcr.io/acme/x:1",
            "privateImage": True,
            "username": "ada",
            "Token": "s3cr3t-t0ken",
        }
    )
    version = version_of(push(bundle(text), curator))
    secret = Secret.objects.get()
    assert (secret.name, secret.kind, secret.user, version.registry_secret) == (
        "registry-counter",
        "registry",
        curator,
        secret,
    )
    assert secrets.open_secret(secret) == {"registry": "ghcr.io", "username": "ada", "password": "s3cr3t-t0ken"}
    assert version.definition == text.replace('"s3cr3t-t0ken"', '""').replace('"ada"', '""')
    with bundle_store.opened(version) as file:
        assert b"s3cr3t" not in file.read()
        with zipfile.ZipFile(file) as archive:
            assert b"s3cr3t" not in archive.read("manifest.json")
    told = json.dumps([version.findings, *AuditEvent.objects.values_list("detail", flat=True)])
    assert "s3cr3t" not in told
    later = push(bundle(version.definition.replace("0.1", "0.2")), curator)
    assert version_of(later).registry_secret == secret


def test_a_login_needs_a_person(curator: User) -> None:
    text = manifest(platform_config={"container": "ghcr.io/acme/x:1", "username": "ada", "token": "s3cr3t"})
    with pytest.raises(Invalid, match="--as"):
        push(bundle(text), User(username="manage.py", is_curator=True))
    with pytest.raises(Invalid, match="needs username and token"):
        push(bundle(text.replace('"ada"', '""')), curator)
    assert not App.objects.exists()
    assert not Secret.objects.exists()
