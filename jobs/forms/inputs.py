"""What a form asks for: one Input per schema node and its hint, ready to be drawn and read.

`inputs_of` makes them from a command of an AppDef. Another source of inputs is another such function:
nothing further on knows where an Input came from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from apps_catalog.launch.parameters import Hint, Parameter
from apps_catalog.launch.schema import hints
from apps_catalog.launch.spec import Command, Json


@dataclass(frozen=True)
class Choice:
    """One option: the form posts its index, the submission gets its value."""

    index: int
    label: str
    value: Json


@dataclass(frozen=True)
class Input:
    """One value to ask for. `coerce` gives the typed value that a text stands for (and anything else unchanged)."""

    key: str
    hint: Hint
    default: Json
    choices: tuple[Choice, ...]
    coerce: Callable[[Json], Json]


COMMANDS_KEPT = 64
_kept: dict[
    int, tuple[Command, tuple[Input, ...]]
] = {}  # by the command's id, oldest first; it can't go while it is here


def inputs_of(command: Command) -> tuple[Input, ...]:
    """The inputs of a command in the author's order; what the author fixed is not asked for.

    A page asks for them several times, and specs are kept: so those of the latest commands are kept too.
    """
    kept = _kept.get(id(command))
    if kept is not None:
        return kept[1]
    inputs = _inputs(command)
    if len(_kept) >= COMMANDS_KEPT:
        _kept.pop(next(iter(_kept)), None)
    _kept[id(command)] = (command, inputs)
    return inputs


def _inputs(command: Command) -> tuple[Input, ...]:
    asked = (hint for hint in hints(command) if not command.parameters[hint.key].fixed)
    return tuple(_input(command.parameters[hint.key], hint) for hint in asked)


def _input(parameter: Parameter, hint: Hint) -> Input:
    choices = tuple(Choice(o.index, o.label, parameter.coerce({"option": o.index})) for o in hint.options)
    return Input(parameter.key, hint, parameter.default, choices, parameter.coerce)
