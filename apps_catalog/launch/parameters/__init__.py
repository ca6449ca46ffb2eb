"""The nine parameter types of an AppDef. One more type is one more class in KINDS and one table of test cases."""

from __future__ import annotations

from apps_catalog.launch.findings import Json
from apps_catalog.launch.parameters.base import (
    GENERIC_KEYS,
    Hint,
    Option,
    Parameter,
    UnfitError,
    Widget,
    checked_text,
    read_generic,
)
from apps_catalog.launch.parameters.choices import Flag, Selection
from apps_catalog.launch.parameters.files import File, Upload
from apps_catalog.launch.parameters.numeric import Float, Integer, Range
from apps_catalog.launch.parameters.texts import Const, String
from apps_catalog.launch.reading import Notes, Section, closest

KINDS: dict[str, type[Parameter]] = {
    c.kind: c for c in (Const, String, Integer, Range, Float, Flag, Selection, File, Upload)
}

ALL_KEYS = GENERIC_KEYS.union(*(c.own_keys for c in KINDS.values()))
BY_LOWER = {kind.lower(): c for kind, c in KINDS.items()}


def read_parameter(key: str, raw: Json, pointer: str, notes: Notes) -> Parameter | None:
    """The parameter an author's object describes, or None where it can't be one (an error is noted)."""
    if not isinstance(raw, dict):
        notes.error("not-an-object", f"The parameter {key!r} must be an object.", pointer)
        return None
    cls = _kind(key, raw, pointer, notes)
    if cls is None:
        return None
    known = GENERIC_KEYS | cls.own_keys
    section = Section(raw, pointer, notes, known, elsewhere=ALL_KEYS - known)
    section.demand("name", "description", *(() if cls is Const else ("required",)))
    generic = read_generic(key, section, implied_required=cls is Const)
    parameter = cls.parse(section, generic)
    if parameter is not None and not parameter.variable and not isinstance(parameter, Upload):
        _say_how_it_is_passed(parameter, pointer, notes)
    return parameter


def _kind(key: str, raw: dict[str, Json], pointer: str, notes: Notes) -> type[Parameter] | None:
    name = "type" if "type" in raw else closest("type", [k for k in raw if k not in ALL_KEYS and len(k) < 7], 0.85)
    written = raw.get(name) if name else None
    if written is None or written == "":
        notes.warn("no-type", f"The parameter {key!r} has no 'type'; it is read as STR.", pointer)
        return String
    place = f"{pointer}/{name}"
    cls = BY_LOWER.get(written.strip().lower()) if isinstance(written, str) else None
    if cls is None:
        near = closest(written, KINDS) if isinstance(written, str) else None
        hint = f" Did you mean {near}?" if near else f" The types are {', '.join(KINDS)}."
        notes.error("unknown-type", f"The parameter {key!r} has the unknown type {written!r}.{hint}", place)
    elif written != cls.kind:
        notes.warn("converted", f"The type {written!r} is written {cls.kind}; it is read as that.", place)
    return cls


def _say_how_it_is_passed(parameter: Parameter, pointer: str, notes: Notes) -> None:
    if parameter.positional_given is not None or isinstance(parameter, Flag):
        return
    way = "its value alone" if parameter.positional else f"{parameter.key} and then its value"
    notes.info("positional", f"'positional' is not given for {parameter.key!r}; the program gets {way}.", pointer)


__all__ = [
    "KINDS",
    "Const",
    "File",
    "Flag",
    "Float",
    "Hint",
    "Integer",
    "Option",
    "Parameter",
    "Range",
    "Selection",
    "String",
    "UnfitError",
    "Upload",
    "Widget",
    "checked_text",
    "read_parameter",
]
