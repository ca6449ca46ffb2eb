"""Whom a job may run as here: the run user, an identity that an operator listed, root only where it is granted."""

from __future__ import annotations

import os
from typing import Any

import pytest

from apps_catalog.launch.spec import RunPlan, Submission
from apps_catalog.models import Version
from jobs import identity, services
from jobs.models import Vault
from jobs.services import Preview
from portal.people.models import User
from tests.apps_catalog.launch.generate import definition
from tests.factories import make_machine, make_vault, make_version

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """A portal that runs as root, whose containers run as 505."""
    make_machine("n1")
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def made(**identity: Any) -> Version:
    return make_version(definition=definition(**({"identity": identity} if identity else {})))


def asked(owner: User, version: Version, **over: Any) -> Preview:
    return services.preview(owner=owner, version=version, submission=Submission("go", **{"vault": "NONE", **over}))


def ids(owner: User, version: Version, **over: Any) -> tuple[str, str, int, int]:
    plan = asked(owner, version, **over).plan
    assert isinstance(plan, RunPlan), asked(owner, version, **over).faults
    return plan.username, plan.group, plan.uid, plan.gid


def fault(owner: User, version: Version, **over: Any) -> tuple[str, str]:
    (found,) = asked(owner, version, **over).faults
    return found.pointer, found.message


def test_without_an_identity_it_is_nimbix_as_the_run_user(owner: User) -> None:
    assert ids(owner, made()) == ("nimbix", "nimbix", 505, 505)


def test_505_is_the_run_user_whatever_its_number_is(owner: User, settings: Any) -> None:
    settings.RUN_UID, settings.RUN_GID = 7001, 7002
    assert ids(owner, made(username="sim", group="crew", uid=505, gid=505)) == ("sim", "crew", 7001, 7002)
    assert ids(owner, made(username="sim", uid=7001, gid=7002)) == ("sim", "nimbix", 7001, 7002)


def test_the_authors_own_identity_goes_before_a_clients(owner: User) -> None:
    theirs: Any = {"username": "eve", "uid": 2000}
    assert ids(owner, made(username="sim"), identity=theirs)[0] == "sim"
    assert ids(owner, made(), identity=theirs) == ("eve", "nimbix", 2000, 505)


def test_what_a_client_sent_is_kept_for_running_again(owner: User) -> None:
    theirs: Any = {"username": "eve", "uid": 2000, "gid": "2001", "shell": "/bin/sh"}
    submission = Submission("go", vault="NONE", identity=theirs)
    job = services.submit(owner=owner, version=made(), submission=submission).job
    assert job.identity == {"username": "eve", "uid": 2000, "gid": "2001"}
    again = services.rerun(job=job, actor=owner)
    assert (again.plan["username"], again.plan["uid"], again.plan["gid"]) == ("eve", 2000, 2001)
    assert again.plan_digest == job.plan_digest


@pytest.mark.parametrize("sent", ["root", 7, ["a\0b"], {"username": "x\0"}])
def test_whatever_a_client_sent_is_not_kept_where_the_authors_counts(owner: User, sent: Any) -> None:
    submission = Submission("go", vault="NONE", identity=sent)
    job = services.submit(owner=owner, version=made(username="sim"), submission=submission).job
    assert job.identity == {}


@pytest.mark.parametrize(
    "sent",
    [{"uid": 0}, {"gid": 0}, {"uid": "00"}, {"uid": "+0"}, {"uid": "0:0"}, {"uid": -1}, {"uid": 1.5}, {"uid": True},
     {"username": "a b"}, {"username": "root"}, {"username": "x:0:0"}, {"group": "../x"}, "text", ["a"], {"uid": 2**40}],
)  # fmt: skip
def test_an_identity_that_is_root_or_none_is_refused(owner: User, sent: Any) -> None:
    pointer, _ = fault(owner, made(), identity=sent)
    assert pointer.startswith("/identity")


def test_a_systems_own_number_needs_an_operators_list(owner: User, settings: Any) -> None:
    version = made(username="sim", uid=33)
    pointer, said = fault(owner, version)
    assert pointer == "/identity"
    assert "33" in said
    assert "IDENTITY_IDS" in said
    settings.IDENTITY_IDS = (33,)
    assert ids(owner, version) == ("sim", "nimbix", 33, 505)
    assert fault(owner, made(username="sim", gid=999))[0] == "/identity"


@pytest.mark.parametrize("kind", [Vault.Type.FILE, Vault.Type.BLOCK, Vault.Type.BLOCK_ARRAY])
def test_another_user_has_no_vault_of_files_unless_an_operator_lists_it(owner: User, settings: Any, kind: str) -> None:
    vault, version = make_vault(owner, type=kind), made(username="sim", uid=1001)
    pointer, said = fault(owner, version, vault=vault.name)
    assert pointer == "/vault"
    assert "1001" in said
    assert ids(owner, version) == ("sim", "nimbix", 1001, 505)
    settings.IDENTITY_IDS = (1001,)
    assert asked(owner, version, vault=vault.name).faults == ()


def test_another_group_alone_may_have_the_vault(owner: User) -> None:
    vault = make_vault(owner)
    assert asked(owner, made(username="sim", gid=1001), vault=vault.name).faults == ()


def test_a_portal_that_is_not_root_runs_everything_as_itself(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    monkeypatch.setattr(os, "getegid", lambda: 1235)
    assert identity.run_ids() == (1234, 1235)
    assert ids(owner, made(username="sim", uid=505)) == ("sim", "nimbix", 1234, 1235)
    pointer, said = fault(owner, made(username="sim", uid=2000))
    assert pointer == "/identity"
    assert "not root" in said


def test_root_is_an_operators_grant_and_may_only_read_a_vault(owner: User) -> None:
    version, vault = made(username="sim", uid=1001), make_vault(owner)
    version.runs_as_root = version.writable_root = True
    assert ids(owner, version) == ("root", "root", 0, 0)
    plan = asked(owner, version, vault=vault.name, vault_readonly=True).plan
    assert plan is not None
    assert (plan.runs_as_root, plan.writable_root) == (True, True)
    pointer, said = fault(owner, version, vault=vault.name)
    assert pointer == "/vault"
    assert "only read" in said
