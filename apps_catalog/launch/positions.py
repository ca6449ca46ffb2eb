"""Where the values of a JSON text stand: JSON pointer -> (line, column), and keys that an object has twice.

Works on text that the standard library has already accepted, so a flat walk over its tokens is enough.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')
MAX_TOKENS = 200_000


def escape(key: str | int) -> str:
    """One reference token of a JSON pointer (RFC 6901)."""
    return str(key).replace("~", "~0").replace("/", "~1")


def join(pointer: str, *keys: str | int) -> str:
    return pointer + "".join("/" + escape(key) for key in keys)


@dataclass(frozen=True)
class Positions:
    """Line and column (from 1) of the values of a text; `repeated` holds the pointers of keys given twice."""

    text: str
    offsets: dict[str, int] = field(default_factory=dict)
    repeated: tuple[tuple[str, int], ...] = ()

    def of(self, pointer: str) -> tuple[int | None, int | None]:
        """The place of a value, or of the nearest object around it that is there."""
        while pointer not in self.offsets:
            if not pointer:
                return None, None
            pointer = pointer.rpartition("/")[0]
        return place(self.text, self.offsets[pointer])


def place(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def tokens(text: str) -> Iterator[tuple[str, int]]:
    """The tokens of a JSON text with their offsets, at most MAX_TOKENS (bounds the time for a hostile text)."""
    for number, match in enumerate(TOKEN.finditer(text)):
        if number >= MAX_TOKENS:
            return
        yield match.group(), match.start()


@dataclass
class _Open:
    """An object or array being walked."""

    pointer: str
    is_object: bool
    keys: set[str] = field(default_factory=set)
    key: str = ""
    index: int = 0
    want_key: bool = True


def find_positions(text: str) -> Positions:
    """The positions of all values of a text that `json.loads` accepts."""
    offsets: dict[str, int] = {}
    repeated: list[tuple[str, int]] = []
    stack: list[_Open] = []
    for piece, offset in tokens(text):
        top = stack[-1] if stack else None
        if piece in "}]":
            stack.pop()
        elif piece == ",":
            if top is not None:
                top.index += 1
                top.want_key = True
        elif piece == ":":
            continue
        elif top is not None and top.is_object and top.want_key:
            top.key = json.loads(piece, strict=False)
            top.want_key = False
            if top.key in top.keys:
                repeated.append((join(top.pointer, top.key), offset))
            top.keys.add(top.key)
        else:
            pointer = "" if top is None else join(top.pointer, top.key if top.is_object else top.index)
            offsets[pointer] = offset
            if piece in "{[":
                stack.append(_Open(pointer, piece == "{"))
    return Positions(text, offsets, tuple(repeated))
