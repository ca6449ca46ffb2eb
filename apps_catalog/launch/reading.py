"""Typed access to an author's JSON objects: what is of another type is converted and said, what is unknown is kept."""

from __future__ import annotations

import difflib
import html
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from apps_catalog.launch.findings import Finding, Json, Level
from apps_catalog.launch.positions import join

MAX_FINDINGS = 400
MAX_UNKNOWN = 40
MAX_MESSAGE = 1200
SIMILAR = 0.82
TRUE_WORDS = frozenset({"true", "yes", "on", "1"})
FALSE_WORDS = frozenset({"false", "no", "off", "0", ""})
UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
INTEGER_TEXT = re.compile(r"\s*[+-]?[0-9]{1,100}\s*", re.ASCII)


@dataclass
class Notes:
    """The findings of one reading, in the order they were made; errors are never dropped by the bound."""

    findings: list[Finding] = field(default_factory=list)
    left_out: int = 0

    @property
    def failed(self) -> bool:
        return any(finding.level == "error" for finding in self.findings)

    def add(self, level: Level, code: str, message: str, pointer: str = "") -> None:
        message = shortened(message, MAX_MESSAGE)
        if len(self.findings) >= MAX_FINDINGS and (level != "error" or len(self.findings) >= 2 * MAX_FINDINGS):
            self.left_out += 1
        else:
            self.findings.append(Finding(level, code, message, pointer))

    def error(self, code: str, message: str, pointer: str = "") -> None:
        self.add("error", code, message, pointer)

    def warn(self, code: str, message: str, pointer: str = "") -> None:
        self.add("warning", code, message, pointer)

    def info(self, code: str, message: str, pointer: str = "") -> None:
        self.add("info", code, message, pointer)


def shortened(text: str, most: int = 80) -> str:
    """A name or value of somebody's inside a sentence: an author's may have a megabyte."""
    return text if len(text) <= most else text[:most] + "..."


def readable(text: str) -> str:
    """Plain text: `&reg;` becomes ®, as authors mean it; tags stay what they are, text. Templates escape it as ever."""
    return UNSEEN.sub("", html.unescape(text))


