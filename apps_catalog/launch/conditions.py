"""`if` and `ifnot`: which parameters of a command take part, by what its BOOLs say.

A parameter is present when every BOOL named by its `if` is true and every one named by its `ifnot` is false. A BOOL
that is itself hidden counts as false. A name that is no BOOL of the command decides nothing: the import warns of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apps_catalog.launch.findings import Json
from apps_catalog.launch.parameters import Flag, Parameter
from apps_catalog.launch.positions import join
from apps_catalog.launch.reading import Notes, closest, shortened
from apps_catalog.launch.spec import Command

# Conditions on conditions, counted from a parameter to the last BOOL it hangs on. Real definitions have one or two.
MAX_LEVELS = 10
MAX_CIRCLES = 20
MAX_UNFIT = 40

Parameters = Mapping[str, Parameter]


def present(command: Command, values: Mapping[str, Json]) -> frozenset[str]:
    """The keys of the parameters that take part. `values` may be as sent or clean; an absent BOOL has its default."""
    parameters = command.parameters
    known: dict[str, bool] = {}
    return frozenset(
        key
        for key, parameter in parameters.items()
        if not (parameter.if_ or parameter.ifnot) or _is_present(parameters, parameter, values, known, ())
    )


def present_parameters(command: Command, values: Json) -> dict[str, Parameter]:
    """The parameters that take part, in the author's order; all of them where `values` is no object."""
    keys = present(command, values if isinstance(values, Mapping) else {})
    return {key: parameter for key, parameter in command.parameters.items() if key in keys}


def _is_present(
    parameters: Parameters,
    parameter: Parameter,
    values: Mapping[str, Json],
    known: dict[str, bool],
    above: tuple[str, ...],
) -> bool:
    for names, wanted in ((parameter.if_, True), (parameter.ifnot, False)):
        for name in flags_of(parameters, names):
            if name not in known:
                known[name] = _is_true(parameters, name, values, known, above)
            if known[name] is not wanted:
                return False
    return True


def _is_true(
    parameters: Parameters, name: str, values: Mapping[str, Json], known: dict[str, bool], above: tuple[str, ...]
) -> bool:
    """Whether a BOOL is present and true. No reader lets a circle pass; one made by hand is false, and ends here."""
    flag = parameters[name]
    if name in above or len(above) > MAX_LEVELS:
        return False
    says = flag.coerce(values[name]) if name in values else flag.default
    return says is True and _is_present(parameters, flag, values, known, (*above, name))


def flags_of(parameters: Parameters, names: Iterable[str]) -> tuple[str, ...]:
    """The names that are BOOLs of the command: the others decide nothing."""
    return tuple(name for name in names if isinstance(parameters.get(name), Flag))


def condition_schema(command: Command, if_: tuple[str, ...], ifnot: tuple[str, ...]) -> dict[str, Any]:
    """JSON Schema 2020-12 of the submissions in which a parameter with these conditions is present."""
    return _schema(command.parameters, if_, ifnot, ())


def _schema(
    parameters: Parameters, if_: tuple[str, ...], ifnot: tuple[str, ...], above: tuple[str, ...]
) -> dict[str, Any]:
    trues: dict[str, None] = {}
    falses: dict[str, None] = {}
    todo = [(if_, ifnot)]
    while todo:
        yes, no = todo.pop()
        falses.update(dict.fromkeys(flags_of(parameters, no)))
        for name in flags_of(parameters, yes):
            if name not in trues:
                trues[name] = None
                todo.append((parameters[name].if_, parameters[name].ifnot))
    schema: dict[str, Any] = {"properties": {name: {"const": True} for name in trues}}
    # A BOOL that is left out has its default, so only one whose default is false has to be sent.
    required = [name for name in trues if not parameters[name].default]
    if required:
        schema["required"] = required
    nots = [
        {"not": _schema(parameters, (name,), (), (*above, name))}
        for name in falses
        if name not in above and len(above) <= MAX_LEVELS
    ]
    return {**schema, "allOf": nots} if nots else schema


def check_conditions(parameters: Parameters, pointer: str, notes: Notes, version: int) -> None:
    """Notes what is wrong with the conditions of a command; `pointer` is that of its parameters."""
    flags = [key for key, one in parameters.items() if isinstance(one, Flag)]
    unfit = 0
    for key, parameter in parameters.items():
        where = join(pointer, key)
        if (parameter.if_ or parameter.ifnot) and version < 2:
            notes.warn("needs-version-2", "'if' and 'ifnot' need \"appdefversion\": 2; they are accepted.", where)
        for way, names in (("if", parameter.if_), ("ifnot", parameter.ifnot)):
            for name in names:
                if unfit < MAX_UNFIT and not isinstance(parameters.get(name), Flag):
                    unfit += 1
                    _say_unfit(way, name, parameters.get(name), flags, join(where, way), notes)
        both = next((name for name in parameter.if_ if name in parameter.ifnot), None)
        if both is not None:
            message = f"'if' and 'ifnot' both name {shortened(both)!r}, so this parameter is never present."
            notes.warn("condition-never", message, where)
    _check_circles(parameters, pointer, notes)


def _say_unfit(way: str, name: str, other: Parameter | None, flags: list[str], where: str, notes: Notes) -> None:
    near = closest(name, flags)
    if near:
        advice = f"Did you mean {shortened(near)!r}?"
    elif flags:
        advice = f"The BOOLs are: {', '.join(shortened(key) for key in flags[:8])}."
    else:
        advice = "The command has no BOOL."
    what = "is no parameter of this command" if other is None else f"is of type {other.kind}, not BOOL"
    code = "condition-unknown" if other is None else "condition-not-bool"
    notes.warn(code, f"{way!r} names {shortened(name)!r}, which {what}; this name decides nothing. {advice}", where)


def _check_circles(parameters: Parameters, pointer: str, notes: Notes) -> None:
    """Notes an error for BOOLs that wait for each other, and for conditions on too many conditions."""
    waits = {
        key: set(flags_of(parameters, (*parameter.if_, *parameter.ifnot)))
        for key, parameter in parameters.items()
        if parameter.if_ or parameter.ifnot
    }
    levels = _settle(waits)
    if len(levels) > MAX_LEVELS:
        message = f"Conditions that hang on conditions more than {MAX_LEVELS} levels deep are not read."
        notes.error("condition-depth", message, join(pointer, levels[MAX_LEVELS]))
    for _ in range(MAX_CIRCLES):
        if not waits:
            return
        circle = _circle(waits)
        listed = " -> ".join(shortened(name) for name in (*circle[:8], circle[0]))
        message = f"Each of these is there only if the next one says so, in a circle: {listed}. Take one condition out."
        notes.error("condition-circle", message, join(pointer, circle[0]))
        for key in circle:
            del waits[key]
        _settle(waits)


def _settle(waits: dict[str, set[str]]) -> list[str]:
    """Takes out, level by level, the keys that wait for none of the others; the first key of each level."""
    levels: list[str] = []
    while settled := [key for key, names in waits.items() if names.isdisjoint(waits)]:
        levels.append(settled[0])
        for key in settled:
            del waits[key]
        if len(levels) > MAX_LEVELS:
            waits.clear()
    return levels


def _circle(waits: Mapping[str, set[str]]) -> list[str]:
    """Keys that wait for each other in a circle. There is one: after `_settle` every key waits for another one."""
    seen: dict[str, int] = {}
    key = next(iter(waits))
    while key not in seen:
        seen[key] = len(seen)
        key = min(name for name in waits[key] if name in waits)
    return list(seen)[seen[key] :]
