"""What an author's schema must keep to (S25): each fault has a message that says what to do, a pointer, a line and a column."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps_catalog.launch.json_schema.bounds import MAX_BYTES, MAX_NODES, check_schema, read_schema
from apps_catalog.launch.json_schema.documents import DRAFT_7, DRAFT_2020_12
from tests.watchdog import ends

NODE = {"type": "object", "required": ["next"], "properties": {"next": {"$ref": "#/definitions/node"}}}


def doubling(levels: int, of: str) -> dict[str, Any]:
    def level(number: int) -> dict[str, Any]:
        both = [{"$ref": f"#/definitions/d{number + 1}"}, {"$ref": f"#/definitions/d{number + 1}"}]
        return {"allOf": both} if of == "allOf" else {"properties": dict(zip("ab", both, strict=True))}

    return {"definitions": {f"d{n}": level(n) for n in range(levels)} | {f"d{levels}": {}}, "$ref": "#/definitions/d0"}


REFUSED: list[tuple[str, Any, str, str, str]] = [
    ("a remote reference", {"properties": {"a": {"$ref": "https://example.org/x.json"}}}, "remote-ref", "/properties/a/$ref", "copy"),
    ("a file beside it", {"properties": {"a": {"$ref": "defs.json#/x"}}}, "remote-ref", "/properties/a/$ref", "copy"),
    ("a lost reference", {"allOf": [{"$ref": "#/$defs/x"}]}, "lost-ref", "/allOf/0/$ref", "nothing"),
    ("a reference to a text", {"title": "t", "allOf": [{"$ref": "#/title"}]}, "lost-ref", "/allOf/0/$ref", "not a schema"),
    ("a circle", {"definitions": {"a": {"$ref": "#/definitions/b"}, "b": {"allOf": [{"$ref": "#/definitions/a"}]}},
                  "properties": {"x": {"$ref": "#/definitions/a"}}}, "endless", "/definitions/a", "never end"),
    ("itself", {"$ref": "#"}, "endless", "", "never end"),
    ("recursion without end", {"definitions": {"node": NODE}, "properties": {"a": {"$ref": "#/definitions/node"}}},
     "endless", "/definitions/node", "required"),
    ("doubling in place", doubling(30, "allOf"), "doubling", "", "double"),
    ("doubling in properties", doubling(30, "properties"), "doubling", "", "double"),
    ("a bad pattern", {"properties": {"a": {"pattern": "(x"}}}, "pattern", "/properties/a/pattern", "can't be read"),
    ("a bad pattern of keys", {"patternProperties": {"[": {}}}, "pattern", "/patternProperties/[", "can't be read"),
    ("a type that is none", {"properties": {"a": {"type": "strin"}}}, "schema", "/properties/a/type", "not valid"),
    ("properties as a list", {"properties": []}, "schema", "/properties", "not valid"),
    ("a $schema that is a list", {"$schema": []}, "schema", "/$schema", "text"),
    ("a list", [], "type", "", "object"),
    ("too many values", {"enum": list(range(MAX_NODES + 1))}, "too-many", "", "more than"),
    ("too many references", {"properties": {str(n): {"$ref": "#/$defs/a"} for n in range(2500)}, "$defs": {"a": {}}},
     "too-many", "", "references"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "code", "pointer", "words"), [one[1:] for one in REFUSED], ids=[one[0] for one in REFUSED]
)
def test_is_refused_with_its_place(schema: Any, code: str, pointer: str, words: str) -> None:
    with ends():
        reading = read_schema(json.dumps(schema, indent=1))
    assert reading.schema is None
    finding = reading.findings[0]
    assert (finding.level, finding.code, finding.pointer) == ("error", code, pointer)
    assert words in finding.message
    if pointer:
        assert finding.line is not None
        assert finding.column is not None


def test_json_faults_have_line_and_column() -> None:
    (finding,) = read_schema('{\n  "type": "object",\n}').findings
    assert (finding.code, finding.line) == ("not-json", 3)
    assert finding.column is not None
    assert read_schema("").findings[0].message.startswith("There is nothing here")
    assert read_schema('{"title": "' + "x" * MAX_BYTES + '"}').findings[0].code == "too-large"
    assert read_schema('{"not":' * 80 + "{}" + "}" * 80).findings[0].code == "too-deep"


def test_recursion_with_a_way_out_is_welcome() -> None:
    for way_out in (
        {"properties": {"next": {"$ref": "#/definitions/node"}}},
        {"required": ["c"], "properties": {"c": {"type": "array", "items": {"$ref": "#/definitions/node"}}}},
        {"required": ["c"], "properties": {"c": {"anyOf": [{"type": "null"}, {"$ref": "#/definitions/node"}]}}},
    ):
        schema = {"definitions": {"node": {"type": "object", **way_out}}, "$ref": "#/definitions/node"}
        assert check_schema(schema).schema is not None


def test_patterns_that_browsers_refuse_are_told_of() -> None:
    reading = read_schema('{"properties": {"a": {"pattern": "(?i)^x$"}}}')
    assert reading.schema is not None
    assert [(one.level, one.code) for one in reading.findings] == [("info", "pattern-server")]


def test_the_draft_is_found_as_authors_mean_it() -> None:
    def draft(schema: dict[str, Any]) -> Any:
        found = check_schema(schema).schema
        assert found is not None
        return found.dialect

    assert draft({}) is DRAFT_2020_12
    assert draft({"definitions": {"a": {}}}) is DRAFT_7
    assert draft({"$schema": "https://json-schema.org/draft-07/schema", "$defs": {}}) is DRAFT_7
    assert draft({"$schema": "http://json-schema.org/draft-07/schema#"}) is DRAFT_7
    assert draft({"$schema": "https://json-schema.org/draft/2020-12/schema", "definitions": {}}) is DRAFT_2020_12


def test_an_odd_id_is_never_fetched() -> None:
    schema = {
        "$id": "db://image-generation-simple-inputs",
        "definitions": {"input": {"type": "string", "maxLength": 5}},
        "properties": {"prompt": {"$ref": "#/definitions/input"}},
    }
    found = check_schema(schema).schema
    assert found is not None
    assert found.validator.is_valid({"prompt": "short"})
    assert not found.validator.is_valid({"prompt": "longer than five"})


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"pattern": "(a"}, "missing ), unterminated subpattern"),
        ({"patternProperties": {r"^\p{Nope}$": {}}}, r"bad escape \p"),
        ({"patternProperties": {r"^\p{L}$": {}}, "unevaluatedProperties": False}, "Python has no such sign"),
        (
            {"$schema": "http://json-schema.org/draft-07/schema", "not": {"$schema": "", "pattern": r"\p{L}"}},
            "no such sign",
        ),
    ],
)
def test_patterns_that_nobody_can_judge_by_are_refused(schema: dict[str, Any], reason: str) -> None:
    found = check_schema(schema)
    assert found.schema is None
    assert reason in found.findings[0].message
