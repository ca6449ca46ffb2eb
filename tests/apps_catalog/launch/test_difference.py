"""The difference of two versions: each kind of change in words, and nothing where there is none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.difference import Change, Difference, difference
from apps_catalog.launch.overlay import apply
from apps_catalog.launch.spec import LaunchSpec
from tests.apps_catalog.drafts import appdef
from tests.apps_catalog.launch.corpus import FILES, needs_corpus
from tests.apps_catalog.launch.test_overlay import PARAMETERS


def read(parameters: dict[str, Any] | None = None, **over: Any) -> LaunchSpec:
    command = {"path": "/bin/run", "name": "Run", "description": "", "parameters": parameters or PARAMETERS}
    spec = read_appdef(json.dumps(appdef(**{"name": "A", "commands": {"run": command}, **over}))).spec
    assert spec is not None
    return spec


def of_one(key: str, **over: Any) -> Difference:
    return difference(read(), read({**PARAMETERS, key: {**PARAMETERS[key], **over}}))


def test_the_same_has_no_difference() -> None:
    found = difference(read(), read())
    assert found.same
    assert found.summary == "No difference"


CHANGES = [
    ("-n", {"value": 8}, Change("Default", "4", "8")),
    ("-n", {"max": 32}, Change("Most", "64", "32")),
    ("-n", {"required": False}, Change("Required", "required", "")),
    ("-n", {"positional": True}, Change("How it is passed", "the key, then the value", "the value alone")),
    ("-n", {"variable": True}, Change("How it is passed", "the key, then the value", "as a variable")),
    ("-n", {"name": "Number"}, Change("Label", "Count", "Number")),
    ("-n", {"type": "FLOAT"}, Change("Type", "INT", "FLOAT")),
    ("-s", {"step": 5}, Change("Step", "10", "5")),
    ("-f", {"precision": 3}, Change("Decimals", "2", "3")),
    ("-v", {"value": True}, Change("Default", "off", "on")),
    ("-m", {"values": ["Coarse", "Finer"]}, Change("Options", "Coarse (c), Fine (f)", "Coarse (c), Finer (f)")),
    ("-m", {"value": "Fine"}, Change("Default", "Coarse", "Fine")),
    ("out", {"value": "/x"}, Change("Default", "/tmp/out", "/x")),
    ("up", {"target": "new.json"}, Change("Target", "/opt/case.json", "/opt/new.json")),
    ("up", {"size": 1024}, Change("Most bytes", "", "1024")),
    ("-t", {"if": ["-v"]}, Change("Only when on", "", "-v")),
]


@pytest.mark.parametrize(("key", "over", "change"), CHANGES, ids=lambda one: str(one)[:50])
def test_each_change_of_a_parameter_is_told(key: str, over: dict[str, Any], change: Change) -> None:
    (command,) = of_one(key, **over).commands
    (parameter,) = command.of("changed")
    assert parameter.key == key
    assert change in parameter.changes


def test_new_and_dropped_parameters_and_commands_are_counted() -> None:
    parameters = {key: one for key, one in PARAMETERS.items() if key != "-f"}
    parameters["-x"] = {"name": "X", "type": "STR", "value": "", "required": True}
    other = {"path": "/bin/new", "name": "New", "description": "", "parameters": {}}
    command = {"path": "/bin/run2", "name": "Run", "description": "", "parameters": parameters}
    found = difference(read(), read(commands={"new": other, "run": command}))
    assert found.summary == "1 command new, 1 parameter dropped, 1 parameter new, 1 other thing changed"
    assert [(one.key, one.state) for one in found.commands] == [("new", "new"), ("run", "changed")]
    assert [(one.key, one.state) for one in found.commands[1].shown] == [("-f", "dropped"), ("-x", "new")]
    assert found.commands[1].of("new")[0].changes == (Change("Required", "", "has to be filled in"),)
    back = difference(read(commands={"new": other, "run": command}), read())
    assert back.commands[0].state == "dropped"


def test_the_app_itself_is_compared_with_its_image() -> None:
    over: dict[str, Any] = {"name": "B", "machines": ["m*"], "vault-types": ["NONE"], "scale_max": 4, "licensed": False}
    new = read(**over)
    found = difference(read(), new, images=("x:1", "x:2"))
    told = {change.what: (change.before, change.after) for change in found.changes}
    assert told == {
        "Name": ("A", "B"),
        "Machines": ("n*", "m*"),
        "Storage": ("FILE, NONE", "NONE"),
        "Most nodes": ("", "4"),
        "Licence": ("included, or none needed", "bring your own"),
        "Image": ("x:1", "x:2"),
    }


def test_another_order_of_the_command_line_is_told() -> None:
    found = difference(read(), read(dict(reversed(PARAMETERS.items()))))
    assert found.commands[0].changes == (Change("Order of the command line", "", "other parameters come first"),)


def test_what_a_curator_fixed_is_told_too() -> None:
    shaped = apply(read(), {"commands": {"run": {"parameters": {"-n": {"locked": 5}}}}})
    assert isinstance(shaped, LaunchSpec)
    (parameter,) = difference(read(), shaped).commands[0].of("changed")
    assert parameter.changes == (Change("Default", "4", "5"), Change("Asked for", "", "no: it is fixed"))


@needs_corpus
def test_every_real_file_is_the_same_as_itself() -> None:
    for path in FILES:
        spec = read_appdef(path.read_bytes()).spec
        if spec is not None:
            assert difference(spec, spec).same
