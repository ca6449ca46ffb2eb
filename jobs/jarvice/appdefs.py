"""An author's AppDef with the types that JARVICE itself gives: strict clients refuse a whole list for one wrong type."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

Read = Callable[[Any], Any]  # gives None for what can't be read so; then the key is left out


def text(value: Any) -> str | None:
    match value:
        case str():
            return value
        case None:
            return None
        case _:
            return json.dumps(value, ensure_ascii=False)


def flag(value: Any) -> bool | None:
    match value:
        case bool():
            return value
        case str():
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(
                value.strip().lower()
            )
        case int():
            return bool(value)
        case _:
            return None


def whole(value: Any) -> int | None:
    found = number(value)
    return int(found) if found is not None and found == int(found) else None


def number(value: Any) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    if isinstance(value, str):
        for kind in (int, float):
            try:
                found = kind(value.strip())
            except ValueError:
                continue
            return found if abs(found) < 1e300 else None  # no infinity and no NaN: neither is JSON
    return None


def texts(value: Any) -> list[str] | None:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [found for one in value if (found := text(one)) is not None]
    return None


def one_text(value: Any) -> str | None:
    """A FILE's filter may be a list; patterns are divided by a bar in one text."""
    return "|".join(texts(value) or []) if isinstance(value, list) else text(value)


def each(rules: Mapping[str, Read]) -> Read:
    """An object whose values all follow these rules."""

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            return None
        return {key: typed(one, rules) for key, one in value.items() if isinstance(one, dict)}

    return read


def within(rules: Mapping[str, Read]) -> Read:
    def read(value: Any) -> Any:
        return typed(value, rules) if isinstance(value, dict) else None

    return read


def typed(raw: Mapping[str, Any], rules: Mapping[str, Read]) -> dict[str, Any]:
    """The object in its own order. Keys without a rule stay as they are."""
    found = {}
    for key, value in raw.items():
        if key in rules:
            value = rules[key](value)
            if value is None:
                continue
        found[key] = value
    return found


VARIABLE: dict[str, Read] = {
    "description": text,
    "inherit": flag,
    "name": text,
    "required": flag,
    "userowned": flag,
}
PARAMETER: dict[str, Read] = {
    "cmdscript": flag,
    "description": text,
    "filter": one_text,
    "if": texts,
    "ifnot": texts,
    "max": number,
    "min": number,
    "mvalues": texts,
    "name": text,
    "positional": flag,
    "required": flag,
    "size": text,
    "step": text,
    "target": text,
    "type": text,
    "values": texts,
    "variable": flag,
}
COMMAND: dict[str, Read] = {
    "cmdscript": text,
    "description": text,
    "desktop": flag,
    "hints": texts,
    "interactive": flag,
    "machines": texts,
    "mpirun": flag,
    "name": text,
    "noconnect": flag,
    "noqueue": flag,
    "parameters": each(PARAMETER),
    "path": text,
    "ports": texts,
    "publicip": flag,
    "scale_max": whole,
    "url": text,
    "variables": each(VARIABLE),
    "verboseinit": flag,
    "walltime": text,
    "webshell": flag,
}
APPDEF: dict[str, Read] = {
    "appdefversion": whole,
    "author": text,
    "certified": flag,
    "classifications": texts,
    "commands": each(COMMAND),
    "description": text,
    "enablehpc": flag,
    "hints": texts,
    "id": text,
    "identity": within({"gid": whole, "group": text, "uid": whole, "username": text}),
    "image": within({"data": text, "type": text}),
    "licensed": flag,
    "machines": texts,
    "nae": text,
    "name": text,
    "public": flag,
    "scale_max": whole,
    "team": flag,
    "variables": each(VARIABLE),
    "vault-types": texts,
    "walltime": text,
}


def strict(definition: str, *, owner: str) -> dict[str, Any]:
    """The definition as an object, in the author's order, with `owner` and `price` as JARVICE copies them in: as texts."""
    document = json.loads(definition.removeprefix("\ufeff"))
    return {**typed(document, APPDEF), "owner": owner, "price": "0"}
