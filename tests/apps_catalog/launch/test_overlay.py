"""The curator's overlay: over the launch spec, inside the author's limits, with every fault at its pointer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.overlay import apply, carry_over, digest_of, shape_faults
from apps_catalog.launch.plan import plan
from apps_catalog.launch.schema import command_schema, hints
from apps_catalog.launch.spec import Launch, LaunchSpec, Submission
from apps_catalog.launch.validate import validate
from tests.apps_catalog.drafts import appdef
from tests.apps_catalog.launch.generate import site

PARAMETERS: dict[str, Any] = {
    "-n": {"name": "Count", "type": "INT", "value": 4, "min": 1, "max": 64, "required": True},
    "-s": {"name": "Steps", "type": "RANGE", "value": 10, "min": 10, "max": 100, "step": 10, "required": True},
    "-f": {"name": "Factor", "type": "FLOAT", "value": 0.5, "min": 0, "max": 1, "precision": 2, "required": False},
    "-v": {"name": "Verbose", "type": "BOOL", "value": False, "required": False},
    "-m": {"name": "Mesh", "type": "selection", "values": ["Coarse", "Fine"], "mvalues": ["c", "f"], "required": True},
    "-t": {"name": "Title", "type": "STR", "value": "", "required": True},
    "out": {"name": "Out", "type": "CONST", "value": "/tmp/out"},
    "up": {"name": "Case", "type": "UPLOAD", "target": "case.json", "required": False},
}


def read(**over: Any) -> LaunchSpec:
    commands = {
        "run": {"path": "/bin/run", "name": "Run", "description": "Runs.", "parameters": PARAMETERS},
        "check": {"path": "/bin/check", "name": "Check", "description": "", "parameters": {}},
    }
    spec = read_appdef(json.dumps(appdef(**{"commands": commands, **over}))).spec
    assert spec is not None
    return spec


def of(**wishes: Any) -> dict[str, Any]:
    """An overlay for parameters of `run`; n= stands for -n."""
    keys = {"out": "out", "up": "up"}
    return {"commands": {"run": {"parameters": {keys.get(name, f"-{name}"): wish for name, wish in wishes.items()}}}}


def applied(overlay: dict[str, Any]) -> LaunchSpec:
    spec = apply(read(), overlay)
    assert isinstance(spec, LaunchSpec), spec
    return spec


def launched(spec: LaunchSpec, **parameters: Any) -> Launch:
    given = {f"-{name}": value for name, value in parameters.items()}
    launch = validate(spec, Submission("run", given, machine="n1"))
    assert isinstance(launch, Launch), launch
    return launch


def words_of(launch: Launch) -> tuple[str, ...]:
    return plan(launch, site()).argv


def test_words_default_limits_and_groups_reach_form_and_schema() -> None:
    wish = {"label": "Cores", "help": "How many", "default": 8, "min": 2, "max": 16, "group": "Size"}
    command = applied(of(n=wish)).commands["run"]
    hint = next(one for one in hints(command) if one.key == "-n")
    assert (hint.label, hint.help, hint.default, hint.limits, hint.group) == ("Cores", "How many", 8, "2 to 16", "Size")
    schema = command_schema(command)["properties"]["-n"]
    assert (schema["minimum"], schema["maximum"], schema["default"], schema["title"]) == (2, 16, 8, "Cores")
    faults = validate(applied(of(n=wish)), Submission("run", {"-n": 17, "-t": "x"}, machine="n1"))
    assert isinstance(faults, list)
    assert [(fault.pointer, fault.message) for fault in faults] == [("/parameters/-n", "must be at most 16")]


def test_a_locked_parameter_is_passed_like_any_value_and_asked_of_nobody() -> None:
    spec = applied(of(t={"locked": "%JOBNAME% $(id) 'x'"}, m={"locked": "Fine"}, v={"locked": True}, n={"locked": "7"}))
    assert [hint.key for hint in hints(spec.commands["run"])] == ["-s", "-f", "up"]
    words = words_of(launched(spec))
    assert words == (
        *("/bin/run", "-n", "7", "-s", "10", "-f", "0.5", "-v", "-m", "f", "-t", "%JOBNAME% $(id) 'x'"),
        "/tmp/out",
    )
    assert plan(launched(spec), site()).authored == plan(launched(spec), site()).expanded == (), "no author's text"
    assert words_of(launched(spec, n=7)) == words, "repeating what is fixed is no fault"
    assert words_of(launched(spec, n="7")) == words
    refused = validate(spec, Submission("run", {"-n": 8}, machine="n1"))
    assert isinstance(refused, list)
    assert refused[0].message == "is set by a curator and can't be changed"


def test_a_hidden_parameter_uses_its_default() -> None:
    spec = applied(of(n={"hidden": True, "default": 9}, f={"hidden": True}, t={"default": "x"}))
    assert {"-n", "-f"}.isdisjoint(hint.key for hint in hints(spec.commands["run"]))
    assert words_of(launched(spec))[1:5] == ("-n", "9", "-s", "10")


def test_order_is_of_the_form_and_never_of_the_words_of() -> None:
    overlay = {"commands": {"run": {"order": ["-t", "-n", "-t"]}}}
    spec = applied(overlay)
    assert [hint.key for hint in hints(spec.commands["run"])][:3] == ["-t", "-n", "-s"]
    assert words_of(launched(spec, t="x"))[:3] == ("/bin/run", "-n", "4")


def test_positional_may_be_chosen_for_every_type() -> None:
    spec = applied(of(n={"positional": True}, out={"positional": False}))
    assert words_of(launched(spec, t="x")) == (
        *("/bin/run", "-s", "10", "-f", "0.5", "-m", "c", "-t", "x", "out", "/tmp/out", "4"),
    )


def test_the_app_and_its_commands_get_other_words() -> None:
    overlay = {
        "name": "Better",
        "summary": "",
        "categories": ["A / B", "A/B"],
        "commands": {"run": {"name": "Go", "machines": ["n[1-3]"]}, "check": {"hidden": True}},
    }
    spec = applied(overlay)
    assert (spec.name, spec.description, spec.categories) == ("Better", "", ("A/B",))
    assert list(spec.commands) == ["run"]
    assert spec.commands["run"].name == "Go"
    faults = validate(spec, Submission("run", {"-t": "x"}, machine="n7"))
    assert isinstance(faults, list)
    assert faults[0].pointer == "/machine"


RUN = "/commands/run/parameters"
BAD: list[tuple[dict[str, Any], str, str]] = [
    (of(n={"min": 0}), f"{RUN}/-n/min", "must be within the author's limits: 1 to 64"),
    (of(n={"max": 65}), f"{RUN}/-n/max", "must be within the author's limits: 1 to 64"),
    (of(n={"min": 9, "max": 5, "default": 9}), f"{RUN}/-n/max", "leaves no value: from 9 to 5"),
    (of(n={"min": "many"}), f"{RUN}/-n/min", "must be a whole number"),
    (of(n={"min": 5}), f"{RUN}/-n/min", "leaves the author's default 4 out: it must be at least 5. Set a default, too"),
    (of(n={"default": 65}), f"{RUN}/-n/default", "must be at most 64"),
    (of(n={"default": "x"}), f"{RUN}/-n/default", "must be a whole number"),
    (of(s={"min": 15}), f"{RUN}/-s/min", "must be 10 plus a multiple of 10, as the author's steps"),
    (of(s={"default": 15}), f"{RUN}/-s/default", "the nearest allowed values are 10 and 20"),
    (of(s={"default": ""}), f"{RUN}/-s/default", "needs a value"),
    (of(f={"default": 2}), f"{RUN}/-f/default", "must be at most 1"),
    (of(v={"locked": "maybe"}), f"{RUN}/-v/locked", "must be true or false"),
    (of(m={"default": "Finest"}), f"{RUN}/-m/default", "must be one of: Coarse, Fine. Did you mean Fine?"),
    (of(t={"hidden": True}), f"{RUN}/-t/hidden", "needs a default: it is required"),
    (of(t={"locked": ""}), f"{RUN}/-t/locked", "needs a value"),
    (of(t={"min": 1}), f"{RUN}/-t/min", "only numbers have limits; this is a STR"),
    (of(out={"locked": "/etc"}), f"{RUN}/out/locked", "a CONST is the author's own text"),
    (of(up={"default": "x"}), f"{RUN}/up/default", "an UPLOAD is a file of the person"),
    (of(n={"labell": "x"}), f"{RUN}/-n/labell", "is not known here. Did you mean label?"),
    (of(n={"hidden": "yes"}), f"{RUN}/-n/hidden", "must be boolean"),
    (of(n={"label": "x" * 301}), f"{RUN}/-n/label", "must have at most 300 characters"),
    (of(n={"label": "a\0b"}), f"{RUN}/-n/label", "holds a NUL"),
    (
        of(nn={"label": "x"}),
        f"{RUN}/-nn",
        "names the parameter '-nn', which this version does not have. Did you mean -n?",
    ),
    ({"commands": {"rum": {"name": "x"}}}, "/commands/rum", "names the command 'rum'"),
    ({"commands": {"run": {"order": ["-n", "-x"]}}}, "/commands/run/order/1", "names the parameter '-x'"),
    ({"commands": {"run": {"machines": ["*"]}}}, "/commands/run/machines/0", "machines that the author does not allow"),
    (
        {"commands": {"run": {"hidden": True}, "check": {"hidden": True}}},
        "/commands/run/hidden",
        "would leave no command to launch",
    ),
]


@pytest.mark.parametrize(
    ("overlay", "pointer", "message"), BAD, ids=lambda one: one[:40] if isinstance(one, str) else ""
)
def test_what_does_not_fit_is_said_where_it_stands(overlay: dict[str, Any], pointer: str, message: str) -> None:
    faults = apply(read(), overlay)
    assert isinstance(faults, list)
    assert faults[0].pointer == pointer
    assert message in faults[0].message


@pytest.mark.parametrize(
    "overlay", [[], "x", None, {"commands": []}, {"commands": {"run": 1}}, {"icon": "x" * 3 * 2**20}]
)
def test_any_json_is_judged(overlay: Any) -> None:
    assert shape_faults(overlay)


def test_an_overlay_is_carried_to_the_next_version_as_far_as_it_fits() -> None:
    parameters = {key: one for key, one in PARAMETERS.items() if key != "-f"}
    parameters["-n"] = {**PARAMETERS["-n"], "max": 8}
    command = {"path": "/bin/run", "name": "Run", "description": "", "parameters": parameters}
    overlay = of(n={"label": "Cores", "max": 16}, f={"label": "Factor"}, t={"default": "x"})
    overlay["commands"]["run"]["order"] = ["-f", "-t", "-n"]
    overlay["commands"]["check"] = {"name": "Gone"}
    carried = carry_over(read(commands={"run": command}), overlay)
    assert carried.overlay == {
        "commands": {"run": {"parameters": {"-n": {"label": "Cores"}, "-t": {"default": "x"}}, "order": ["-t", "-n"]}}
    }
    assert carried.kept == 3
    assert {fault.pointer for fault in carried.dropped} == {
        "/commands/check",
        "/commands/run/order/0",
        "/commands/run/parameters/-f",
        "/commands/run/parameters/-n/max",
    }


def test_the_digest_hangs_on_what_is_said_alone() -> None:
    assert digest_of({}) == ""
    assert digest_of({"name": "a", "summary": "b"}) == digest_of({"summary": "b", "name": "a"})
    assert digest_of({"name": "a"}) != digest_of({"name": "b"})
