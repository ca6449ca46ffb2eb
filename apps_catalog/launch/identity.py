"""The author's `identity`: never root, however it is spelt."""

from __future__ import annotations

import re
from collections.abc import Mapping

from apps_catalog.launch.reading import Notes, Section
from apps_catalog.launch.spec import Json

KEYS = frozenset({"username", "group", "uid", "gid"})
MAX_ID = 2**31 - 1
DEFAULT_ID = 505
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")


def check_identity(raw: Mapping[str, Json], pointer: str, notes: Notes) -> None:
    """Notes an error for root and for what is no user or group."""
    section = Section(raw, pointer, notes, KEYS)
    section.demand("username")
    for key in ("username", "group"):
        _check_name(section, key)
    for key in ("uid", "gid"):
        _check_number(section, key)


def _check_name(section: Section, key: str) -> None:
    raw = section.get(key)
    if raw is None or raw == "":
        return
    if not isinstance(raw, str) or not NAME.fullmatch(raw.strip()):
        message = f"'{key}' {raw!r} is not a name: letters, digits, '.', '_' and '-', without blanks."
        section.notes.error("identity", message, section.at(key))
    elif raw.strip().lower() == "root":
        section.notes.error("identity-root", f"'{key}' is root; programs never run as root.", section.at(key))


def _check_number(section: Section, key: str) -> None:
    raw = section.get(key)
    if raw is None or raw == "":
        return
    number = _number(raw)
    place = section.at(key)
    if number is None or not 0 <= number <= MAX_ID:
        section.notes.error("identity", f"'{key}' {raw!r} is not a whole number from 1 to {MAX_ID}.", place)
    elif number == 0:
        section.notes.error("identity-root", f"'{key}' is {raw!r}, which is root; programs never run as root.", place)
    elif number < 1000 and number != DEFAULT_ID:
        section.notes.warn("identity-low", f"'{key}' {number} may belong to a system user; use 1000 or more.", place)
    elif not isinstance(raw, int):
        section.notes.warn("converted", f"'{key}' should be a whole number; it is read as that.", place)


def _number(raw: Json) -> int | None:
    """The id a text or number stands for, in every base and sign that a program might take."""
    if isinstance(raw, bool):
        return None
    if isinstance(raw, float):
        return int(raw) if raw.is_integer() else None
    if isinstance(raw, int):
        return raw
    text = raw.strip() if isinstance(raw, str) else ""
    if re.fullmatch(r"[+-]?0*(?:\.0*)?(?::[+-]?0*)?|[+-]?0[xXoObB][0_]+", text):
        return 0
    return int(text) if re.fullmatch(r"\+?[0-9]{1,10}", text) else None
