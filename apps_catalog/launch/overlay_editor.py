"""The overlay as curators edit it, part by part: for each part a schema in the dialect of django-jsonform and its data.

Fields show what holds now, the author's word where the curator has none; what equals the author's is not kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from apps_catalog.launch.findings import Json
from apps_catalog.launch.overlay import Overlay, tidy
from apps_catalog.launch.overlay_parameters import fit
from apps_catalog.launch.parameters import Const, Flag, Float, Integer, Parameter, Selection, UnfitError, Upload
from apps_catalog.launch.parameters.numeric import as_json, in_words
from apps_catalog.launch.reading import to_decimal, to_integer
from apps_catalog.launch.spec import Command, LaunchSpec

PER_PAGE = 8
COMMAND_WORDS = frozenset({"name", "description", "hidden", "machines"})
AUTHOR = "author"
FREE = "free"  # a list of choices shows nothing for an empty value
PASSED = {"key": False, "value": True}
Kind = Literal["app", "command", "parameters", "order"]


@dataclass(frozen=True)
class Part:
    """What is edited at a time: the app's own words, a command's, some of its parameters (pages from 1), or their order."""

    kind: Kind
    command: str = ""
    page: int = 1


def parts_of(command: Command) -> list[Part]:
    """The parts of one command, in the order in which they are offered."""
    pages = -(-len(command.parameters) // PER_PAGE)
    found = [Part("command", command.key)]
    found += [Part("parameters", command.key, page) for page in range(1, pages + 1)]
    return [*found, Part("order", command.key)] if len(command.parameters) > 1 else found


def numbered(command: Command, part: Part) -> list[tuple[str, Parameter]]:
    """The parameters on a page, each with a name of ours: a key of an author's may hold anything."""
    start = (part.page - 1) * PER_PAGE
    every = enumerate(command.parameters.values())
    return [(f"p{number}", one) for number, one in every if start <= number < start + PER_PAGE]


# The schema


def _text(title: str, help_text: str = "", **more: Json) -> dict[str, Json]:
    return {"type": "string", "title": title, **({"helpText": help_text} if help_text else {}), **more}


def _texts(title: str, help_text: str) -> dict[str, Json]:
    return {"type": "array", "title": title, "helpText": help_text, "items": {"type": "string"}}


def schema_of(spec: LaunchSpec, part: Part) -> dict[str, Any]:
    """The schema of a part for django-jsonform's widget. It draws; OVERLAY_SCHEMA and `apply` judge."""
    if part.kind == "app":
        return _object("The app", _app_fields())
    command = spec.commands[part.command]
    if part.kind == "command":
        return _object("The command", _command_fields(spec, command))
    if part.kind == "order":
        count = len(command.parameters)
        items = {"type": "string", "readonly": True}
        order = {"type": "array", "title": "Order", "items": items, "minItems": count, "maxItems": count}
        return _object("Order in the form", {"order": order})
    fields = {name: _object(_title(one), _fields_of(one)) for name, one in numbered(command, part)}
    return _object("Parameters", fields)


def _object(title: str, keys: Mapping[str, Json]) -> dict[str, Any]:
    return {"type": "object", "title": title, "keys": dict(keys), "additionalProperties": False}


def _title(parameter: Parameter) -> str:
    named = f"{parameter.label} ({parameter.key})" if parameter.label != parameter.key else parameter.key
    return f"{named[:100]}, {parameter.kind}"


def _app_fields() -> dict[str, Json]:
    return {
        "name": _text("Name"),
        "summary": _text("Description", widget="textarea"),
        "categories": _texts("Categories", "A slash makes a path: Science/Physics."),
    }


def _command_fields(spec: LaunchSpec, command: Command) -> dict[str, Json]:
    allowed = ", ".join(spec.machines_of(command)[:8])
    return {
        "name": _text("Name"),
        "description": _text("Description", widget="textarea"),
        "hidden": {"type": "boolean", "title": "Hidden: nobody can launch this command"},
        "machines": _texts("Machines", f"Only these of the author's ({allowed}). Patterns with * and ? are fine."),
    }


def _fields_of(parameter: Parameter) -> dict[str, Json]:
    passed = [
        {
            "value": AUTHOR,
            "title": f"As the author says ({'its value alone' if parameter.positional else 'key, then value'})",
        },
        {"value": "key", "title": "The key, then the value"},
        {"value": "value", "title": "The value alone"},
    ]
    positional = {"positional": _text("How it is passed", choices=passed)}
    if isinstance(parameter, Const):
        return positional
    words = {
        "label": _text("Label"),
        "group": _text("Group", placeholder="Title over this and others"),
        "help": _text("Help", widget="textarea"),
    }
    hidden = {"hidden": {"type": "boolean", "title": "Hidden: nobody is asked, its default is used"}}
    if isinstance(parameter, Upload):
        return words | hidden
    values: dict[str, Json] = {"default": _value_field("Default", parameter, blank="")}
    values["locked"] = _value_field("Fixed at", parameter, blank="People choose")
    if isinstance(parameter, Integer | Float):
        values["min"], values["max"] = _text("Least"), _text("Most")
    return words | values | positional | hidden


