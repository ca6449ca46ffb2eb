"""The registry of widgets: each draws an Input with a value as a Field, and reads back what the browser posts for it.

One more widget is one more class here, its template in templates/jobs/widgets/, and a line in WIDGETS.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypedDict
from uuid import UUID

from apps_catalog.launch.spec import Json
from jobs.forms.fields import (
    ChoiceField,
    Field,
    FileField,
    Option,
    RadioField,
    RangeField,
    SwitchField,
    TextField,
    UploadField,
)
from jobs.forms.inputs import Input

PREFIX = "p:"
UPLOAD_PREFIX = "u:"
MAX_TICKS = 11
# What a browser's slider can count exactly.
MAX_EXACT = 2**53
INDEX = re.compile(r"[0-9]{1,6}", re.ASCII)
WHOLE = re.compile(r"\s*[+-]?[0-9]{1,18}\s*", re.ASCII)


@dataclass(frozen=True)
class Spot:
    """Where a field stands in its form, and what is said of it there."""

    id: str
    errors: tuple[str, ...] = ()
    focus: bool = False
    uploads: Mapping[str, str] = field(default_factory=dict)  # id -> name of the files that are chosen


class Basics(TypedDict):
    """What every Field has, as keyword arguments."""

    template: str
    id: str
    name: str
    key: str
    label: str
    help: str
    limits: str
    note: str
    required: bool
    value: str
    errors: tuple[str, ...]
    changed: bool
    focus: bool
    group: str


def as_text(value: Json) -> str:
    """A JSON value as a text field shows it."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class Widget:
    """A text field of one line; the other widgets say where they differ."""

    name: ClassVar[str] = "text"

    def shown(self, asked: Input, value: Json) -> str:
        """The text that the browser posts for a value; "" where it posts nothing."""
        return as_text(value)

    def read(self, asked: Input, posted: str | None) -> Json:
        """The value of a posted text; None where nothing was posted. Judging it is not a form's business."""
        return "" if posted is None else posted

    def draw(self, asked: Input, value: Json, spot: Spot) -> Field:
        return TextField(**self.basics(asked, value, spot))

    def basics(self, asked: Input, value: Json, spot: Spot) -> Basics:
        hint, text = asked.hint, self.shown(asked, value)
        return Basics(
            template=f"jobs/widgets/{self.name}.html",
            id=spot.id,
            name=PREFIX + asked.key,
            key=asked.key,
            label=hint.label,
            help=hint.help,
            limits=hint.limits,
            note=hint.note,
            required=hint.required,
            value=text,
            errors=spot.errors,
            changed=text != self.shown(asked, asked.default),
            focus=spot.focus,
            group=hint.group,
        )


class Line(Widget):
    """One line of text; more lines where the value has them, because a browser would join them."""

    def draw(self, asked: Input, value: Json, spot: Spot) -> Field:
        if "\n" in self.shown(asked, value):
            return LONG.draw(asked, value, spot)
        return super().draw(asked, value, spot)

    def read(self, asked: Input, posted: str | None) -> Json:
        return LONG.read(asked, posted)


class LongText(Widget):
    name: ClassVar[str] = "longtext"

    def read(self, asked: Input, posted: str | None) -> Json:
        # Browsers send every line break of a text area as CR LF (HTML, "form submission").
        return "" if posted is None else posted.replace("\r\n", "\n")


class WholeNumber(Widget):
    name: ClassVar[str] = "integer"

    def draw(self, asked: Input, value: Json, spot: Spot) -> Field:
        minimum = asked.hint.minimum
        signed = minimum is None or minimum < 0
        # The numeric keyboards of phones lack the minus sign.
        return TextField(**self.basics(asked, value, spot), inputmode="text" if signed else "numeric")


class DecimalNumber(Widget):
    name: ClassVar[str] = "float"

    def draw(self, asked: Input, value: Json, spot: Spot) -> Field:
        minimum = asked.hint.minimum
        signed = minimum is None or minimum < 0
        return TextField(**self.basics(asked, value, spot), inputmode="text" if signed else "decimal")


