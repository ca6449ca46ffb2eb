"""What a command asks for, as JSON Schema and as hints for a form."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from apps_catalog.launch.parameters import Hint
from apps_catalog.launch.schema import command_schema, hints
from tests.apps_catalog.launch.generate import definition, read

GENERIC = {"name": "Name", "description": "Help", "required": True, "positional": True}


def hint(**own: Any) -> Hint:
    (one,) = hints(read(definition({"p": {**GENERIC, **own}})).commands["go"])
    return one


def test_the_schema_of_a_command_keeps_the_authors_order_and_words() -> None:
    parameters = {
        "z": {**GENERIC, "type": "STR", "value": ""},
        "c": {**GENERIC, "type": "CONST", "value": "x"},
        "a": {**GENERIC, "type": "RANGE", "value": 4, "min": 0, "max": 8, "step": 2, "required": False},
        "s": {**GENERIC, "type": "selection", "values": ["A", "A"], "mvalues": ["A", "b"]},
    }
    schema = command_schema(read(definition(parameters)).commands["go"])
    Draft202012Validator.check_schema(schema)
    assert list(schema["properties"]) == ["z", "a", "s"]
    assert schema["required"] == ["z"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["a"] == {
        "title": "Name", "description": "Help", "type": "integer", "minimum": 0, "maximum": 8, "multipleOf": 2,
        "default": 4,
    }  # fmt: skip
    assert schema["properties"]["s"]["enum"] == ["b", {"option": 0}]


@pytest.mark.parametrize(("minimum", "has"), [(0, True), (3, False), (4, True), (-2, True)])
def test_multiple_of_is_said_only_where_it_means_the_step(minimum: int, has: bool) -> None:
    raw = definition({"p": {**GENERIC, "type": "RANGE", "value": minimum, "min": minimum, "max": 20, "step": 2}})
    schema = command_schema(read(raw).commands["go"])
    assert ("multipleOf" in schema["properties"]["p"]) == has


@pytest.mark.parametrize(
    ("own", "widget", "limits"),
    [
        ({"type": "STR", "value": ""}, "text", ""),
        ({"type": "STR", "value": "a\nb"}, "longtext", ""),
        ({"type": "INT", "value": 1, "min": 1, "max": 64}, "integer", "1 to 64"),
        ({"type": "INT", "value": 1, "min": 1}, "integer", "at least 1"),
        ({"type": "INT", "value": 1, "max": 64}, "integer", "at most 64"),
        ({"type": "RANGE", "value": 1, "min": 1, "max": 64, "step": 2}, "range", "1 to 64, step 2"),
        ({"type": "RANGE", "value": 1, "min": 1, "max": 64, "step": 1}, "range", "1 to 64"),
        ({"type": "RANGE", "value": 1, "min": 1, "step": 3}, "integer", "at least 1, step 3"),
        ({"type": "FLOAT", "value": 1, "min": 0.5, "max": "2.0"}, "float", "0.5 to 2"),
        (
            {"type": "FLOAT", "value": 1, "min": 0, "max": 2, "precision": 2},
            "float",
            "0 to 2, at most 2 decimals; extra decimals are cut off, not rounded",
        ),
        ({"type": "FLOAT", "value": 1, "precision": 0}, "float", "decimals are cut off, not rounded"),
        ({"type": "BOOL", "value": True}, "switch", ""),
        ({"type": "selection", "values": list("abcd")}, "radio", ""),
        ({"type": "selection", "values": list("abcde")}, "select", ""),
        ({"type": "selection", "values": list("abcdefghijkl")}, "searchselect", ""),
        ({"type": "FILE", "filter": "*.c|*.py"}, "file", "*.c, *.py"),
        ({"type": "UPLOAD", "target": "f", "filter": ".json", "size": 4096}, "upload", ".json, at most 4 KiB"),
    ],
)
def test_each_type_has_its_widget_and_limits(own: dict[str, Any], widget: str, limits: str) -> None:
    one = hint(**own)
    assert (one.widget, one.limits) == (widget, limits)
    assert (one.key, one.label, one.help, one.required) == ("p", "Name", "Help", True)


def test_a_selection_hint_lists_indexed_options_and_the_index_of_the_default() -> None:
    one = hint(type="selection", values=["A", "B"], mvalues=["-a", "-b"], value="B")
    assert [(option.index, option.label, option.value) for option in one.options] == [(0, "A", "-a"), (1, "B", "-b")]
    assert one.default == 1


def test_a_value_that_can_not_be_passed_on_is_noted_in_the_form() -> None:
    assert (
        "does not get this value"
        in hints(read(definition({"PATH": {**GENERIC, "type": "STR", "value": "", "variable": True}})).commands["go"])[
            0
        ].note
    )
