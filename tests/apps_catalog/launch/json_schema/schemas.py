"""Real JSON Schemas to try everything on, and one small schema for each thing that a form can draw."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from apps_catalog.launch.json_schema.bounds import read_schema
from apps_catalog.launch.json_schema.documents import Schema

CORPUS = Path(__file__).resolve().parents[5] / "shared" / "corpus" / "schemas"


@dataclass(frozen=True)
class Sample:
    name: str
    text: str
    filling: Any = None

    @property
    def schema(self) -> Schema:
        return _read(self.text)


@cache
def _read(text: str) -> Schema:
    reading = read_schema(text)
    assert reading.schema is not None, reading.findings
    return reading.schema


def _corpus_folder() -> Path:
    beside = [parent / "shared" / "corpus" / "schemas" for parent in Path(__file__).resolve().parents]
    return next((folder for folder in beside if folder.is_dir()), CORPUS)


def corpus() -> list[Any]:
    """The schemas of the corpus as parameters of a test; one that skips (in CI: fails) where it is not there."""
    folder = _corpus_folder()
    paths = [path for part in ("nextflow", "rjsf") for path in sorted((folder / part).glob("*.json"))]
    if not paths:
        return [pytest.param(None, id="the-corpus-is-not-there")]
    found = []
    for path in paths:
        text = path.read_text("utf-8")
        if path.parent.name == "rjsf":
            whole = json.loads(text)
            found.append(Sample(path.stem, json.dumps(whole["schema"], indent=2), whole.get("formData")))
        else:
            found.append(Sample(path.stem, text))
    return [pytest.param(sample, id=sample.name) for sample in found]


def there(sample: Sample | None) -> Sample:
    if sample is None:
        reason = "../shared/corpus/schemas is not there"
        if os.environ.get("CI"):
            pytest.fail(f"CI must run this test, and {reason}.", pytrace=False)
        pytest.skip(reason)
    return sample


def probe(name: str, schema: dict[str, Any], filling: Any) -> Sample:
    return Sample(name, json.dumps(schema, indent=2), filling)


ADDRESS = {
    "type": "object",
    "required": ["street"],
    "properties": {"street": {"type": "string"}, "town": {"type": "string"}},
}
# What is filled in by hand in each of these, one feature at a time.
PROBES = [
    probe(
        "texts",
        {
            "type": "object",
            "required": ["code"],
            "properties": {
                "code": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]+$", "description": "Such as ABC-1"},
                "mail": {"type": "string", "format": "email"},
                "day": {"type": "string", "format": "date"},
                "note": {"type": "string", "maxLength": 1000},
                "word": {"type": "string", "format": "password"},
            },
        },
        {"code": "ABC-12", "mail": "a@b.org", "day": "2030-02-28", "note": "two\nlines", "word": "secret"},
    ),
    probe(
        "numbers",
        {
            "type": "object",
            "properties": {
                "ratio": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5},
                "steps": {"type": "integer", "minimum": 5, "maximum": 100, "multipleOf": 5},
                "free": {"type": "number", "exclusiveMinimum": 0},
            },
        },
        {"ratio": 0.25, "steps": 35, "free": 1e-7},
    ),
    probe(
        "booleans",
        {"properties": {"on": {"type": "boolean", "default": False}, "maybe": {"type": "boolean"}}},
        {"on": True, "maybe": False},
    ),
    probe(
        "choices",
        {
            "properties": {
                "size": {"enum": ["S", "M", "L"]},
                "any": {"enum": [1, "1", None, True]},
                "titled": {"oneOf": [{"const": 1, "title": "One"}, {"const": 2, "title": "Two"}]},
                "long": {"enum": [f"option {number}" for number in range(40)]},
                "kind": {"const": "fixed"},
            }
        },
        {"size": "M", "any": None, "titled": 2, "long": "option 33", "kind": "fixed"},
    ),
    probe(
        "objects",
        {"type": "object", "properties": {"home": ADDRESS, "deep": {"properties": {"deeper": ADDRESS}}}},
        {"home": {"street": "Main 1", "town": "Ulm"}, "deep": {"deeper": {"street": "Low 2"}}},
    ),
    probe(
        "lists",
        {
            "properties": {
                "words": {"type": "array", "items": {"type": "string"}, "minItems": 1},
                "colours": {"type": "array", "uniqueItems": True, "items": {"enum": ["red", "green", "blue"]}},
                "people": {"type": "array", "items": ADDRESS},
                "point": {
                    "type": "array",
                    "prefixItems": [{"type": "number"}, {"type": "string"}],
                    "items": {"type": "boolean"},
                },
            }
        },
        {"words": ["a", "b"], "colours": ["red", "blue"], "people": [{"street": "x"}], "point": [1, "b", True]},
    ),
    probe(
        "alternatives",
        {
            "properties": {
                "target": {
                    "oneOf": [
                        {
                            "title": "File",
                            "type": "object",
                            "required": ["path"],
                            "properties": {"path": {"type": "string"}},
                        },
                        {"title": "Number", "type": "integer"},
                    ]
                },
                "either": {"type": ["boolean", "string"]},
            },
            "anyOf": [
                {"title": "By name", "properties": {"name": {"type": "string"}}, "required": ["name"]},
                {"title": "By number", "properties": {"number": {"type": "integer"}}, "required": ["number"]},
            ],
        },
        {"target": {"path": "x"}, "either": "yes", "number": 7},
    ),
    probe(
        "conditions",
        {
            "properties": {"animal": {"enum": ["cat", "fish"]}},
            "required": ["animal"],
            "if": {"properties": {"animal": {"const": "cat"}}, "required": ["animal"]},
            "then": {"properties": {"food": {"enum": ["meat", "milk"]}}, "required": ["food"]},
            "else": {"properties": {"water": {"type": "string"}}},
        },
        {"animal": "cat", "food": "milk"},
    ),
    probe(
        "dependencies",
        {
            "properties": {"card": {"type": "string"}, "bill": {"type": "string"}},
            "dependentRequired": {"card": ["bill"]},
            "dependentSchemas": {"bill": {"properties": {"tax": {"type": "number"}}, "required": ["tax"]}},
        },
        {"card": "1", "bill": "b", "tax": 2},
    ),
    probe(
        "references",
        {
            "definitions": {
                "node": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {
                        "name": {"type": "string"},
                        "next": {"$ref": "#/definitions/node"},
                        "children": {"type": "array", "items": {"$ref": "#/definitions/node"}},
                    },
                }
            },
            "properties": {"tree": {"$ref": "#/definitions/node", "title": "The tree"}},
        },
        {"tree": {"name": "root", "next": {"name": "second"}, "children": [{"name": "leaf"}]}},
    ),
    probe(
        "own-keys",
        {
            "properties": {
                "env": {"type": "object", "additionalProperties": {"type": "string"}},
                "x": {
                    "type": "object",
                    "patternProperties": {"^x-": {"type": "integer"}},
                    "additionalProperties": False,
                },
            }
        },
        {"env": {"PATH": "/bin", "ÄÖ ü": "ß"}, "x": {"x-a": 1}},
    ),
    probe(
        "nullable",
        {
            "properties": {
                "age": {"type": ["integer", "null"]},
                "name": {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "Name"},
            }
        },
        {"age": None, "name": "Ada"},
    ),
    probe(
        "read-only-and-paths",
        {
            "properties": {
                "version": {"type": "string", "default": "1.2", "readOnly": True},
                "level": {"enum": [1, 2], "default": 2, "readOnly": True},
                "input": {"type": "string", "format": "file-path"},
                "colour": {"type": "string", "format": "color"},
            }
        },
        {"version": "1.2", "level": 2, "input": "/data/a.csv", "colour": "#336699"},
    ),
    probe(
        "groups",
        {
            "type": "object",
            "$defs": {
                "io": {
                    "title": "Input and output",
                    "description": "Where data comes from.",
                    "help_text": "See the *manual* at <https://example.org>. <b>No HTML</b> ![x](https://example.org/x.png)",
                    "type": "object",
                    "required": ["input"],
                    "properties": {
                        "input": {"type": "string", "format": "file-path", "help_text": "# Big\n\n- one\n- two"},
                        "outdir": {"type": "string", "default": "results"},
                    },
                },
                "rest": {
                    "title": "The rest",
                    "properties": {
                        "seed": {"type": "integer", "default": 7, "hidden": True},
                        "fast": {"type": "boolean"},
                    },
                },
            },
            "allOf": [{"$ref": "#/$defs/io"}, {"$ref": "#/$defs/rest"}],
        },
        {"input": "a.csv", "outdir": "out", "seed": 8, "fast": True},
    ),
    probe(
        "anything",
        {"properties": {"free": {}, "true": True, "not": {"not": {"type": "string"}}, "obj": {"type": "object"}}},
        {"free": [1, {"a": None}], "true": "x", "not": 3, "obj": {"k": "v"}},
    ),
]
