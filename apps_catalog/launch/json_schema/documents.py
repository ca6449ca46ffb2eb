"""An author's JSON Schema, read: its dialect, its digest, and where each `$ref` in it leads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jsonschema
from referencing import Registry, Specification
from referencing.jsonschema import DRAFT4, DRAFT6, DRAFT7, DRAFT201909, DRAFT202012

from apps_catalog.launch.findings import Finding, Json
from apps_catalog.launch.json_schema.patterns import judge_of
from apps_catalog.launch.positions import join

# Keywords whose value is one schema, a list of schemas, or schemas by name.
ONE = (
    "additionalProperties",
    "additionalItems",
    "items",
    "contains",
    "not",
    "if",
    "then",
    "else",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
)
LISTED = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies")
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


@dataclass(frozen=True)
class Dialect:
    """`validator` is jsonschema's class, `specification` says how references are resolved."""

    name: str
    validator: Any
    specification: Specification[Any]


DRAFT_7 = Dialect("draft 7", jsonschema.Draft7Validator, DRAFT7)
DRAFT_2020_12 = Dialect("draft 2020-12", jsonschema.Draft202012Validator, DRAFT202012)
# By a part of `$schema`: authors write the address with and without https, `#` and `/schema`.
DIALECTS: Mapping[str, Dialect] = {
    "draft-07": DRAFT_7,
    "2020-12": DRAFT_2020_12,
    "2019-09": Dialect("draft 2019-09", jsonschema.Draft201909Validator, DRAFT201909),
    "draft-06": Dialect("draft 6", jsonschema.Draft6Validator, DRAFT6),
    "draft-04": Dialect("draft 4", jsonschema.Draft4Validator, DRAFT4),
}


def dialect_of(root: Json) -> Dialect:
    """`$schema` if it names one we know; else draft 7 where `definitions` is used, else 2020-12."""
    if not isinstance(root, dict):
        return DRAFT_2020_12
    named = root.get("$schema")
    if isinstance(named, str):
        found = next((dialect for part, dialect in DIALECTS.items() if part in named), None)
        if found:
            return found
    return DRAFT_7 if "definitions" in root else DRAFT_2020_12


@dataclass(frozen=True, eq=False)
class Schema:
    """A schema that was found good. `targets` maps the id() of an object with a `$ref` to the schema it leads to.

    The objects of `root` are never copied or changed, so their ids stay good as long as this lives.
    """

    root: Json
    dialect: Dialect
    digest: str
    targets: Mapping[int, Json] = field(repr=False)

    @cached_property
    def validator(self) -> Any:
        """jsonschema's own judge. It never fetches anything: its registry is empty."""
        registry: Registry[Any] = Registry()
        judge, root = judge_of(self.dialect.validator, self.root), self.root
        if judge is not self.dialect.validator and isinstance(root, dict):
            root = {key: value for key, value in root.items() if key != "$schema"}  # it would call for its own judge
        return judge(root, registry=registry)

    @property
    def demands_object(self) -> bool:
        """Without a `type` on top, parameters must be an object all the same."""
        return not (isinstance(self.root, dict) and "type" in self.root)


@dataclass(frozen=True)
class SchemaReading:
    """What came of reading a schema: there is one unless a finding is an error."""

    schema: Schema | None
    findings: tuple[Finding, ...]


def digest_of(root: Json) -> str:
    text = json.dumps(root, sort_keys=False, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def children(schema: Mapping[str, Json], *, definitions: bool = True) -> Iterator[tuple[str, Json]]:
    """The schemas directly inside a schema, each with its pointer relative to it."""
    for keyword in ONE:
        if isinstance(schema.get(keyword), dict | bool):
            yield join("", keyword), schema[keyword]
    for keyword in LISTED:
        if isinstance(schema.get(keyword), list):
            yield from ((join("", keyword, index), one) for index, one in enumerate(schema[keyword]))
    for keyword in NAMED:
        if isinstance(schema.get(keyword), dict) and (definitions or keyword not in ("$defs", "definitions")):
            yield from (
                (join("", keyword, name), one) for name, one in schema[keyword].items() if isinstance(one, dict | bool)
            )


def resolver_of(root: Json, dialect: Dialect) -> Any:
    """What looks up references as jsonschema does, `$id` and anchors included, and fetches nothing."""
    registry: Registry[Any] = Registry()
    return registry.resolver_with_root(dialect.specification.create_resource(root))
