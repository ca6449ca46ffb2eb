"""`if` and `ifnot`: what is hidden is not demanded, not judged and not passed on; and what is wrong with them is said."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.conditions import MAX_LEVELS, present
from apps_catalog.launch.plan import plan
from apps_catalog.launch.schema import command_schema, hints
from apps_catalog.launch.spec import Finding, Launch, Submission
from apps_catalog.launch.validate import validate
from tests.apps_catalog.launch.generate import definition, launch, read, site
from tests.apps_catalog.launch.judged import judged
from tests.watchdog import ends

GENERIC = {"name": "", "description": "", "required": True, "positional": True}


def own(kind: str, **keys: Any) -> dict[str, Any]:
    return {**GENERIC, "type": kind, **keys}


MESH = {
    "mesh": own("BOOL", value=False),
    "fine": own("BOOL", value=True, **{"if": ["mesh"]}),
    "size": own("INT", value="", min=1, max=9, **{"if": ["mesh", "fine"]}),
    "file": own("FILE", ifnot=["mesh"]),
    "const": own("CONST", value="meshed", **{"if": ["mesh"]}),
    "level": own("STR", value="", variable=True, **{"if": ["fine"]}),
}
SPEC = read(definition(MESH))


def said(parameters: dict[str, Any], code: str) -> list[Finding]:
    found = read_appdef(json.dumps(definition(parameters))).findings
    return [finding for finding in found if finding.code == code]


@pytest.mark.parametrize(
    ("values", "keys"),
    [
        ({}, {"mesh", "file"}),
        ({"mesh": True}, {"mesh", "fine", "size", "const", "level"}),
        ({"mesh": "true", "fine": False}, {"mesh", "fine", "const"}),
        ({"fine": True}, {"mesh", "file"}),
        ({"mesh": None}, {"mesh", "file"}),
        ({"mesh": ["odd"]}, {"mesh", "file"}),
    ],
)
def test_present_is_what_all_bools_of_if_and_none_of_ifnot_say(values: dict[str, Any], keys: set[str]) -> None:
    assert present(SPEC.commands["go"], values) == keys


def test_what_is_hidden_is_neither_demanded_nor_judged_nor_kept() -> None:
    sent = {"file": "a.txt", "size": "not a number", "level": ["odd"], "const": "another", "fine": "maybe"}
    made = launch(SPEC, sent)
    assert made.values == {"mesh": False, "file": "a.txt"}
    planned = plan(made, site())
    assert planned.argv == ("/bin/go", "/data/a.txt")
    assert planned.variables == ()


def test_what_is_shown_is_demanded_and_passed_on() -> None:
    assert {fault.pointer for fault in judged(SPEC, {"mesh": True})} == {"/parameters/size", "/parameters/level"}
    planned = plan(launch(SPEC, {"mesh": True, "size": 3, "level": "high", "file": "../odd"}), site())
    assert planned.argv == ("/bin/go", "mesh", "fine", "3", "meshed")
    assert [(one.name, one.value) for one in planned.variables] == [("level", "high")]


def test_an_upload_that_is_hidden_is_no_file() -> None:
    spec = read(definition({"on": own("BOOL", value=False), "up": own("UPLOAD", target="f", **{"if": ["on"]})}))
    paths = [file.path for file in plan(launch(spec, {"up": "QUJD"}), site()).files]
    assert "/opt/f" not in paths
    assert "/opt/f" in [file.path for file in plan(launch(spec, {"up": "QUJD", "on": True}), site()).files]


@pytest.mark.parametrize("values", [{}, {"mesh": True}, {"mesh": True, "fine": False}, {"mesh": False, "fine": True}])
@pytest.mark.parametrize("more", [{}, {"size": 3, "level": "x"}, {"file": "a"}, {"size": 99}, {"file": 5, "level": ""}])
def test_the_schema_says_what_the_judge_says(values: dict[str, Any], more: dict[str, Any]) -> None:
    sent = {**values, **more}
    schema = command_schema(SPEC.commands["go"])
    Draft202012Validator.check_schema(schema)
    taken = isinstance(validate(SPEC, Submission("go", sent, "n1")), Launch)
    assert Draft202012Validator(schema).is_valid(sent) == taken


def test_the_schema_demands_what_is_conditional_only_where_its_condition_holds() -> None:
    schema = command_schema(SPEC.commands["go"])
    assert schema["required"] == []
    assert schema["properties"]["size"] == {"title": "size"}
    rule = next(rule for rule in schema["allOf"] if "size" in rule["then"]["properties"])
    assert rule == {
        "if": {"properties": {"mesh": {"const": True}, "fine": {"const": True}}, "required": ["mesh"]},
        "then": {"properties": {"size": {"type": "integer", "minimum": 1, "maximum": 9}}, "required": ["size"]},
    }


def test_hints_name_the_bools_that_a_form_goes_by() -> None:
    found = {hint.key: (hint.if_, hint.ifnot) for hint in hints(SPEC.commands["go"])}
    assert found["size"] == (("mesh", "fine"), ())
    assert found["file"] == ((), ("mesh",))
    assert found["mesh"] == ((), ())
    odd = read(definition({"b": own("BOOL", value=True), "s": own("STR", value="", **{"if": ["x", "b"]})}))
    assert hints(odd.commands["go"])[1].if_ == ("b",)


def test_a_name_that_is_no_bool_decides_nothing_and_is_said_with_what_may_be_meant() -> None:
    parameters = {
        "verbose": own("BOOL", value=True),
        "text": own("STR", value="x"),
        "a": own("STR", value="", **{"if": ["verbos"]}),
        "b": own("STR", value="", ifnot=["text"]),
    }
    (unknown,) = said(parameters, "condition-unknown")
    assert (unknown.level, unknown.pointer) == ("warning", "/commands/go/parameters/a/if")
    assert unknown.message == (
        "'if' names 'verbos', which is no parameter of this command; this name decides nothing. Did you mean 'verbose'?"
    )
    assert unknown.line == 1
    (other,) = said(parameters, "condition-not-bool")
    assert other.pointer == "/commands/go/parameters/b/ifnot"
    assert "'text', which is of type STR, not BOOL" in other.message
    assert "The BOOLs are: verbose." in other.message
    assert present(read(definition(parameters)).commands["go"], {}) == set(parameters)


CIRCLES: list[tuple[dict[str, Any], str]] = [
    ({"a": own("BOOL", value=True, **{"if": ["a"]})}, "a -> a"),
    ({"a": own("BOOL", value=True, **{"if": ["b"]}), "b": own("BOOL", value=True, ifnot=["a"])}, "a -> b -> a"),
    (
        {
            "s": own("STR", value="", **{"if": ["a"]}),
            "a": own("BOOL", value=True, **{"if": ["b"]}),
            "b": own("BOOL", value=True, **{"if": ["c"]}),
            "c": own("BOOL", value=True, **{"if": ["a"]}),
        },
        "a -> b -> c -> a",
    ),
]


@pytest.mark.parametrize(("parameters", "words"), CIRCLES)
def test_bools_that_wait_for_each_other_are_refused(parameters: dict[str, Any], words: str) -> None:
    (finding,) = said(parameters, "condition-circle")
    assert (finding.level, finding.pointer) == ("error", "/commands/go/parameters/a")
    assert f"in a circle: {words}." in finding.message


def test_a_circle_made_by_hand_is_false_and_ends() -> None:
    command = read(definition({"a": own("BOOL", value=True), "b": own("BOOL", value=True)})).commands["go"]
    looped = {
        "a": replace(command.parameters["a"], if_=("b",)),
        "b": replace(command.parameters["b"], if_=("a",)),
    }
    made = replace(command, parameters=looped)
    assert present(made, {}) == frozenset()
    assert Draft202012Validator(command_schema(made)).is_valid({})


def test_two_circles_are_two_findings() -> None:
    pairs = [("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")]
    parameters = {key: own("BOOL", value=True, **{"if": [other]}) for key, other in pairs}
    assert len(said(parameters, "condition-circle")) == 2


def test_conditions_too_many_levels_deep_are_refused() -> None:
    def chain(count: int) -> dict[str, Any]:
        links = {f"b{n}": own("BOOL", value=True, **{"if": [f"b{n - 1}"]}) for n in range(1, count + 1)}
        return {"b0": own("BOOL", value=True), **links}

    assert said(chain(MAX_LEVELS), "condition-depth") == []
    assert present(read(definition(chain(MAX_LEVELS))).commands["go"], {}) == set(chain(MAX_LEVELS))
    (finding,) = said(chain(MAX_LEVELS + 1), "condition-depth")
    assert finding.level == "error"
    (deep,) = said(chain(3000), "condition-depth")
    assert deep.level == "error"


def test_a_text_in_place_of_a_list_is_one_name() -> None:
    parameters = {"b": own("BOOL", value=False), "s": own("STR", value="", **{"if": "b"})}
    (finding,) = said(parameters, "condition-text")
    assert finding.level == "warning"
    assert "should be a list of names of BOOLs; 'b' is read as one name" in finding.message
    assert present(read(definition(parameters)).commands["go"], {}) == {"b"}


def test_a_name_in_both_ways_is_never_present() -> None:
    parameters = {"b": own("BOOL", value=False), "s": own("STR", value="", **{"if": ["b"], "ifnot": ["b"]})}
    (finding,) = said(parameters, "condition-never")
    assert finding.level == "warning"
    assert present(read(definition(parameters)).commands["go"], {"b": True}) == {"b"}


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ([f"name{n}" for n in range(110_000)], "condition-too-long"),
        (["n" * 1_000_000], "condition-unknown"),
        ("n" * 1_000_000, "condition-text"),
    ],
)
def test_a_megabyte_of_conditions_has_its_own_short_message(written: Any, code: str) -> None:
    with ends():
        found = read_appdef(json.dumps(definition({"s": own("STR", value="", **{"if": written})}))).findings
    assert code in {finding.code for finding in found}
    assert all(len(finding.message) < 1300 for finding in found)
    if code == "condition-too-long":
        finding = next(finding for finding in found if finding.code == code)
        assert (finding.level, finding.pointer) == ("error", "/commands/go/parameters/s/if")
        assert "names 110000 BOOLs; at most 200 are read" in finding.message


@pytest.mark.slow
def test_many_unfit_conditions_are_read() -> None:
    flags = {f"flag{n}": own("BOOL", value=True) for n in range(2000)}
    texts = {f"s{n}": own("STR", value="", **{"if": [f"flog{n}", f"flag{n % 2000}"]}) for n in range(2900)}
    with ends():
        assert read_appdef(json.dumps(definition({**flags, **texts}))).ok


def test_229_parameters_with_conditions_are_judged() -> None:
    parameters = {f"b{n}": own("BOOL", value=True, **({"if": [f"b{n - 1}"]} if n % 9 else {})) for n in range(99)}
    parameters |= {f"s{n}": own("STR", value="", **{"if": [f"b{n % 99}"], "ifnot": []}) for n in range(130)}
    spec = read(definition(parameters))
    given: dict[str, Any] = {key: "x" if key.startswith("s") else True for key in parameters}
    with ends():  # how long it takes is bench/forms'
        assert launch(spec, given).values.keys() == given.keys()
