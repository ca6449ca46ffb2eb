"""BOOL and selection."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

from apps_catalog.launch.document import text_fault
from apps_catalog.launch.findings import Json
from apps_catalog.launch.parameters.base import Generic, Hint, Option, Parameter, UnfitError, Widget
from apps_catalog.launch.reading import Section, closest, readable, to_flag

MAX_RADIO = 4
MIN_SEARCH = 12


@dataclass(frozen=True, kw_only=True)
class Flag(Parameter):
    """Present (its bare key) or absent; it never has a value of its own."""

    kind: ClassVar[str] = "BOOL"
    own_keys: ClassVar[frozenset[str]] = frozenset({"value"})

    default: bool = False

    @classmethod
    def parse(cls, section: Section, generic: Generic) -> Self | None:
        section.demand("value")
        return cls(default=section.flag("value"), **generic)

    def value_schema(self) -> dict[str, Any]:
        return {"type": "boolean"}

    def is_blank(self, raw: Json) -> bool:
        return False

    def coerce(self, raw: Json) -> Json:
        if raw is None:
            return False
        value = to_flag(raw) if isinstance(raw, str) else None
        return raw if value is None else value

    def text(self, value: Json) -> str:
        return "true" if value else "false"

    def words(self, value: Json) -> tuple[str, ...]:
        return (self.key,) if value is True and not self.variable else ()

    def hint(self) -> Hint:
        return self._hint("switch")


@dataclass(frozen=True, kw_only=True)
class Selection(Parameter):
    """One of the author's options. Labels may repeat, so the index identifies the choice.

    A choice may be given as label, machine value, index where no text reads the same, or `{"option": index}`.
    A clean value is the shortest of these that leads back to the same option.
    """

    kind: ClassVar[str] = "selection"
    own_keys: ClassVar[frozenset[str]] = frozenset({"values", "mvalues", "value"})

    options: tuple[Option, ...] = ()

    @classmethod
    def parse(cls, section: Section, generic: Generic) -> Self | None:
        in_value = isinstance(section.get("value"), list) and not section.has("values")
        if in_value:
            message = "The options stand in 'value'; did you mean 'values'? They are read as that."
            section.notes.warn("misspelt-key", message, section.at("value"))
        labels = section.texts("value" if in_value else "values") or ()
        machine = section.texts("mvalues") or labels
        if not labels:
            where = section.at("values") if section.has("values") else section.pointer
            section.notes.error("no-values", "A selection needs at least one entry in 'values'.", where)
            return None
        if len(machine) != len(labels):
            message = f"'mvalues' has {len(machine)} entries and 'values' {len(labels)}; they must be parallel."
            section.notes.error("mvalues-length", message, section.at("mvalues"))
            return None
        options = tuple(Option(i, label, value) for i, (label, value) in enumerate(zip(labels, machine, strict=True)))
        selection = cls(options=options, **generic)
        first = cls._first(section, selection)
        return cls(options=options, default=selection.canonical(first), **generic)

    @classmethod
    def _first(cls, section: Section, selection: Selection) -> int:
        """The index of the default: the first option, or the author's `value` where it names one."""
        raw = section.get("value")
        if raw is None or raw == "" or isinstance(raw, list):
            return 0
        index = selection.index_of(raw)
        if index is None:
            message = f"The default {raw!r} is not one of 'values'; the first one is taken."
            section.notes.warn("bad-default", message, section.at("value"))
        return index or 0

    @cached_property
    def _by_text(self) -> dict[str, int | None]:
        """Text -> index; None where it names several options that pass different words. Labels come first."""
        found: dict[str, int | None] = {}
        for option in self.options:
            if option.label not in found:
                found[option.label] = option.index
            elif found[option.label] is not None and self.options[found[option.label] or 0].value != option.value:
                found[option.label] = None
        for option in self.options:
            found.setdefault(option.value, option.index)
        return found

    def index_of(self, value: Json) -> int | None:
        """The index of the option that a value names, or None where it names none or several different ones."""
        if isinstance(value, dict):
            index = value.get("option") if len(value) == 1 else None
        elif isinstance(value, str):
            return self._by_text.get(value)
        elif isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**300:
            if str(value) in self._by_text:
                return self._by_text[str(value)]
            index = value
        else:
            return None
        usable = isinstance(index, int) and not isinstance(index, bool) and 0 <= index < len(self.options)
        return index if usable else None

    def canonical(self, index: int) -> Json:
        """The clean value of an option."""
        option = self.options[index]
        for text in (option.value, option.label):
            if self._same(self._by_text.get(text), index):
                return text
        return {"option": index}

    def _same(self, found: int | None, index: int) -> bool:
        return found is not None and (
            found == index
            or (self.options[found].value, self.options[found].label)
            == (self.options[index].value, self.options[index].label)
        )

    def value_schema(self) -> dict[str, Any]:
        texts: list[Json] = [text for text, index in self._by_text.items() if index is not None]
        objects = [value for value in map(self.canonical, range(len(self.options))) if isinstance(value, dict)]
        return {"enum": texts + objects}

    def is_blank(self, raw: Json) -> bool:
        return raw is None or (raw == "" and "" not in self._by_text)

    def coerce(self, raw: Json) -> Json:
        index = self.index_of(raw)
        return raw if index is None else self.canonical(index)

    def clean(self, value: Json) -> Json:
        index = self.index_of(value)
        if index is not None:
            fault = text_fault(self.options[index].value)
            if fault:
                raise UnfitError("text", fault)
            return self.canonical(index)
        if isinstance(value, str) and value in self._by_text:
            raise UnfitError("ambiguous", "names several options; give the machine value or the index")
        raise UnfitError("enum", self.choices(value))

    def choices(self, value: Json) -> str:
        """What to choose instead of a value that is no option."""
        labels = list(dict.fromkeys(option.label for option in self.options))
        near = closest(value, labels) if isinstance(value, str) else None
        listed = ", ".join(labels[:8]) + (f" and {len(labels) - 8} more" if len(labels) > 8 else "")
        return f"must be one of: {listed}" + (f". Did you mean {near}?" if near else "")

    def text(self, value: Json) -> str:
        index = self.index_of(value)
        return "" if index is None else self.options[index].value

    def hint(self) -> Hint:
        count = len(self.options)
        widget: Widget = "radio" if count <= MAX_RADIO else "searchselect" if count >= MIN_SEARCH else "select"
        shown = tuple(Option(one.index, readable(one.label), one.value) for one in self.options)
        return self._hint(widget, options=shown, default=self.index_of(self.default))
