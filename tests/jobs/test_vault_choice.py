"""Which vault a launch takes: named, hinted at, the person's default; and which the app accepts."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps_catalog.launch.spec import Submission
from apps_catalog.models import Version
from jobs import services, vaults
from jobs.models import DefaultVault, Job, Vault
from portal.errors import Conflict, Invalid
from portal.people.models import ApiToken, Membership, User
from tests.factories import DEFINITION, make_machine, make_team, make_vault, make_version
from tests.jobs.vault_files import at, said

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def machine(db: None) -> None:
    make_machine("n1")


def version_with(types: list[str], hints: list[str] | None = None, command_hints: list[str] | None = None) -> Version:
    command = {**DEFINITION["commands"]["throw"]} | ({"hints": command_hints} if command_hints else {})
    raw: dict[str, Any] = {**DEFINITION, "vault-types": types, "commands": {"throw": command}}
    return make_version(definition=raw | ({"hints": hints} if hints else {}))


def launch(owner: User, version: Version, vault: str = "") -> Job:
    submission = Submission("throw", {"darts": 100}, machine="n1", vault=vault)
    return services.submit(owner=owner, version=version, submission=submission).job


def taken(owner: User, version: Version, vault: str = "") -> str | None:
    job = launch(owner, version, vault)
    return job.vault.name if job.vault else None


# The default


def test_the_default_is_the_first_own_vault_until_another_is_chosen(owner: User) -> None:
    first, second = make_vault(owner, name="first"), make_vault(owner, name="second")
    version = version_with(["FILE"])
    assert taken(owner, version) == first.name
    vaults.make_default(owner, second)
    assert taken(owner, version) == second.name
    vaults.make_default(owner, first)
    assert taken(owner, version) == first.name
    assert DefaultVault.objects.count() == 1


def test_a_default_that_is_out_of_reach_removed_or_unfit_is_passed_over(owner: User, stranger: User) -> None:
    own = make_vault(owner, name="own", type=Vault.Type.BLOCK)
    team = make_team(stranger, owner)
    shared = make_vault(team, name="shared")
    vaults.make_default(owner, shared)
    assert vaults.default_vault(owner) == shared
    Membership.objects.filter(team=team, user=owner).delete()
    assert vaults.default_vault(owner) == own
    assert taken(owner, version_with(["OBJECT"])) == "owner"  # made, for the one there is does not fit
    vaults.make_default(owner, own)
    own.delete()
    assert vaults.default_vault(owner).name == "owner"


def test_a_vault_that_keeps_no_files_is_nobodys_default(owner: User) -> None:
    none = make_vault(owner, name="none", type=Vault.Type.NONE)
    with pytest.raises(Conflict, match="keeps no files"):
        vaults.make_default(owner, none)
    assert vaults.default_vault(owner).name == "owner"


def test_a_default_is_chosen_on_the_page(as_owner: Client, owner: User) -> None:
    make_vault(owner, name="first")
    make_vault(owner, name="second")
    page = said(as_owner.get("/files/"))
    assert page.index("first") < page.index(">Default</span>") < page.index("second")
    assert "Make second the default" in page
    assert "Make first the default" not in page
    answer = as_owner.post(at("vault-default", "second"), follow=True)
    assert "Your launches now take second where nothing else is said." in said(answer)
    assert "Make first the default" in said(answer)
    assert vaults.default_vault(owner).name == "second"
    assert as_owner.post(at("vault-default", "none")).status_code == 404
    assert as_owner.get(at("vault-default", "first")).status_code == 405


def test_a_default_is_chosen_and_read_over_the_api(client: Client, owner: User, stranger: User) -> None:
    make_vault(owner, name="first")
    make_vault(owner, name="second")
    make_vault(stranger, name="theirs")
    _, launcher = ApiToken.issue(owner, name="l", scopes=["read", "launch"])
    _, reader = ApiToken.issue(owner, name="r", scopes=["read"])

    def put(name: str, token: str) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        return client.put(f"/api/v1/vaults/{name}/default", headers=headers)

    assert put("second", reader).status_code == 403
    assert put("theirs", launcher).status_code == 404
    answer = put("second", launcher)
    assert (answer.status_code, answer.json()["default"]) == (200, True)
    listed = client.get("/api/v1/vaults", headers={"Authorization": f"Bearer {reader}"}).json()["items"]
    assert {one["name"]: (one["default"], one["held_by"]) for one in listed} == {
        "first": (False, None),
        "second": (True, None),
    }


# Hints


def test_a_hinted_vault_is_taken_where_none_is_named(owner: User, stranger: User) -> None:
    make_vault(owner, name="own")
    make_vault(owner, name="projects")
    make_vault(owner, name="scratch", type=Vault.Type.BLOCK)
    make_vault(stranger, name="theirs")
    assert taken(owner, version_with(["FILE"], hints=["SCALE_NODES", "VAULT:projects"])) == "projects"
    assert taken(owner, version_with(["FILE"], hints=["VAULT:projects"]), "own") == "own"
    assert taken(owner, version_with(["FILE"], hints=["VAULT:own"], command_hints=["vault: projects"])) == "projects"
    for hint in ("VAULT:none", "VAULT:theirs", "VAULT:", "VAULT"):
        assert taken(owner, version_with(["FILE"], hints=[hint])) == "own"
    assert taken(owner, version_with(["OBJECT"], hints=["VAULT:scratch"])) == "own"
    assert taken(owner, version_with(["NONE"], hints=["VAULT:projects"])) is None


def test_a_hinted_vault_is_preselected_in_the_form(as_owner: Client, owner: User) -> None:
    make_vault(owner, name="own")
    make_vault(owner, name="projects")
    version = version_with(["FILE"], hints=["VAULT:projects"])
    page = said(as_owner.get(f"/apps/{version.app.slug}/launch/"))
    assert '<option value="projects" selected>' in page


# Types


@pytest.mark.parametrize(
    ("types", "kind", "runs"),
    [
        (["OBJECT"], "FILE", True),
        (["FILE"], "OBJECT", True),
        (["BLOCK"], "FILE", True),
        (["BLOCK"], "BLOCK_ARRAY", True),
        (["OBJECT"], "BLOCK", False),
        (["BLOCK"], "OBJECT", False),
    ],
)
def test_an_app_runs_with_the_vaults_it_accepts_and_the_plan_says_their_type(
    owner: User, types: list[str], kind: str, runs: bool
) -> None:
    make_vault(owner, name="it", type=kind, bucket="b" if kind == "OBJECT" else "")
    version = version_with(types)
    if runs:
        job = launch(owner, version, "it")
        assert job.vault is not None
        assert [mount["target"] for mount in job.plan["mounts"] if mount["kind"] == "vault"] == ["/data"]
        return
    with pytest.raises(Invalid) as refused:
        launch(owner, version, "it")
    (fault,) = refused.value.faults
    assert (fault.pointer, fault.code) == ("/vault", "vault_refused")
    assert fault.message == f"This app takes vaults of type {types[0]}, and 'it' is {kind}. Pick another."


def test_the_form_offers_what_the_app_accepts_and_says_what_each_is(as_owner: Client, owner: User) -> None:
    make_vault(owner, name="plain")
    make_vault(owner, name="cloud", type=Vault.Type.OBJECT, bucket="b")
    make_vault(owner, name="disk", type=Vault.Type.BLOCK)
    page = said(as_owner.get(f"/apps/{version_with(['OBJECT']).app.slug}/launch/"))
    assert "cloud · object storage" in page
    assert ">disk" not in page
    page = said(as_owner.get(f"/apps/{version_with(['BLOCK']).app.slug}/launch/"))
    assert "disk · disk: one job at a time" in page
    assert ">cloud" not in page
