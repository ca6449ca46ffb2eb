"""An example submission of a command: defaults where there are some, else values that show what is meant."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from apps_catalog.launch.conditions import present
from apps_catalog.launch.parameters import Hint
from apps_catalog.launch.schema import hints
from apps_catalog.launch.spec import Command, Json, LaunchSpec

PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")
CLASS = re.compile(r"\[([^]!])[^]]*\]")


def example_values(command: Command) -> dict[str, Json]:
    """What must be given, and what has a default, of what is there by default; the rest may be left out."""
    found: dict[str, Json] = {}
    there = present(command, {})
    for hint in hints(command):
        if hint.key not in there or (hint.default is None and not hint.required):
            continue
        parameter = command.parameters[hint.key]
        found[hint.key] = _invented(hint) if parameter.default is None else parameter.default
    return found


def example_machine(spec: LaunchSpec, command: Command) -> str:
    """A machine name that one of the author's globs takes; "n1" where none can be made."""
    for glob in spec.machines_of(command):
        name = CLASS.sub(r"\1", glob).replace("?", "1")
        ends_in_digit = name.rstrip("*")[-1:].isdigit()
        name = name.replace("*", "" if ends_in_digit else "1")
        if name != "1" and PLAIN.issuperset(name) and fnmatchcase(name, glob):
            return name
    return "n1"


def _invented(hint: Hint) -> Json:
    match hint.widget:
        case "range" | "integer" | "float":
            return hint.minimum if hint.minimum is not None else 1
        case "file":
            ending = next(iter(hint.filters), "*").removeprefix("*")
            return f"folder/file{ending if ending.startswith('.') and PLAIN.issuperset(ending) else ''}"
        case "upload":
            return {"upload": "id-of-an-upload"}
    return f"<{hint.label}>"