def closest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known word that a misspelt one most likely means."""
    if len(word) > 60:
        return None
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[near[0]] if near else None


def to_integer(raw: Json) -> int | None:
    """A whole number however it is written, or None. Truth values are not numbers."""
    if isinstance(raw, bool):
        return None
    if isinstance(raw, int):
        return raw
    if isinstance(raw, float):
        # Beyond 2**53 a float no longer says which whole number was meant.
        return int(raw) if raw.is_integer() and abs(raw) <= 2**53 else None
    if isinstance(raw, str) and INTEGER_TEXT.fullmatch(raw):
        return int(raw)
    return None


def to_decimal(raw: Json) -> Decimal | None:
    """A finite number of at most 100 digits and a sane exponent however it is written, or None."""
    if isinstance(raw, bool) or not isinstance(raw, (int, float, str, Decimal)):
        return None
    text = repr(raw) if isinstance(raw, float) else str(raw).strip()
    if len(text) > 310 or "_" in text or not text.isascii():
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if not number.is_finite() or (number and abs(number.adjusted()) > 300) or len(number.as_tuple().digits) > 310:
        return None
    return number


def to_flag(raw: Json) -> bool | None:
    """True or false however it is written, or None."""
    if isinstance(raw, bool):
        return raw
    word = str(raw).strip().lower() if isinstance(raw, (str, int)) else None
    if word in TRUE_WORDS:
        return True
    return False if word in FALSE_WORDS else None


class Section:
    """One object of the author's: reads known keys, finds misspelt ones, keeps the rest in `extra`.

    `spelling` gives the known key that a written one is a way to write.
    """

    def __init__(
        self,
        raw: Mapping[str, Json],
        pointer: str,
        notes: Notes,
        known: frozenset[str],
        elsewhere: frozenset[str] = frozenset(),
        spelling: Callable[[str], str] = str,
    ) -> None:
        self.raw = raw
        self.pointer = pointer
        self.notes = notes
        self.written: dict[str, str] = {}
        for key in raw:
            meant = spelling(key)
            if meant in known and meant in self.written:
                self._say_twice(meant, key)
            if meant in known:
                self.written[meant] = key
        self.extra: dict[str, Json] = {}
        for number, key in enumerate(key for key in raw if spelling(key) not in known):
            if number < MAX_UNKNOWN and self._take_misspelt(key, known, elsewhere):
                continue
            self.extra[key] = raw[key]
            if number == MAX_UNKNOWN:
                notes.info("unknown-key", "More keys that are unknown here are kept; they have no effect.", pointer)

    def _say_twice(self, meant: str, key: str) -> None:
        message = f"{self.written[meant]!r} and {key!r} are two spellings of one key; the last one counts."
        self.notes.warn("duplicate-key", message, join(self.pointer, key))

    def _take_misspelt(self, key: str, known: frozenset[str], elsewhere: frozenset[str]) -> bool:
        free = [candidate for candidate in known if candidate not in self.raw and candidate not in self.written]
        meant = None if key in elsewhere or len(key) < 4 else closest(key, free, SIMILAR)
        place = join(self.pointer, key)
        if meant is None:
            self.notes.info("unknown-key", f"The key {key!r} is unknown here; it is kept and has no effect.", place)
            return False
        self.notes.warn(
            "misspelt-key", f"The key {key!r} is unknown; did you mean {meant!r}? It is read as that.", place
        )
        self.written[meant] = key
        return True

    def has(self, key: str) -> bool:
        return key in self.written

    def get(self, key: str) -> Json:
        """The value exactly as written, or None."""
        return self.raw[self.written[key]] if key in self.written else None

    def at(self, key: str, *more: str | int) -> str:
        """The pointer of a key, as the author spelt it."""
        return join(self.pointer, self.written.get(key, key), *more)

    def demand(self, *keys: str) -> None:
        """One warning for all keys that the specification requires and this object lacks."""
        missing = [key for key in keys if key not in self.written]
        if missing:
            listed = ", ".join(f"'{key}'" for key in missing)
            self.notes.warn("missing-key", f"The specification requires {listed} here.", self.pointer)

    def _converted(self, key: str, to: str) -> None:
        self.notes.warn("converted", f"{key!r} should be {to}; it is read as that.", self.at(key))

    def _ignored(self, key: str, to: str) -> None:
        self.notes.warn("ignored-value", f"{key!r} should be {to}; what is written there is ignored.", self.at(key))

    def text(self, key: str) -> str:
        raw = self.get(key)
        if raw is None or isinstance(raw, str):
            return raw or ""
        plain = plain_text(raw)
        if plain is None:
            self._ignored(key, "a text")
            return ""
        self._converted(key, "a text")
        return plain

    def prose(self, key: str) -> str:
        """A text that only people read."""
        return readable(self.text(key))

    def flag(self, key: str, default: bool = False) -> bool:
        raw = self.get(key)
        if raw is None or isinstance(raw, bool):
            return default if raw is None else raw
        value = to_flag(raw)
        (self._ignored if value is None else self._converted)(key, "true or false")
        return default if value is None else value

    def integer(self, key: str) -> int | None:
        """The whole number at a key; None where it is absent, blank or no whole number."""
        raw = self.get(key)
        if raw is None or raw == "" or (isinstance(raw, int) and not isinstance(raw, bool)):
            return raw if isinstance(raw, int) else None
        value = to_integer(raw)
        (self._ignored if value is None else self._converted)(key, "a whole number")
        return value

    def number(self, key: str) -> Decimal | None:
        """The number at a key; None where it is absent, blank or no number."""
        raw = self.get(key)
        if raw is None or raw == "":
            return None
        value = to_decimal(raw)
        if value is None:
            self._ignored(key, "a number")
        elif isinstance(raw, str):
            self._converted(key, "a number")
        return value

    def texts(self, key: str) -> tuple[str, ...] | None:
        """The list of texts at a key, or None where there is none."""
        raw = self.get(key)
        if raw is None:
            return None
        if isinstance(raw, dict) or (isinstance(raw, bool) and not raw):
            self._ignored(key, "a list of texts")
            return None
        if not isinstance(raw, list):
            self._converted(key, "a list of texts")
            raw = [raw]
        items = [item if isinstance(item, str) else plain_text(item) for item in raw]
        if any(not isinstance(item, str) for item in raw):
            self._converted(key, "a list of texts")
        return tuple(item for item in items if item is not None)

    def mapping(self, key: str) -> Mapping[str, Json] | None:
        raw = self.get(key)
        if raw is None or isinstance(raw, dict):
            return raw
        if raw:
            self._ignored(key, "an object")
        return None


def plain_text(raw: Json) -> str | None:
    """A number, truth value or flat list as the text its author most likely meant."""
    if isinstance(raw, str):
        return raw
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, (int, float)):
        return repr(raw)
    if isinstance(raw, list):
        items = [plain_text(item) for item in raw if not isinstance(item, (list, dict))]
        return " ".join(item for item in items if item is not None) if len(items) == len(raw) else None
    return None
