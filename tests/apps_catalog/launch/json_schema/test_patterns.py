"""Patterns that JavaScript knows and Python does not: they judge, and change nothing for all others."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from apps_catalog.launch.json_schema.bounds import check_schema
from apps_catalog.launch.json_schema.documents import Schema
from apps_catalog.launch.json_schema.verdicts import faults_of

LETTERS = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"name": {"type": "string", "pattern": r"^\p{Lu}\p{L}*(?<rest>-\p{L}+)?$"}, "next": {"$ref": "#"}},
    "patternProperties": {r"^\p{Nd}+$": {"type": "integer"}},
    "additionalProperties": False,
}


def read(root: dict[str, Any]) -> Schema:
    found = check_schema(root)
    assert found.schema is not None, found.findings
    assert [one for one in found.findings if one.level != "info"] == []
    return found.schema


@pytest.mark.parametrize(
    ("value", "faults"),
    [
        ({"name": "Ägypten-ost", "١٢": 3}, []),
        ({"name": "ägypten"}, [("/name", "pattern")]),
        ({"next": {"next": {"name": "x"}}}, [("/next/next/name", "pattern")]),
        ({"12": "x"}, [("/12", "type")]),
        ({"other": 1}, [("/other", "unknown-parameter")]),
        ({"next": 7}, [("/next", "type")]),
    ],
)
def test_they_judge_at_every_depth(value: dict[str, Any], faults: list[tuple[str, str]]) -> None:
    assert [(one.pointer, one.code) for one in faults_of(read(LETTERS), value)] == faults


def test_other_keys_may_have_a_schema_too() -> None:
    schema = read({"patternProperties": {r"^\p{L}$": {}}, "additionalProperties": {"type": "number"}})
    assert faults_of(schema, {"é": "x", "long": 2}) == []
    assert [one.pointer for one in faults_of(schema, {"long": "x"})] == ["/long"]
    assert faults_of(read({"patternProperties": {r"^\p{L}$": {}}, "additionalProperties": True}), {"long": 1}) == []


def test_a_schema_that_python_can_read_is_judged_by_jsonschema_untouched() -> None:
    schema = read({"properties": {"a": {"pattern": "^(?P<x>a+)$"}}, "patternProperties": {"^b": {}}})
    assert type(schema.validator) is jsonschema.Draft202012Validator


def test_a_repeat_of_a_property_is_not_called_possessive() -> None:
    assert check_schema({"pattern": r"^\p{L}+$"}).findings == ()
    assert [one.code for one in check_schema({"pattern": "^a{2}+$"}).findings] == ["pattern-server"]


def test_a_key_that_is_called_like_the_dialect_is_no_second_one() -> None:
    read({**LETTERS, "properties": {"$schema": {"type": "string"}, "name": {"pattern": r"^\p{L}$"}}})
