"""What a command asks for: as JSON Schema for machines, as hints for forms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from apps_catalog.launch.conditions import condition_schema, flags_of
from apps_catalog.launch.parameters import Hint, Parameter
from apps_catalog.launch.spec import Command

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ANNOTATIONS = ("title", "description", "default")


def command_schema(command: Command) -> dict[str, Any]:
    """JSON Schema 2020-12 of the `parameters` object of a submission, properties in the author's order.

    A parameter with `if` or `ifnot` is judged, and demanded, only where its condition holds (`if`/`then` in `allOf`):
    a value that is sent though the parameter is hidden is passed over. CONST is not among the properties: it is the
    author's alone (a submission that repeats it unchanged is taken all the same). Where the author wrote a schema, it is
    that, word for word.
    """
    if command.schema is not None:
        return dict(command.schema)
    asked = {key: parameter for key, parameter in command.parameters.items() if not parameter.fixed}
    schema: dict[str, Any] = {
        "$schema": DIALECT,
        "title": command.name,
        "type": "object",
        "properties": {key: _always(parameter) for key, parameter in asked.items()},
        "required": [key for key, one in asked.items() if one.must_be_given and not _conditional(one)],
        "additionalProperties": False,
    }
    if command.description:
        schema["description"] = command.description
    rules = _conditional_rules(command, asked.values())
    return {**schema, "allOf": rules} if rules else schema


def _conditional(parameter: Parameter) -> bool:
    return bool(parameter.if_ or parameter.ifnot)


def _always(parameter: Parameter) -> dict[str, Any]:
    """What is true of a value whatever the others say: of a conditional one, only what it is called."""
    schema = parameter.schema()
    return {name: schema[name] for name in ANNOTATIONS if name in schema} if _conditional(parameter) else schema


def _conditional_rules(command: Command, asked: Iterable[Parameter]) -> list[dict[str, Any]]:
    """One `if`/`then` for each different condition, with the rules of all parameters that have it."""
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Parameter]] = {}
    for parameter in asked:
        if _conditional(parameter):
            groups.setdefault((parameter.if_, parameter.ifnot), []).append(parameter)
    rules: list[dict[str, Any]] = []
    for (if_, ifnot), parameters in groups.items():
        then: dict[str, Any] = {"properties": {one.key: one.value_schema() for one in parameters}}
        required = [one.key for one in parameters if one.must_be_given]
        if required:
            then["required"] = required
        rules.append({"if": condition_schema(command, if_, ifnot), "then": then})
    return rules


def hints(command: Command) -> tuple[Hint, ...]:
    """How a form draws each parameter that people fill in, in the order of the author, or of a curator; conditions name BOOLs only."""
    return tuple(_with_flags(command, parameter.hint()) for parameter in command.in_order if not parameter.fixed)


def _with_flags(command: Command, hint: Hint) -> Hint:
    if not hint.if_ and not hint.ifnot:
        return hint
    return replace(hint, if_=flags_of(command.parameters, hint.if_), ifnot=flags_of(command.parameters, hint.ifnot))
