"""Account variables: read from app and command, required ones missed, names that no job may set left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps_catalog.launch.account import missing_variables
from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.plan import plan
from apps_catalog.launch.spec import AccountVariable
from tests.apps_catalog.launch.generate import definition, launch, read, site

LICENCE = {"name": "License server", "description": "Where", "userowned": False, "inherit": True, "required": True}


def test_variables_are_read_with_their_types() -> None:
    odd = {"name": "n", "description": 5, "userowned": "false", "inherit": "yes", "required": "true"}
    spec = read(definition(variables={"LICENCE": LICENCE, "ODD": odd}))
    assert spec.variables == {
        "LICENCE": AccountVariable("LICENCE", "License server", "Where", False, True, True),
        "ODD": AccountVariable("ODD", "n", "5", False, True, True),
    }
    assert spec.variables["LICENCE"].label == "License server"


@pytest.mark.parametrize("where", ["app", "command"])
@pytest.mark.parametrize(
    ("variables", "level", "code", "key"),
    [
        ({"V": {"name": "v"}}, "warning", "missing-key", "/V"),
        ({"V": "text"}, "warning", "ignored-value", "/V"),
        ({"V": {**LICENCE, "requird": True}}, "info", "unknown-key", "/V/requird"),
        ({"V": {**LICENCE, "userowned": True}}, "info", "no-effect", "/V/userowned"),
        ({"LD_PRELOAD": LICENCE}, "warning", "variable-name", "/LD_PRELOAD"),
        ({"a-b": LICENCE}, "warning", "variable-name", "/a-b"),
        ({f"V{n}": LICENCE for n in range(501)}, "error", "too-many", ""),
        ([LICENCE], "warning", "ignored-value", ""),
    ],
)
def test_what_is_wrong_with_a_variable_is_said_at_its_place(
    where: str, variables: Any, level: str, code: str, key: str
) -> None:
    over = {"variables": variables} if where == "app" else {"command": {"variables": variables}}
    found = read_appdef(json.dumps(definition(**over))).findings
    pointer = ("/variables" if where == "app" else "/commands/go/variables") + key
    assert (level, code, pointer) in {(finding.level, finding.code, finding.pointer) for finding in found}


def test_a_required_variable_without_a_value_is_a_fault() -> None:
    spec = read(
        definition(variables={"A": LICENCE, "B": {**LICENCE, "required": False}}, command={"variables": {"C": LICENCE}})
    )
    command = spec.commands["go"]
    faults = missing_variables(spec, command, {"B", "C"})
    assert [(fault.pointer, fault.code) for fault in faults] == [("/variables/A", "missing_variable")]
    assert faults[0].message == (
        "This app needs the account variable A (License server), which is not set for you. Ask an operator to set it."
    )
    assert missing_variables(spec, command, {"A", "C"}) == []
    assert [fault.pointer for fault in missing_variables(spec, command, ())] == ["/variables/A", "/variables/C"]


def test_a_variable_that_no_job_may_set_is_in_no_plan_and_not_missed() -> None:
    spec = read(definition(variables={"LD_PRELOAD": LICENCE}))
    assert missing_variables(spec, spec.commands["go"], ()) == []
    assert plan(launch(spec, {}), site(account=frozenset({"LD_PRELOAD"}))).variables == ()


def test_a_misspelt_top_level_key_is_read_as_variables() -> None:
    raw = definition(variable={"LICENCE": LICENCE})
    assert set(read(raw).variables) == {"LICENCE"}
