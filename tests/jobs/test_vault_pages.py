"""The pages of vaults of every kind: what they say of each, and faults of a service at the right place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from jobs import vault_objects, vaults
from jobs.models import Vault
from jobs.states import JobState
from portal.people.models import User
from tests.factories import DEFINITION, make_job, make_machine, make_vault, make_version
from tests.jobs.object_store import ObjectStore
from tests.jobs.vault_files import at, names, said

pytestmark = pytest.mark.django_db


@pytest.fixture
def away(owner: User) -> Vault:
    """A vault whose service does not answer."""
    vault_objects._away.clear()
    way: dict[str, Any] = {"bucket": "results", "endpoint": "http://127.0.0.1:9"}
    return vaults.create_vault(name="cloud", owner=owner, type=Vault.Type.OBJECT, **way)


def test_the_list_says_what_each_vault_is_and_where_it_lies(
    as_owner: Client, owner: User, teammate: User, away: Vault, tmp_path: Path
) -> None:
    place = tmp_path / "srv"
    place.mkdir()
    vaults.create_vault(name="data", owner=owner, location=str(place))
    make_vault(owner.teams.get(), name="crew", type=Vault.Type.BLOCK_ARRAY)
    make_vault(owner, name="nothing", type=Vault.Type.NONE)
    page = said(as_owner.get("/files/"))
    for words in (
        "results at http://127.0.0.1:9",
        "Object storage (S3)",
        str(place),
        "Block array: one job at a time",
        "No job has it now.",
        "Keeps no files",
    ):
        assert words in page
    assert "Make nothing the default" not in page


def test_who_has_a_block_vault_is_said_and_linked_where_it_may_be_seen(
    as_owner: Client, owner: User, teammate: User
) -> None:
    crew = owner.teams.get()
    make_vault(crew, name="a", type=Vault.Type.BLOCK, held_by=make_job(owner, state=JobState.RUNNING))
    make_vault(crew, name="b", type=Vault.Type.BLOCK, held_by=make_job(teammate, state=JobState.RUNNING))
    page = said(as_owner.get("/files/"))
    mine, theirs = (Vault.objects.get(name=name).held_by_id for name in "ab")
    assert f'<a href="/jobs/{mine}/">job {mine}</a>; other jobs wait for it.' in page
    assert f"In use by job {theirs}; other jobs wait for it." in page
    assert f"/jobs/{theirs}/" not in page


def test_a_service_that_is_away_is_said_on_the_vaults_page_and_the_list_goes_on(as_owner: Client, away: Vault) -> None:
    away.quota_mib = 5
    away.save()
    answer = as_owner.get(at("files", away))
    assert answer.status_code == 503
    assert "The object storage of the vault 'cloud' at http://127.0.0.1:9 does not answer." in said(answer)
    assert "Try again</a>" in said(answer)
    answer = as_owner.get("/files/")
    assert answer.status_code == 200
    assert "does not answer" in said(answer)


@pytest.mark.parametrize("view", ["files-upload", "files-mkdir", "files-rename", "files-move", "files-delete"])
def test_a_service_that_is_away_never_makes_a_change_a_crash(as_owner: Client, away: Vault, view: str) -> None:
    asked = {"path": "", "name": "a", "to": "b", "sure": "yes"}
    answer = as_owner.post(at(view, away), asked, follow=True)
    assert answer.status_code in (200, 503)
    assert view == "files-upload" or "does not answer" in said(answer)
    answer = as_owner.post(at("files-upload", away, name="x"), b"x", content_type="application/octet-stream")
    assert (answer.status_code, answer.json()["code"]) == (503, "object_store_away")


def test_the_picker_and_the_api_say_it_too(as_owner: Client, away: Vault) -> None:
    answer = as_owner.get(at("picker", away), headers={"HX-Request": "true"})
    assert (answer.status_code, "<html" in said(answer)) == (503, False)
    assert "does not answer" in said(answer)
    answer = as_owner.get("/api/v1/vaults/cloud/files")
    assert (answer.status_code, answer.json()["code"]) == (503, "object_store_away")


def test_at_the_launch_it_is_a_fault_of_the_field_that_names_a_file(as_owner: Client, owner: User, away: Vault) -> None:
    make_machine("n1")
    file = {"name": "F", "description": "f", "type": "FILE", "positional": True, "required": True}
    command = {**DEFINITION["commands"]["throw"], "parameters": {"file": file}}
    version = make_version(definition={**DEFINITION, "vault-types": ["OBJECT"], "commands": {"throw": command}})
    body: dict[str, Any] = {"app": version.app.slug, "machine": "n1", "vault": "cloud", "parameters": {"file": "a.txt"}}
    answer = as_owner.post("/api/v1/jobs", body, content_type="application/json")
    assert answer.status_code == 422
    faults = answer.json()["errors"]
    assert [fault["pointer"] for fault in faults] == ["/parameters/file"], faults
    (fault,) = faults
    assert (fault["pointer"], fault["code"]) == ("/parameters/file", "object_store_away")
    page = as_owner.post(
        f"/apps/{version.app.slug}/launch/",
        {"go": "launch", "command": "throw", "vault": "cloud", "p:file": "a.txt", "machine": "n1"},
    )
    assert page.status_code == 422
    assert "does not answer" in said(page)


def test_a_bucket_is_browsed_changed_and_launched_with_from_the_pages(
    as_owner: Client, owner: User, object_store: ObjectStore
) -> None:
    vault_objects._away.clear()
    vault = object_store.vault(owner)
    as_owner.post(at("files-mkdir", vault), {"name": "run"})
    sent = as_owner.post(at("files-upload", vault, path="run", name="a.txt"), b"12", content_type="text/plain")
    assert sent.json() == {"name": "a.txt", "size": 2}
    again = as_owner.post(at("files-upload", vault, path="run", name="a.txt"), b"3", content_type="text/plain")
    assert (again.status_code, again.json()["code"]) == (409, "exists")
    assert "a.txt" in said(as_owner.get(at("files", vault, path="run")))
    got = as_owner.get(at("files-download", vault, path="run/a.txt"))
    assert (b"".join(got), got["Content-Length"]) == (b"12", "2")
    assert "1 entry" in said(as_owner.get(at("picker", vault, path="run", filter="*.txt")))
    as_owner.post(at("files-rename", vault), {"path": "run", "name": "a.txt", "to": "b.txt"})
    as_owner.post(at("files-move", vault), {"path": "run", "name": "b.txt", "to": ""})
    assert names(vault) == ["run", "b.txt"]
    as_owner.post(at("files-delete", vault), {"path": "", "name": ["run"], "sure": "yes"})
    put = as_owner.put("/api/v1/vaults/cloud/files/c/d.txt", b"api", content_type="application/octet-stream")
    assert (put.status_code, put.json()["size"]) == (200, 3)
    assert names(vault) == ["c", "b.txt"]
    assert as_owner.delete("/api/v1/vaults/cloud/files/c").status_code == 204
    assert as_owner.get("/api/v1/vaults/cloud/files/c").status_code == 404
