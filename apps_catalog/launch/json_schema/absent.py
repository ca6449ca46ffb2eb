"""What a form knows beyond JSON: that a value is not there, that a box holds no JSON, that a row has no key yet."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from apps_catalog.launch.findings import Json


class Absent(Enum):
    ABSENT = "absent"

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent.ABSENT
# Anything that JSON can say, or a state below. Lists may hold ABSENT: a row that is still blank.
State = Any


class Unread(str):
    """The text of a JSON box that is not JSON (yet)."""

    __slots__ = ()


class Unkeyed(str):
    """The place of a key-value row whose key is still blank; `str` of it tells several apart."""

    __slots__ = ()


class Bag(dict[str, State]):
    """An object being filled in: `chosen` says which alternative of which part (by its number) is drawn."""

    def __init__(self, *arguments: Any, chosen: dict[str, int] | None = None) -> None:
        super().__init__(*arguments)
        self.chosen = chosen or {}


@dataclass(frozen=True)
class Chosen:
    """A value of which a person said which alternative it is."""

    index: int
    value: State


def instance_of(state: State) -> Json:
    """The JSON value of a state, ABSENT where there is none. A box without JSON counts as its text."""
    if isinstance(state, Chosen):
        return instance_of(state.value)
    if isinstance(state, dict):
        pairs = ((key, instance_of(value)) for key, value in state.items() if not isinstance(key, Unkeyed))
        return {key: value for key, value in pairs if value is not ABSENT}
    if isinstance(state, list):
        return [value for value in map(instance_of, state) if value is not ABSENT]
    return str(state) if isinstance(state, Unread) else state


def same(one: Json, other: Json) -> bool:
    """Equal as JSON, types (1, 1.0, true) and the order of keys included."""
    return type(one) is type(other) and json.dumps(one) == json.dumps(other)