def _value_field(title: str, parameter: Parameter, *, blank: str) -> dict[str, Json]:
    choices: list[dict[str, Json]] = []
    if isinstance(parameter, Flag):
        choices = [{"value": "true", "title": "On"}, {"value": "false", "title": "Off"}]
    elif isinstance(parameter, Selection):
        choices = [{"value": str(one.index), "title": one.label or "(empty)"} for one in parameter.options]
    if choices:
        return _text(title, choices=[{"value": FREE, "title": blank}, *choices] if blank else choices)
    long = "\n" in str(parameter.default or "")
    return _text(title, **({"widget": "textarea"} if long else {}), **({"placeholder": blank} if blank else {}))


# The data, and back


def data_of(spec: LaunchSpec, overlay: Overlay, part: Part) -> dict[str, Json]:
    """What the fields of a part show: the curator's word, else the author's."""
    if part.kind == "app":
        return {
            "name": overlay.get("name", spec.name),
            "summary": overlay.get("summary", spec.description),
            "categories": list(overlay.get("categories", spec.categories)),
        }
    command = spec.commands[part.command]
    wish = _wish(overlay, part.command)
    if part.kind == "command":
        return {
            "name": wish.get("name", command.name),
            "description": wish.get("description", command.description),
            "hidden": wish.get("hidden", False),
            "machines": list(wish.get("machines", ())),
        }
    if part.kind == "order":
        return {"order": _rows(command, wish.get("order", ()))}
    wishes = wish.get("parameters", {})
    return {name: _shown(one, wishes.get(one.key, {})) for name, one in numbered(command, part)}


def _wish(overlay: Overlay, command: str) -> Mapping[str, Json]:
    found: Mapping[str, Json] = overlay.get("commands", {}).get(command, {})
    return found


def _rows(command: Command, order: Any) -> list[str]:
    """One line a parameter: its place in the author's file, and its name."""
    place = {key: number for number, key in enumerate(command.parameters, start=1)}
    keys = [key for key in dict.fromkeys((*order, *command.parameters)) if key in place]
    return [f"{place[key]} · {command.parameters[key].label}"[:120] for key in keys]


def _shown(parameter: Parameter, wish: Mapping[str, Json]) -> dict[str, Json]:
    low, high = (getattr(parameter, name, None) for name in ("minimum", "maximum"))
    values: dict[str, Json] = {
        "label": wish.get("label", parameter.label),
        "help": wish.get("help", parameter.description),
        "group": wish.get("group", ""),
        "hidden": wish.get("hidden", False),
        "default": _as_text(parameter, wish.get("default", parameter.default)),
        "min": str(wish.get("min", "" if low is None else in_words(low))),
        "max": str(wish.get("max", "" if high is None else in_words(high))),
        "locked": _as_text(parameter, wish["locked"]) if "locked" in wish else _blank(parameter),
        "positional": {None: AUTHOR, False: "key", True: "value"}[wish.get("positional")],
    }
    return {name: values[name] for name in _fields_of(parameter)}


def _blank(parameter: Parameter) -> str:
    """What the field for a fixed value shows where there is none."""
    return FREE if isinstance(parameter, Flag | Selection) else ""


def _as_text(parameter: Parameter, value: Json) -> str:
    if value is None:
        return ""
    if isinstance(parameter, Selection):
        index = parameter.index_of(value)
        return "" if index is None else str(index)
    if isinstance(parameter, Flag):
        return "true" if value is True or value == "true" else "false"
    if isinstance(parameter, Float) and not isinstance(value, str):
        return parameter.text(value)
    return str(value)


def merged(spec: LaunchSpec, overlay: Overlay, part: Part, data: Json) -> dict[str, Json]:
    """The overlay with one part as its fields say. `data` may be anything JSON can say; `apply` judges what comes out."""
    given: Mapping[str, Json] = data if isinstance(data, Mapping) else {}
    if part.kind == "app":
        app = {
            "name": _changed(given, "name", spec.name),
            "summary": _changed(given, "summary", spec.description, blank=True),
            "categories": None if _list(given, "categories") == list(spec.categories) else _list(given, "categories"),
        }
        return tidy({**overlay, **app})
    command = spec.commands[part.command]
    wish = dict(_wish(overlay, part.command))
    if part.kind == "command":
        wish |= {
            "name": _changed(given, "name", command.name),
            "description": _changed(given, "description", command.description, blank=True),
            "hidden": True if given.get("hidden") is True else None,
            "machines": _list(given, "machines") or None,
        }
    elif part.kind == "order":
        wish["order"] = _order(command, given.get("order"))
    else:
        parameters = dict(wish.get("parameters", {}))
        for name, one in numbered(command, part):
            parameters[one.key] = _read(one, given.get(name))
        wish["parameters"] = parameters
    return tidy({**overlay, "commands": {**overlay.get("commands", {}), part.command: wish}})


def _string(given: Mapping[str, Json], name: str) -> str:
    value = given.get(name)
    return value if isinstance(value, str) else ""


