"""The parameters of one stage, judged by the schema that its bundle brings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft7Validator, Draft202012Validator
from referencing import Registry

from apps_catalog.launch.positions import join
from apps_catalog.launch.spec import Fault, Json, LaunchSpec
from apps_catalog.launch.validate import in_plain_words

COMMAND = "run"  # the one command of a bundle


def values_of(spec: LaunchSpec, given: Json, pointer: str) -> Mapping[str, Json] | list[Fault]:
    """The parameters as the program is to find them, or faults below `pointer`. Without a schema any object will do."""
    if not isinstance(given, Mapping):
        return [Fault(pointer, "type", "must be an object: parameters and their values")]
    schema = spec.commands[COMMAND].schema
    if schema is None:
        return given
    kind = Draft7Validator if "definitions" in schema else Draft202012Validator
    registry: Registry[Any] = Registry()
    faults = []
    for error in kind(dict(schema), registry=registry).iter_errors(dict(given)):
        said = in_plain_words(error)
        faults.append(Fault(join(pointer, *error.absolute_path), said.code, said.message))
    return faults or given
