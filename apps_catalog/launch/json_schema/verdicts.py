"""The verdict of jsonschema, and nothing but that, as faults at the values they are about, in plain words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from jsonschema.exceptions import ValidationError

from apps_catalog.launch.findings import Fault, Json
from apps_catalog.launch.json_schema.documents import Schema
from apps_catalog.launch.json_schema.patterns import matches
from apps_catalog.launch.positions import join

MAX_FAULTS = 200
MAX_ERRORS = 1_000
# (pointer into the instance, "oneOf" or "anyOf") -> the alternative that a person chose
Chosen = Mapping[tuple[str, str], int]
NOUNS = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}


def faults_of(schema: Schema, instance: Json, chosen: Chosen | None = None) -> list[Fault]:
    """Every fault of an instance; empty exactly when jsonschema finds it valid (and it is an object where it must be)."""
    if schema.demands_object and not isinstance(instance, dict):
        return [Fault("", "type", "must be an object: keys and their values")]
    found: dict[tuple[str, str, str], Fault] = {}
    for number, error in enumerate(schema.validator.iter_errors(instance)):
        if error.validator is None:
            _place(error, instance)
        for fault in _faults(error, chosen or {}):
            found.setdefault((fault.pointer, fault.code, fault.message), fault)
        if len(found) >= MAX_FAULTS or number >= MAX_ERRORS:
            break
    return list(found.values())[:MAX_FAULTS]


def _place(error: ValidationError, instance: Json) -> None:
    """The schema `false` complains without saying of which member: the path ends at what is around it."""
    around = instance
    for key in error.absolute_path:
        around = around[key]
    members: Iterable[tuple[Any, Json]] = ()
    if around is not error.instance:
        members = around.items() if isinstance(around, dict) else enumerate(around) if isinstance(around, list) else ()
    found = next((key for key, value in members if value is error.instance), None)
    if found is not None:
        error.path.append(found)


def _faults(error: ValidationError, chosen: Chosen) -> Iterator[Fault]:
    pointer = join("", *error.absolute_path)
    rule, limit, value = str(error.validator), error.validator_value, error.instance
    if rule in ("anyOf", "oneOf"):
        yield from _of_alternatives(error, pointer, chosen)
    elif rule == "required" and isinstance(value, dict):
        # jsonschema reports one key at a time; which one stands in its message only.
        for key in _keys(limit):
            if key not in value:
                yield Fault(join(pointer, key), "required", "must be filled in")
    elif rule in ("dependentRequired", "dependencies") and isinstance(value, dict) and isinstance(limit, dict):
        yield from _of_dependencies(pointer, value, limit)
    elif rule in ("additionalProperties", "unevaluatedProperties") and limit is False and isinstance(value, dict):
        yield from _of_strange_keys(error, pointer, value)
    elif isinstance(value, str) and list(error.absolute_schema_path)[-2:-1] == ["propertyNames"]:
        yield Fault(join(pointer, value), rule, f"is a key that {in_words(error)}")
    else:
        yield Fault(pointer, rule if rule != "None" else "false", in_words(error))


def _keys(limit: Json) -> Sequence[str]:
    return [key for key in limit if isinstance(key, str)] if isinstance(limit, list) else []


def _of_dependencies(pointer: str, value: dict[str, Json], limit: dict[str, Json]) -> Iterator[Fault]:
    for key, demanded in limit.items():
        if key in value:
            for missing in _keys(demanded):
                if missing not in value:
                    yield Fault(join(pointer, missing), "required", f"must be filled in, because {key} is given")


def _of_strange_keys(error: ValidationError, pointer: str, value: dict[str, Json]) -> Iterator[Fault]:
    schema = error.schema if isinstance(error.schema, dict) else {}
    known = schema.get("properties", {})
    patterns = schema.get("patternProperties", {})
    strange = [k for k in value if k not in known and not any(matches(p, k) for p in patterns)]
    if error.validator == "unevaluatedProperties":
        strange = [key for key in strange if repr(key) in error.message]
    if not strange:
        yield Fault(pointer, str(error.validator), "has a key that is not known here; remove it")
    for key in strange[:20]:
        yield Fault(join(pointer, key), "unknown-parameter", "is not a key that is known here; remove it")


def _of_alternatives(error: ValidationError, pointer: str, chosen: Chosen) -> Iterator[Fault]:
    """The faults of the alternative that was chosen; else of the one that the value comes closest to."""
    groups: dict[int, list[ValidationError]] = {}
    for inner in error.context or ():
        groups.setdefault(int(inner.schema_path[0]), []).append(inner)
    if not groups:
        yield Fault(pointer, "oneOf", "fits more than one of the alternatives; exactly one must fit")
        return
    picked = chosen.get((pointer, str(error.validator)))
    if picked not in groups:
        single = _single_values(error)
        if single is not None:
            yield Fault(pointer, "enum", single)
            return
        picked = min(groups, key=lambda index: _distance(groups[index], error))
    faults = [fault for inner in groups[picked] for fault in _faults(inner, chosen)]
    if len(groups) > 1 and picked != chosen.get((pointer, str(error.validator))) and _blunt(groups[picked], error):
        yield Fault(pointer, str(error.validator), f"fits none of the {len(groups)} alternatives; choose one")
        return
    yield from faults


def _single_values(error: ValidationError) -> str | None:
    """The words for alternatives that are one value each."""
    values: list[Json] = []
    for one in error.validator_value if isinstance(error.validator_value, list) else ():
        if not isinstance(one, dict) or not ("const" in one or "enum" in one):
            return None
        values += [one["const"]] if "const" in one else list(one["enum"])
    return _one_of(values) if values else None


def _distance(errors: Iterable[ValidationError], outer: ValidationError) -> tuple[int, int]:
    """How far an alternative is from the value: a wrong kind or a wrong fixed value counts most."""
    far = len(outer.absolute_path)
    blunt = sum(
        10 if error.validator in ("type", "const", "enum") and len(error.absolute_path) <= far + 1 else 1
        for error in errors
    )
    return blunt, -max((len(error.absolute_path) for error in errors), default=0)


def _blunt(errors: Sequence[ValidationError], outer: ValidationError) -> bool:
    return any(error.validator == "type" and len(error.absolute_path) == len(outer.absolute_path) for error in errors)


def _one_of(values: Sequence[Json]) -> str:
    shown = ", ".join(_shown(value) for value in values[:8])
    return f"must be one of: {shown}{' and others' if len(values) > 8 else ''}"


def _shown(value: Json) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _plural(count: Any, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def in_words(error: ValidationError) -> str:
    """What a rule asks for, so that it reads after the name of the field."""
    rule, limit = str(error.validator), error.validator_value
    simple = {
        "minimum": f"must be at least {limit}",
        "maximum": f"must be at most {limit}",
        "exclusiveMinimum": f"must be more than {limit}",
        "exclusiveMaximum": f"must be less than {limit}",
        "multipleOf": f"must be a multiple of {limit}",
        "pattern": f"must match the pattern {limit}",
        "format": f"must be written as {limit}",
        "minItems": f"must have at least {_plural(limit, 'item')}",
        "maxItems": f"must have at most {_plural(limit, 'item')}",
        "uniqueItems": "must not have the same item twice",
        "minProperties": f"must have at least {_plural(limit, 'key')}",
        "maxProperties": f"must have at most {_plural(limit, 'key')}",
        "maxLength": f"must have at most {_plural(limit, 'character')}",
        "contains": "must have an item of the kind that the author asks for",
        "minContains": "must have more items of the kind that the author asks for",
        "maxContains": "must have fewer items of the kind that the author asks for",
        "additionalItems": "has more items than are allowed",
        "unevaluatedItems": "has more items than are allowed",
        "not": "has a value that the author rules out",
        "None": "must be left out",
        "false": "must be left out",
    }
    match rule:
        case "type":
            kinds = list(map(str, limit)) if isinstance(limit, list) else [str(limit)]
            return f"must be {' or '.join(NOUNS.get(kind, kind) for kind in kinds)}"
        case "enum":
            return _one_of(limit if isinstance(limit, list) else [])
        case "const":
            return f"must be {_shown(limit)}"
        case "minLength":
            return "must be filled in" if limit == 1 else f"must have at least {_plural(limit, 'character')}"
        case "minItems" if limit == 1:
            return "must have at least one item"
        case _:
            return simple.get(rule) or f"does not fit the rule {rule} of this schema"