def _changed(given: Mapping[str, Json], name: str, author: str, *, blank: bool = False) -> str | None:
    """What is written, where it is not the author's; None else. `blank`: empty is a word of its own."""
    written = _string(given, name).replace("\r\n", "\n")
    same = written.strip() == author.strip()
    return None if same or not (written.strip() or (blank and name in given)) else written


def _list(given: Mapping[str, Json], name: str) -> list[str]:
    raw = given.get(name)
    return [one.strip() for one in raw if isinstance(one, str) and one.strip()] if isinstance(raw, list) else []


def _order(command: Command, rows: Json) -> list[str] | None:
    keys = list(command.parameters)
    numbers = [str(row).partition(" ")[0] for row in rows] if isinstance(rows, list) else []
    places = [int(number) - 1 for number in numbers if number.isascii() and number.isdigit() and len(number) < 6]
    order = list(dict.fromkeys(keys[place] for place in places if 0 <= place < len(keys)))
    return None if order == keys[: len(order)] else order


def _read(parameter: Parameter, raw: Json) -> dict[str, Json]:
    given: Mapping[str, Json] = raw if isinstance(raw, Mapping) else {}
    fields = _fields_of(parameter)
    author = _shown(parameter, {})
    wish: dict[str, Json] = {
        "label": _changed(given, "label", parameter.label),
        "help": _changed(given, "help", parameter.description, blank=True),
        "group": _string(given, "group").strip() or None,
        "hidden": True if given.get("hidden") is True else None,
        "positional": PASSED.get(_string(given, "positional")),
    }
    if "default" in fields and _string(given, "default") != author["default"] and "default" in given:
        wish["default"] = _typed(parameter, _string(given, "default"))
    if "locked" in fields and _string(given, "locked") not in ("", _blank(parameter)):
        wish["locked"] = _typed(parameter, _string(given, "locked"))
    for key in ("min", "max"):
        written = _string(given, key).strip()
        if key in fields and written not in ("", author[key]):
            wish[key] = _number(parameter, written)
    return {key: value for key, value in wish.items() if value is not None and (key in fields)}


def _typed(parameter: Parameter, text: str) -> Json:
    """The value that a field's text stands for; the text itself where it stands for none, to be refused where it is."""
    if isinstance(parameter, Selection) and text.isascii() and text.isdigit() and len(text) < 6:
        return parameter.canonical(int(text)) if int(text) < len(parameter.options) else text
    try:
        value = fit(parameter, text)
    except UnfitError:
        return text
    return "" if value is None else value


def _number(parameter: Parameter, text: str) -> Json:
    if isinstance(parameter, Float):
        number = to_decimal(text)
        return text if number is None else as_json(number)
    whole = to_integer(text)
    return text if whole is None else whole


def place_of(spec: LaunchSpec, part: Part, pointer: str) -> list[str] | None:
    """Where on the page of a part the thing that a pointer names is edited; None where it is on another page."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    if steps[:1] != ["commands"]:
        return steps[:1] if part.kind == "app" and steps else None
    if len(steps) < 3 or steps[1] != part.command:
        return None
    if steps[2] != "parameters":
        return steps[2:] if part.kind in ("command", "order") else None
    if part.kind != "parameters" or len(steps) < 4:
        return None
    name = next((name for name, one in numbered(spec.commands[part.command], part) if one.key == steps[3]), None)
    return None if name is None else [name, *steps[4:5]]


def part_at(spec: LaunchSpec, command: str, kind: str, page: int) -> Part:
    """The part that an address asks for; the app's own words where there is no such."""
    found = spec.commands.get(command)
    if found is None:
        return Part("app")
    wanted = [one for one in parts_of(found) if one.kind == kind and one.page == page]
    return wanted[0] if wanted else parts_of(found)[0]


def said(spec: LaunchSpec, overlay: Overlay, part: Part) -> int:
    """How many things the overlay says on a part; of parameters, on how many of them."""
    if part.kind == "app":
        return len(overlay.keys() - {"commands"})
    wish = _wish(overlay, part.command)
    if part.kind == "parameters":
        wishes = wish.get("parameters", {})
        return sum(one.key in wishes for _, one in numbered(spec.commands[part.command], part))
    return len(wish.keys() & ({"order"} if part.kind == "order" else COMMAND_WORDS))


def without(spec: LaunchSpec, overlay: Overlay, part: Part) -> dict[str, Json]:
    """The overlay with one part as the author has it."""
    if part.kind == "app":
        return tidy({"commands": overlay.get("commands", {})})
    wish = dict(_wish(overlay, part.command))
    if part.kind == "parameters":
        mine = {one.key for _, one in numbered(spec.commands[part.command], part)}
        wish["parameters"] = {key: one for key, one in wish.get("parameters", {}).items() if key not in mine}
    words: Mapping[Kind, frozenset[str]] = {"order": frozenset({"order"}), "command": COMMAND_WORDS}
    for name in words.get(part.kind, ()):
        wish.pop(name, None)
    return tidy({**overlay, "commands": {**overlay.get("commands", {}), part.command: wish}})
