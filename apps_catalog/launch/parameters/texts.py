"""CONST and STR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from apps_catalog.launch.findings import Json
from apps_catalog.launch.parameters.base import MAX_WORD_BYTES, Generic, Hint, Parameter, checked_text
from apps_catalog.launch.reading import Section

LONG_TEXT = 100


@dataclass(frozen=True, kw_only=True)
class Const(Parameter):
    """The author's own text; nobody else changes it, and no form shows it."""

    kind: ClassVar[str] = "CONST"
    own_keys: ClassVar[frozenset[str]] = frozenset({"value"})

    @property
    def fixed(self) -> bool:
        return True

    @classmethod
    def parse(cls, section: Section, generic: Generic) -> Self | None:
        section.demand("value")
        return cls(default=section.text("value"), **generic)

    def value_schema(self) -> dict[str, Any]:
        return {"const": self.default}

    def hint(self) -> Hint:
        return self._hint("text")


@dataclass(frozen=True, kw_only=True)
class String(Parameter):
    """One line or a long text, kept to the last blank."""

    kind: ClassVar[str] = "STR"
    own_keys: ClassVar[frozenset[str]] = frozenset({"value"})

    @classmethod
    def parse(cls, section: Section, generic: Generic) -> Self | None:
        section.demand("value")
        return cls(default=section.text("value") or None, **generic)

    def value_schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "string", "maxLength": MAX_WORD_BYTES}
        return {**schema, "minLength": 1} if self.required else schema

    def coerce(self, raw: Json) -> Json:
        whole = isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) < 10**300
        return str(raw) if whole else raw

    def clean(self, value: Json) -> Json:
        return checked_text(value)

    def hint(self) -> Hint:
        default = self.default or ""
        return self._hint("longtext" if "\n" in default or len(default) > LONG_TEXT else "text")