class Slider(Widget):
    """Steps count from the minimum, in the browser's slider as in the rule."""

    name: ClassVar[str] = "range"

    def draw(self, asked: Input, value: Json, spot: Spot) -> Field:
        low, high, step = asked.hint.minimum, asked.hint.maximum, asked.hint.step or 1
        if max(abs(low), abs(high)) > MAX_EXACT:
            return WIDGETS["integer"].draw(asked, value, spot)
        text = self.shown(asked, value)
        position = int(text) if WHOLE.fullmatch(text) else low
        stops = (high - low) // step + 1
        return RangeField(
            **self.basics(asked, value, spot),
            minimum=low,
            maximum=high,
            step=step,
            position=min(max(position, low), high),
            ticks=tuple(range(low, high + 1, step)) if stops <= MAX_TICKS else (),
        )


class Dropdown(Widget):
    """Posts the index of the option, because labels may repeat."""

    name: ClassVar[str] = "select"
    kind: ClassVar[type[ChoiceField]] = ChoiceField

    def shown(self, asked: Input, value: Json) -> str:
        typed = asked.coerce(value)
        index = next((c.index for c in asked.choices if c.value == typed and type(c.value) is type(typed)), None)
        return as_text(value) if index is None else str(index)

    def read(self, asked: Input, posted: str | None) -> Json:
        if posted is not None and INDEX.fullmatch(posted) and int(posted) < len(asked.choices):
            return asked.choices[int(posted)].value
        return posted or ""

    def draw(self, asked: Input, value: Json, spot: Spot) -> Field:
        basics = self.basics(asked, value, spot)
        chosen = basics["value"]
        options = tuple(Option(str(c.index), c.label, str(c.index) == chosen) for c in asked.choices)
        known = any(option.selected for option in options)
        return self.kind(**basics, options=options, unknown="" if known else chosen)


class Radio(Dropdown):
    name: ClassVar[str] = "radio"
    kind: ClassVar[type[ChoiceField]] = RadioField


class SearchSelect(Dropdown):
    name: ClassVar[str] = "searchselect"


class Switch(Widget):
    """A box that is not ticked posts nothing, and that means false."""

    name: ClassVar[str] = "switch"

    def shown(self, asked: Input, value: Json) -> str:
        return "on" if asked.coerce(value) is True else ""

    def read(self, asked: Input, posted: str | None) -> Json:
        return posted is not None

    def draw(self, asked: Input, value: Json, spot: Spot) -> Field:
        return SwitchField(**self.basics(asked, value, spot))


class VaultFile(Widget):
    name: ClassVar[str] = "file"

    def draw(self, asked: Input, value: Json, spot: Spot) -> Field:
        return FileField(**self.basics(asked, value, spot), filters="|".join(asked.hint.filters))


class LocalFile(Widget):
    """The id of a file that was uploaded before (or its content in base64, where another door sent it so)."""

    name: ClassVar[str] = "upload"

    def shown(self, asked: Input, value: Json) -> str:
        return as_text(value.get("upload") if isinstance(value, dict) else value)

    def read(self, asked: Input, posted: str | None) -> Json:
        text = (posted or "").strip()
        return {"upload": text} if is_upload_id(text) else text

    def draw(self, asked: Input, value: Json, spot: Spot) -> Field:
        basics = self.basics(asked, value, spot)
        chosen = basics["value"]
        return UploadField(
            **basics,
            file_name=UPLOAD_PREFIX + asked.key,
            accept=asked.hint.accept,
            size=asked.hint.size,
            chosen=spot.uploads.get(chosen, "a file sent before") if chosen else "",
        )


def is_upload_id(value: Json) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False


LONG = LongText()
WIDGETS: Mapping[str, Widget] = {
    widget.name: widget
    for widget in (
        Line(),
        LONG,
        WholeNumber(),
        DecimalNumber(),
        Slider(),
        Dropdown(),
        Radio(),
        SearchSelect(),
        Switch(),
        VaultFile(),
        LocalFile(),
    )
}


def widget_of(asked: Input) -> Widget:
    return WIDGETS[asked.hint.widget]
