"""The curator's overlay: what a catalog says over an author's definition, which itself is never changed.

Its shape is fixed (OVERLAY_SCHEMA). `apply` puts it over a launch spec, so that form, REST and every other door follow.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry

from apps_catalog.launch.document import bad_texts
from apps_catalog.launch.findings import Fault, Json
from apps_catalog.launch.globs import covered
from apps_catalog.launch.overlay_parameters import Shaping
from apps_catalog.launch.parameters import Parameter
from apps_catalog.launch.positions import join
from apps_catalog.launch.reading import closest, readable
from apps_catalog.launch.spec import Command, LaunchSpec

Overlay = Mapping[str, Json]
BYTES_MAX = 2 * 2**20
ROUNDS_MAX = 50

_SCALAR = {"type": ["string", "number", "boolean", "object"], "maxLength": 131_071}
PARAMETER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "label": {"type": "string", "maxLength": 300},
        "help": {"type": "string", "maxLength": 5000},
        "group": {"type": "string", "maxLength": 120},
        "default": _SCALAR,
        "min": {"type": ["number", "string"], "maxLength": 120},
        "max": {"type": ["number", "string"], "maxLength": 120},
        "hidden": {"type": "boolean"},
        "locked": _SCALAR,
        "positional": {"type": "boolean"},
    },
}
OVERLAY_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Overlay",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "maxLength": 300},
        "summary": {"type": "string", "maxLength": 20_000},
        "categories": {"type": "array", "maxItems": 40, "items": {"type": "string", "minLength": 1, "maxLength": 300}},
        "icon": {"type": "string", "maxLength": 200_000, "description": "A PNG of at most 128 x 128, as base64 text."},
        "commands": {
            "type": "object",
            "maxProperties": 500,
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string", "maxLength": 300},
                    "description": {"type": "string", "maxLength": 5000},
                    "hidden": {"type": "boolean"},
                    "machines": {
                        "type": "array",
                        "maxItems": 40,
                        "items": {"type": "string", "minLength": 1, "maxLength": 200},
                    },
                    "order": {"type": "array", "maxItems": 5000, "items": {"type": "string"}},
                    "parameters": {
                        "type": "object",
                        "maxProperties": 5000,
                        "additionalProperties": PARAMETER_SCHEMA,
                    },
                },
            },
        },
    },
}

OF_PARAMETERS = ("order", "parameters")
OF_A_SCHEMA = "is for AppDefs: the author's JSON Schema says what this command asks for"


def shape_faults(overlay: Json) -> list[Fault]:
    """What is wrong with the shape of a value that should be an overlay, at most 20."""
    if len(json.dumps(overlay)) > BYTES_MAX:
        return [Fault("", "too-large", f"has more than {BYTES_MAX // 2**20} MiB; an overlay needs some kilobytes")]
    if bad := bad_texts(overlay):
        return [Fault(pointer, "text", reason) for pointer, reason in bad]
    registry: Registry[Any] = Registry()
    errors = Draft202012Validator(OVERLAY_SCHEMA, registry=registry).iter_errors(overlay)
    found: list[Fault] = []
    for error in errors:
        if len(found) >= 20:
            break
        pointer = join("", *error.absolute_path)
        if error.validator == "additionalProperties":
            known = error.schema["properties"]
            for key in (key for key in error.instance if key not in known):
                near = closest(key, known)
                advice = f". Did you mean {near}?" if near else ""
                found.append(Fault(join(pointer, key), "unknown-key", f"is not known here{advice}"))
        else:
            found.append(Fault(pointer, str(error.validator), _in_words(str(error.validator), error.validator_value)))
    return found


def _in_words(rule: str, limit: Any) -> str:
    match rule:
        case "type":
            return f"must be {' or '.join([limit] if isinstance(limit, str) else limit)}"
        case "maxLength":
            return f"must have at most {limit} characters"
        case "minLength":
            return "must not be empty"
        case "maxItems" | "maxProperties":
            return f"must have at most {limit} entries"
        case _:
            return f"does not fit the rule {rule}"


def tidy(overlay: Overlay) -> dict[str, Json]:
    """Without empty objects: what changes nothing is not kept."""

    def kept(value: Json) -> Json:
        if not isinstance(value, dict):
            return value
        inside = {key: kept(one) for key, one in value.items()}
        return {key: one for key, one in inside.items() if one != {} and one is not None}

    return kept(dict(overlay))  # type: ignore[no-any-return]


def digest_of(overlay: Overlay) -> str:
    """sha256 of the canonical JSON; "" where there is nothing in it."""
    if not overlay:
        return ""
    text = json.dumps(overlay, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def apply(spec: LaunchSpec, overlay: Overlay) -> LaunchSpec | list[Fault]:
    """The launch spec with the overlay over it, or everything in it that does not fit this spec."""
    if not overlay:
        return spec
    faults = shape_faults(overlay)
    if faults:
        return faults
    commands = _commands(spec, overlay.get("commands", {}), faults)
    if faults:
        return faults
    icon = overlay.get("icon")
    return replace(
        spec,
        name=readable(overlay.get("name", "")).strip() or spec.name,
        description=readable(overlay["summary"]) if "summary" in overlay else spec.description,
        categories=_categories(overlay["categories"]) if "categories" in overlay else spec.categories,
        icon_base64=icon or spec.icon_base64,
        icon_type="image/png" if icon else spec.icon_type,
        commands=commands,
    )


def _categories(listed: list[str]) -> tuple[str, ...]:
    paths = ("/".join(part.strip() for part in readable(one).split("/") if part.strip()) for one in listed)
    return tuple(dict.fromkeys(path for path in paths if path))


def _commands(spec: LaunchSpec, wishes: Mapping[str, Json], faults: list[Fault]) -> dict[str, Command]:
    gone = [key for key in wishes if key not in spec.commands]
    faults.extend(_gone(join("/commands", key), "command", key, spec.commands) for key in gone)
    shaped: dict[str, Command] = {}
    for key, command in spec.commands.items():
        wish = wishes.get(key)
        if wish is None:
            shaped[key] = command
            continue
        with_it = _command(spec, command, wish, faults)
        if not wish.get("hidden"):
            shaped[key] = with_it
    if not shaped:
        hidden = next(iter(spec.commands))
        faults.append(Fault(join("/commands", hidden, "hidden"), "all-hidden", "would leave no command to launch"))
    return shaped


def _command(spec: LaunchSpec, command: Command, wish: Mapping[str, Json], faults: list[Fault]) -> Command:
    pointer = join("/commands", command.key)
    if command.schema is not None:
        unfit = [name for name in OF_PARAMETERS if wish.get(name)]
        faults += (Fault(join(pointer, name), "schema", OF_A_SCHEMA) for name in unfit)
        wish = {name: said for name, said in wish.items() if name not in OF_PARAMETERS}
    machines = command.machines
    if wish.get("machines"):
        author = spec.machines_of(command)
        for number, glob in enumerate(wish["machines"]):
            if not covered(glob, author):
                said = f"takes machines that the author does not allow; those are: {', '.join(author[:8])}"
                faults.append(Fault(join(pointer, "machines", number), "beyond-author", said))
        machines = tuple(dict.fromkeys(wish["machines"]))
    for number, key in enumerate(wish.get("order", ())):
        if key not in command.parameters:
            faults.append(_gone(join(pointer, "order", number), "parameter", key, command.parameters))
    return replace(
        command,
        name=readable(wish.get("name", "")).strip() or command.name,
        description=readable(wish["description"]) if "description" in wish else command.description,
        machines=machines,
        order=tuple(dict.fromkeys(wish.get("order", ()))),
        parameters=_parameters(command, wish.get("parameters", {}), join(pointer, "parameters"), faults),
    )


def _parameters(
    command: Command, wishes: Mapping[str, Json], pointer: str, faults: list[Fault]
) -> Mapping[str, Parameter]:
    gone = [key for key in wishes if key not in command.parameters]
    faults.extend(_gone(join(pointer, key), "parameter", key, command.parameters) for key in gone)
    shaped: dict[str, Parameter] = {}
    for key, parameter in command.parameters.items():
        shaping = Shaping(parameter, wishes.get(key, {}), join(pointer, key))
        shaped[key] = shaping.shaped() if key in wishes else parameter
        faults += shaping.faults
    return shaped


def _gone(pointer: str, what: str, key: str, known: Mapping[str, Any]) -> Fault:
    near = closest(key, known)
    advice = f" Did you mean {near}?" if near else ""
    return Fault(pointer, "gone", f"names the {what} {key[:80]!r}, which this version does not have.{advice}")


@dataclass(frozen=True)
class Carried:
    """An overlay taken over to another version. `kept` counts what it says; `dropped` says what no longer fits."""

    overlay: dict[str, Json]
    kept: int
    dropped: tuple[Fault, ...]


def carry_over(spec: LaunchSpec, overlay: Overlay) -> Carried:
    """As much of an overlay as fits another spec. What has a fault is left out, each entry with its reason."""
    rest: dict[str, Json] = copy.deepcopy(dict(overlay))
    dropped: list[Fault] = []
    for _ in range(ROUNDS_MAX):
        judged = apply(spec, rest)
        if not isinstance(judged, list):
            break
        dropped += judged
        # From the end, so that the indexes of lists stay true while entries are taken out.
        for fault in reversed(judged):
            _take_out(rest, fault.pointer)
        rest = tidy(rest)
    else:
        rest = {}
    return Carried(rest, _count(rest), tuple(dropped))


def _take_out(overlay: dict[str, Json], pointer: str) -> None:
    """Remove what a pointer names, or the nearest thing around it that is there."""
    steps = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    node: Json = overlay
    above: list[tuple[Json, str | int]] = []
    for step in steps:
        key: str | int = int(step) if isinstance(node, list) else step
        there = (
            key in node
            if isinstance(node, dict)
            else isinstance(node, list) and isinstance(key, int) and key < len(node)
        )
        if not there:
            break
        above.append((node, key))
        node = node[key]
    if above:
        holder, last = above[-1]
        del holder[last]
    else:
        overlay.clear()


def _count(value: Json) -> int:
    """How many things an overlay says."""
    if isinstance(value, dict):
        return sum(_count(one) for one in value.values())
    return 1
