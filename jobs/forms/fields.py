"""Fields as the templates draw them: plain values, no rules."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar, Literal

from apps_catalog.launch.json_schema.drawn import explained_by


@dataclass(frozen=True)
class When:
    """The switches that must be on and those that must be off, by field name; and the same in words."""

    on: tuple[str, ...]
    off: tuple[str, ...]
    words: str

    @property
    def rule(self) -> str:
        """For launch-conditions.js."""
        return json.dumps({"on": self.on, "off": self.off})


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field. `id` is made from its place in the form, because a key may hold anything.

    `value` is the text that the browser would post for it. `changed` says that it isn't the default. `when` is there
    where the field takes part only at some settings of switches, and `absent` says that it does not at these.
    """

    template: str
    id: str
    name: str
    key: str
    label: str
    help: str = ""
    limits: str = ""
    note: str = ""
    required: bool = False
    value: str = ""
    errors: tuple[str, ...] = ()
    changed: bool = False
    focus: bool = False
    when: When | None = None
    absent: bool = False
    group: str = ""
    layout: ClassVar[Literal["stacked", "grouped", "inline"]] = "stacked"

    @property
    def untouched(self) -> bool:
        """Nobody has set or is told anything here: it is as its definition says, for everyone alike."""
        return not (self.changed or self.errors or self.focus)

    @property
    def described_by(self) -> str:
        return explained_by(self.id, bool(self.help or self.note or self.when))

    @property
    def code(self) -> str:
        """The key as it is shown beside the label, unless it is the label."""
        return "" if self.key == self.label else self.key

    @property
    def search_text(self) -> str:
        return f"{self.label} {self.key}".lower()


@dataclass(frozen=True, kw_only=True)
class TextField(Field):
    inputmode: str = "text"


@dataclass(frozen=True, kw_only=True)
class RangeField(Field):
    """A slider and a number box. `position` is where the slider stands, also while the box holds no number."""

    minimum: int
    maximum: int
    step: int
    position: int
    ticks: tuple[int, ...] = ()


@dataclass(frozen=True)
class Option:
    value: str
    label: str
    selected: bool


@dataclass(frozen=True, kw_only=True)
class ChoiceField(Field):
    """`unknown` is a value that is none of the options: it stays to be seen until another is chosen."""

    options: tuple[Option, ...]
    unknown: str = ""


@dataclass(frozen=True, kw_only=True)
class RadioField(ChoiceField):
    layout = "grouped"


@dataclass(frozen=True, kw_only=True)
class SwitchField(Field):
    layout = "inline"


@dataclass(frozen=True, kw_only=True)
class FileField(Field):
    """A path in the chosen vault. `filters` are shell patterns with | between them."""

    filters: str = ""


@dataclass(frozen=True, kw_only=True)
class UploadField(Field):
    """`value` is the id of a file that was uploaded, `chosen` its name; `file_name` names the browser's own file input."""

    file_name: str
    accept: str = ""
    size: int | None = None
    chosen: str = ""
