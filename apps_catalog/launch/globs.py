"""Whether every name that one shell pattern takes is taken by another: a curator may narrow what an author allows, not widen it."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

STEPS_MAX = 20_000


@dataclass(frozen=True)
class _Part:
    """One piece of a pattern: a star, or one character of which `text` (a literal, `?` or a class) decides."""

    text: str

    @property
    def is_star(self) -> bool:
        return self.text == "*"

    def takes(self, sign: str) -> bool:
        if len(self.text) == 1 and self.text != "?":
            return sign == self.text
        return fnmatch.fnmatchcase(sign, self.text)


@lru_cache(maxsize=512)
def _parts(glob: str) -> tuple[_Part, ...]:
    found: list[_Part] = []
    at = 0
    while at < len(glob):
        end = at + 1
        if glob[at] == "[":
            close = glob.find("]", at + (3 if glob[at + 1 : at + 2] == "!" else 2))
            end = at + 1 if close < 0 else close + 1
        piece = glob[at:end]
        if not (piece == "*" and found and found[-1].is_star):
            found.append(_Part(piece))
        at = end
    return tuple(found)


def covered(glob: str, by: Iterable[str]) -> bool:
    """Whether each name that `glob` takes is taken by one of `by`. False also where that would take too long to tell."""
    glob, whole = _usual(glob), tuple(map(_usual, by))
    if glob in whole or "*" in whole:
        return True
    return _included(_parts(glob), tuple(map(_parts, whole)), _alphabet((glob, *whole)))


def _usual(glob: str) -> str:
    """Shells take [^ for [! as well, and so do the machines of a definition."""
    return glob.replace("[^", "[!")


def _alphabet(globs: Iterable[str]) -> tuple[str, ...]:
    """One sign for each that the patterns can tell apart: those they name, their neighbours, and one that none names."""
    named = {sign for glob in globs for sign in glob}
    near = {chr(ord(sign) + step) for sign in named for step in (-1, 1) if 0 < ord(sign) + step < 0xD800}
    return tuple(sorted(named | near | {"\ue000"}))


def _included(narrow: tuple[_Part, ...], wide: tuple[tuple[_Part, ...], ...], alphabet: tuple[str, ...]) -> bool:
    start = (0, frozenset((index, place) for index in range(len(wide)) for place in _reach(wide[index], 0)))
    todo, seen = [(place, start[1]) for place in _reach(narrow, 0)], set()
    steps = 0
    while todo:
        state = todo.pop()
        if state in seen:
            continue
        seen.add(state)
        place, others = state
        if place == len(narrow):
            if not any(at == len(wide[index]) for index, at in others):
                return False
            continue
        for sign in alphabet:
            steps += 1
            if steps > STEPS_MAX:
                return False
            if narrow[place].is_star or narrow[place].takes(sign):
                after = frozenset(pair for index, at in others for pair in _after(index, wide[index], at, sign))
                todo.extend((following, after) for following in _step(narrow, place, sign))
    return True


def _reach(parts: tuple[_Part, ...], place: int) -> tuple[int, ...]:
    """Where a pattern may stand without reading: a star may be empty."""
    return (place, place + 1) if place < len(parts) and parts[place].is_star else (place,)


def _step(parts: tuple[_Part, ...], place: int, sign: str) -> tuple[int, ...]:
    if place >= len(parts):
        return ()
    if parts[place].is_star:
        return (place, place + 1)
    return _reach(parts, place + 1) if parts[place].takes(sign) else ()


def _after(index: int, parts: tuple[_Part, ...], place: int, sign: str) -> tuple[tuple[int, int], ...]:
    return tuple((index, following) for following in _step(parts, place, sign))
