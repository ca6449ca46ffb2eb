"""What the installation answers for a launch: machine types by any of their names, nodes, whom it trusts, account variables."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from apps_catalog.launch.spec import Fault, RunPlan, Submission
from apps_catalog.models import Version
from jobs import services
from jobs.models import Job
from jobs.services import Preview
from portal.errors import Invalid
from portal.people import account_variables
from portal.people.models import User
from tests.apps_catalog.launch.generate import definition
from tests.factories import make_machine, make_team, make_version
from tests.jobs import every_key

pytestmark = pytest.mark.django_db


def made(parameters: Any = None, **over: Any) -> Version:
    return make_version(definition=definition(parameters, **over))


def asked(owner: User, version: Version, **over: Any) -> Preview:
    return services.preview(owner=owner, version=version, submission=Submission(**{"command": "go", **over}))


def planned(owner: User, version: Version, **over: Any) -> RunPlan:
    preview = asked(owner, version, vault="NONE", **over)
    assert preview.plan is not None, preview.faults
    return preview.plan


def refused(owner: User, version: Version, **over: Any) -> Fault:
    (fault,) = asked(owner, version, **over).faults
    return fault


def constant(value: str) -> dict[str, Any]:
    return {"type": "CONST", "value": value, "name": "n", "description": "d", "required": True, "positional": True}


# -- machine types ----------------------------------------------------------------------------------------------------


def test_a_machine_type_answers_to_its_aliases(owner: User) -> None:
    make_machine("small", aliases=["n3", "n4"])
    version = made({"m": constant("%MACHINETYPE%")}, machines=["n[3-4]"])
    by_alias, by_name, unnamed = (planned(owner, version, machine=name) for name in ("n4", "small", ""))
    assert by_alias == by_name == unnamed
    assert by_alias.argv[-1] == "small"
    job = services.submit(owner=owner, version=version, submission=Submission("go", machine="n3", vault="NONE")).job
    assert job.machine_type.name == "small"


def test_a_name_goes_before_an_alias_and_the_first_in_order_has_the_alias(owner: User) -> None:
    make_machine("b", aliases=["big"], order=2)
    make_machine("a", aliases=["big"], order=1)
    version = made()
    assert asked(owner, version, machine="big", vault="NONE").machine == make_machine("a")
    make_machine("big", order=9)
    assert asked(owner, version, machine="big", vault="NONE").machine == make_machine("big")


@pytest.mark.parametrize(
    ("machine", "code", "said"),
    [
        ("n33", "unknown_machine", "Did you mean n3"),
        ("zz", "unknown_machine", "Pick one"),
        ("other", "machine_refused", "runs on: small"),
        ("off", "unknown_machine", "no machine type"),
    ],
)
def test_a_machine_type_that_is_not_to_be_had_is_told(owner: User, machine: str, code: str, said: str) -> None:
    make_machine("small", aliases=["n3"])
    make_machine("other")
    make_machine("gone", aliases=["off"], enabled=False)
    fault = refused(owner, made(machines=["n*"]), machine=machine, vault="NONE")
    assert (fault.pointer, fault.code) == ("/machine", code)
    assert said in fault.message


def test_the_sizes_of_master_and_slaves_are_filled_in(owner: User) -> None:
    make_machine("n1", cores=4, ram_mib=8192, gpus=2, slave_ram_mib=4096, slave_gpus=1, nodes_max=3)
    words = "%CORES% %RAM% %SRAM% %GPUS% %SGPUS% %NODES% %TCORES% %TRAM% %TGPUS%"
    plan = planned(owner, made({"all": constant(words)}), nodes=3)
    assert plan.argv[-1] == "4 8 4 2 1 3 12 16 4"
    assert (plan.nodes, plan.limits.slave_memory_mib, plan.limits.slave_gpus) == (3, 4096, 1)


# -- nodes and prices -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes_max", "scale_max", "nodes", "said"),
    [
        (1, None, 2, "one node at most"),
        (4, None, 5, "4 nodes at most"),
        (8, 2, 3, "at most 2"),
        (8, None, 0, "at least 1"),
        (8, None, "2", "whole number"),
        (8, None, True, "whole number"),
    ],
)
def test_too_many_nodes_are_refused_by_the_app_or_the_machine_type(
    owner: User, nodes_max: int, scale_max: int | None, nodes: Any, said: str
) -> None:
    make_machine("n1", nodes_max=nodes_max)
    over = {"scale_max": scale_max} if scale_max else {}
    fault = refused(owner, made(**over), nodes=nodes, machine="n1", vault="NONE")
    assert fault.pointer == "/nodes"
    assert said in fault.message


def test_a_job_keeps_its_nodes_its_price_and_its_project_and_a_re_run_too(owner: User) -> None:
    make_machine("n1", nodes_max=4, price_per_hour=Decimal("1.25"))
    version = made()
    submission = Submission("go", machine="n1", nodes=3, vault="NONE", walltime_s=7200)
    preview = services.preview(owner=owner, version=version, submission=submission)
    assert preview.estimate == Decimal("7.50")
    job = services.submit(owner=owner, version=version, submission=submission, project="wing").job
    make_machine("n1").__class__.objects.update(price_per_hour=9)
    again = services.rerun(job=job, actor=owner)
    assert [(j.nodes, j.price_per_hour, j.project) for j in (job, again)] == [
        (3, Decimal("1.25"), "wing"),
        (3, Decimal(9), "wing"),
    ]
    assert again.plan_digest == job.plan_digest


@pytest.mark.parametrize("project", ["x" * 201, "a\0b", "\udc80"])
def test_a_project_that_can_not_be_kept_is_refused(owner: User, project: str) -> None:
    make_machine("n1")
    with pytest.raises(Invalid) as caught:
        services.submit(owner=owner, version=made(), submission=Submission("go", vault="NONE"), project=project)
    assert [fault.pointer for fault in caught.value.faults] == ["/project"]
    assert not Job.objects.exists()


# -- whom it trusts ---------------------------------------------------------------------------------------------------


def test_only_a_certified_app_or_ones_own_learns_where_the_api_is(owner: User, stranger: User, settings: Any) -> None:
    settings.PUBLIC_URL = "https://slipway.example"
    make_machine("n1")
    version = made({"a": constant("%APIURL% %APIUSER%"), "b": constant("key=%APIKEY%")})
    assert planned(owner, version).argv[-2:] == ("%APIURL% %APIUSER%", "key=%APIKEY%")
    version.app.created_by = owner
    assert planned(owner, version).argv[-2:] == ("https://slipway.example/api/ owner", "key=%APIKEY%")
    assert planned(stranger, version).argv[-2] == "%APIURL% %APIUSER%"
    version.certified = True
    assert planned(stranger, version).argv[-2] == "https://slipway.example/api/ stranger"


# -- account variables ------------------------------------------------------------------------------------------------


@pytest.fixture
def licensed() -> Version:
    make_machine("n1")
    return make_version(definition=every_key.definition())


def test_a_required_account_variable_that_is_not_set_is_named(owner: User, licensed: Version) -> None:
    fault = refused(owner, licensed, command="desk", vault="NONE")
    assert (fault.pointer, fault.code) == ("/variables/LICENSE_SERVER", "missing_variable")
    assert "Ask an operator to set" in fault.message
    with pytest.raises(Invalid):
        services.submit(owner=owner, version=licensed, submission=Submission("desk", vault="NONE"))


@pytest.mark.parametrize(
    ("name", "whose", "found"),
    [
        ("LICENSE_SERVER", "own", ["LICENSE_SERVER"]),
        ("LICENSE_SERVER", "team", ["LICENSE_SERVER"]),
        ("LICENSE_SERVER", "stranger", None),
        ("REGION", "own", None),
    ],
)
def test_a_value_is_ones_own_or_the_teams_where_it_is_inherited(
    owner: User, stranger: User, licensed: Version, name: str, whose: str, found: list[str] | None
) -> None:
    team = make_team(owner)
    match whose:
        case "team":
            account_variables.set_variable(name=name, value="x", team=team)
        case _:
            account_variables.set_variable(name=name, value="x", user=owner if whose == "own" else stranger)
    plan = asked(owner, licensed, command="desk", vault="NONE").plan
    assert (plan and [v.name for v in plan.variables if v.account]) == found


def test_a_variable_that_is_not_inherited_is_not_the_teams(owner: User, licensed: Version) -> None:
    account_variables.set_variable(name="LICENSE_SERVER", value="x", user=owner)
    account_variables.set_variable(name="REGION", value="x", team=make_team(owner))
    plan = planned(owner, licensed, command="desk")
    assert [v.name for v in plan.variables if v.account] == ["LICENSE_SERVER"]


def test_the_value_is_neither_in_a_preview_nor_in_a_row(owner: User, licensed: Version) -> None:
    account_variables.set_variable(name="LICENSE_SERVER", value="canary-55", user=owner)
    submission = Submission("desk", vault="NONE")
    job = services.submit(owner=owner, version=licensed, submission=submission).job
    assert "canary-55" not in str(job.plan) + str(planned(owner, licensed, command="desk").as_json())
    assert "LICENSE_SERVER" in str(job.plan)
