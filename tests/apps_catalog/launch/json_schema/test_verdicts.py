"""The verdict is jsonschema's and nothing else; each fault stands at its value, in plain words."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from apps_catalog.launch.json_schema.asking import judge_here
from apps_catalog.launch.json_schema.bounds import check_schema
from apps_catalog.launch.json_schema.verdicts import faults_of
from tests.apps_catalog.launch.json_schema.generating import ANY, Generator
from tests.apps_catalog.launch.json_schema.schemas import PROBES, Sample, corpus, there

TREE = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
# Schema, instance, and what is said where.
CASES: list[tuple[dict[str, Any], Any, dict[str, str]]] = [
    ({"required": ["a", "b"]}, {}, {"/a": "must be filled in", "/b": "must be filled in"}),
    ({"properties": {"t": TREE}}, {"t": {}}, {"/t/name": "must be filled in"}),
    ({"properties": {"a": {}}, "additionalProperties": False}, {"b": 1}, {"/b": "is not a key that is known here; remove it"}),
    ({"properties": {"n": {"type": "integer", "minimum": 3}}}, {"n": 2}, {"/n": "must be at least 3"}),
    ({"properties": {"n": {"type": ["integer", "null"]}}}, {"n": "x"}, {"/n": "must be a whole number or null"}),
    ({"properties": {"n": {"enum": ["a", 1]}}}, {"n": 2}, {"/n": "must be one of: a, 1"}),
    ({"properties": {"l": {"items": {"type": "string"}}}}, {"l": ["a", 1]}, {"/l/1": "must be a text"}),
    ({"properties": {"l": {"minItems": 2, "uniqueItems": True}}}, {"l": [1]}, {"/l": "must have at least 2 items"}),
    ({"dependentRequired": {"card": ["bill"]}}, {"card": 1}, {"/bill": "must be filled in, because card is given"}),
    ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, {"a": 1}, {"/b": "must be filled in"}),
    ({"propertyNames": {"pattern": "^x"}}, {"y": 1}, {"/y": "is a key that must match the pattern ^x"}),
    ({"properties": {"a": False}}, {"a": 1}, {"/a": "must be left out"}),
    ({"properties": {"a": {"oneOf": [{"const": 1}, {"const": 2}]}}}, {"a": 3}, {"/a": "must be one of: 1, 2"}),
    ({"properties": {"a": {"oneOf": [{"type": "number"}, {"minimum": 1}]}}}, {"a": 2},
     {"/a": "fits more than one of the alternatives; exactly one must fit"}),
    ({"properties": {"a": {"anyOf": [TREE, {"type": "array"}]}}}, {"a": {}}, {"/a/name": "must be filled in"}),
    ({"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "array"}]}}}, {"a": 1},
     {"/a": "fits none of the 2 alternatives; choose one"}),
    ({}, [1], {"": "must be an object: keys and their values"}),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "instance", "expected"), CASES)
def test_faults_stand_at_their_values_in_plain_words(
    schema: dict[str, Any], instance: Any, expected: dict[str, str]
) -> None:
    found = check_schema(schema).schema
    assert found is not None
    assert {fault.pointer: fault.message for fault in faults_of(found, instance)} == expected


def test_the_chosen_alternative_is_the_one_that_complains() -> None:
    schema = check_schema({"anyOf": [{"required": ["name"]}, {"required": ["lat", "lon"]}]}).schema
    assert schema is not None
    assert [fault.pointer for fault in faults_of(schema, {}, {("", "anyOf"): 1})] == ["/lat", "/lon"]
    assert [fault.pointer for fault in faults_of(schema, {}, {("", "anyOf"): 0})] == ["/name"]


def disagreements(sample: Sample, count: int) -> list[Any]:
    """Instances, valid ones and spoilt ones, of which faults and jsonschema say different things."""
    schema, rolled = sample.schema, random.Random(sample.name)
    instances = Generator(schema, sample.name).instances(count)
    spoilt = [spoil(copy.deepcopy(one), rolled) for one in instances for _ in range(3)]
    found = []
    for instance in [*instances, *spoilt]:
        valid = schema.validator.is_valid(instance) and (isinstance(instance, dict) or not schema.demands_object)
        if valid == bool(judge_here(schema, instance).faults):
            found.append(instance)
    return found


def spoil(value: Any, rolled: random.Random) -> Any:
    """The same with something in it changed, taken away or added."""
    if isinstance(value, dict) and value and rolled.random() < 0.9:
        key = rolled.choice(list(value))
        match rolled.randint(0, 3):
            case 0:
                del value[key]
            case 1:
                value["not known"] = rolled.choice(ANY)
            case _:
                value[key] = spoil(value[key], rolled)
        return value
    if isinstance(value, list) and value and rolled.random() < 0.8:
        value[0] = spoil(value[0], rolled)
        return value
    return rolled.choice([*ANY, -1e9, "", "x" * 300])


@pytest.mark.parametrize("sample", corpus())
def test_agrees_with_jsonschema_on_real_schemas(sample: Sample | None) -> None:
    assert disagreements(there(sample), 20) == []


@pytest.mark.parametrize("sample", PROBES, ids=lambda sample: sample.name)
def test_agrees_with_jsonschema_on_each_feature(sample: Sample) -> None:
    assert disagreements(sample, 20) == []
    assert judge_here(sample.schema, sample.filling).faults == ()
