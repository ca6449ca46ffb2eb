"""What a command asks for: as JSON Schema for machines, as hints for forms."""

from __future__ import annotations

from typing import Any

from apps_catalog.launch.parameters import Hint
from apps_catalog.launch.spec import Command

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def command_schema(command: Command) -> dict[str, Any]:
    """JSON Schema 2020-12 of the `parameters` object of a submission, properties in the author's order.

    CONST is not among them: it is the author's alone (a submission that repeats it unchanged is taken all the same).
    Where the author wrote a schema, it is that, word for word.
    """
    if command.schema is not None:
        return dict(command.schema)
    asked = {key: parameter for key, parameter in command.parameters.items() if not parameter.fixed}
    schema: dict[str, Any] = {
        "$schema": DIALECT,
        "title": command.name,
        "type": "object",
        "properties": {key: parameter.schema() for key, parameter in asked.items()},
        "required": [key for key, parameter in asked.items() if parameter.must_be_given],
        "additionalProperties": False,
    }
    return {**schema, "description": command.description} if command.description else schema


def hints(command: Command) -> tuple[Hint, ...]:
    """How a form draws each parameter that people fill in, in the author's order."""
    return tuple(parameter.hint() for parameter in command.parameters.values() if not parameter.fixed)
