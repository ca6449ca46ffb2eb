"""Schemas that no finite value can fit, because they demand themselves: found before a form is drawn from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = Any


def endless(schemas: Mapping[int, Mapping[str, Json]], targets: Mapping[int, Json]) -> list[Mapping[str, Json]]:
    """Those that something refers to and that never end; a recursive one with a way out (`children: []`) is none."""
    ends: set[int] = set()
    grown = True
    while grown:
        grown = False
        for key, schema in schemas.items():
            if key not in ends and _ends(schema, targets, ends):
                ends.add(key)
                grown = True
    referred = {id(target) for target in targets.values()}
    return [schema for key, schema in schemas.items() if key not in ends and key in referred]


def _ends(schema: Mapping[str, Json], targets: Mapping[int, Json], ends: set[int]) -> bool:
    """Whether a finite value can be shown for it, from those already known to have one."""

    def known(one: Json) -> bool:
        return not isinstance(one, dict) or id(one) in ends

    if "const" in schema or "enum" in schema:
        return True
    if id(schema) in targets and not known(targets[id(schema)]):
        return False
    if not all(known(one) for one in _listed(schema, "allOf")):
        return False
    for keyword in ("anyOf", "oneOf"):
        choices = _listed(schema, keyword)
        if choices and not any(known(one) for one in choices):
            return False
    match schema.get("type"):
        case "object":
            properties = schema.get("properties")
            demanded = schema.get("required")
            if isinstance(properties, dict) and isinstance(demanded, list):
                return all(known(properties[key]) for key in demanded if isinstance(key, str) and key in properties)
        case "array":
            return known(schema.get("items")) or not schema.get("minItems")
    return True


def _listed(schema: Mapping[str, Json], keyword: str) -> list[Json]:
    found = schema.get(keyword)
    return found if isinstance(found, list) else []
