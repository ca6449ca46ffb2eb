"""Values of one control: what a text box, a slider or a drop-down can hold exactly, and what it gives back.

A widget is used only where reading back what the browser posts gives the very value; else a JSON box holds it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from datetime import date

from apps_catalog.launch.findings import Json
from apps_catalog.launch.json_schema.absent import ABSENT, State, same
from apps_catalog.launch.json_schema.drawn import Slider
from apps_catalog.launch.json_schema.nodes import Number, Option, Text

MAX_DIGITS = 300
MAX_STOPS = 1_000
MAX_EXACT = 2**53
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
WHOLE = re.compile(r"[+-]?[0-9]+", re.ASCII)
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def compact(value: Json) -> str:
    """A value as JSON on one line; what HTML can't hold is escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return text if postable(text) else json.dumps(value)


def boxed(value: Json) -> str:
    """A value as JSON in a box."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return text if postable(text.replace("\n", "")) else json.dumps(value, indent=2)


def postable(text: str) -> bool:
    """Whether a browser sends a text back as it was: no NUL, no carriage return, no half of a surrogate pair."""
    if "\0" in text or "\r" in text:
        return False
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def text_widget(node: Text, value: State) -> str:
    """The widget that holds a text, or "" where none does."""
    if value is ABSENT:
        return node.widget
    if not isinstance(value, str) or not postable(value):
        return ""
    if "\n" in value:
        return "longtext"
    if node.widget == "date":
        return "date" if not value or _is_date(value) else "text"
    return node.widget


def _is_date(text: str) -> bool:
    try:
        return bool(DATE.fullmatch(text)) and date.fromisoformat(text).year > 0
    except ValueError:
        return False


def number_text(value: State) -> str | None:
    """The text of a number box, or None where it can't hold the value. A text that is no number is shown as it was typed."""
    if value is ABSENT:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = value if isinstance(value, str) else json.dumps(value)
    return text if postable(text) and "\n" not in text and same(read_number(text), value) else None


def read_number(text: str) -> State:
    """The number that a text says; the text itself where it says none; ABSENT where it is blank."""
    bare = text.strip()
    if not bare:
        return ABSENT
    if not NUMBER.fullmatch(bare):
        return text
    if WHOLE.fullmatch(bare):
        return int(bare) if len(bare) <= MAX_DIGITS else text
    found = float(bare)
    return found if math.isfinite(found) else text


def option_index(options: Sequence[Option], value: State) -> int | None:
    return next((index for index, option in enumerate(options) if same(option.value, value)), None)


def read_index(options: Sequence[Option], text: str) -> State:
    """The value of the option that a number names; the text itself where it names none."""
    if not text:
        return ABSENT
    known = text.isascii() and text.isdecimal() and len(text) < 7 and int(text) < len(options)
    return options[int(text)].value if known else text


def slider_of(node: Number, value: State) -> Slider | None:
    """A slider where both limits are there and there are few enough stops between them."""
    low, high = node.low, node.high
    if low is None or high is None or not low < high or max(abs(low), abs(high)) > MAX_EXACT:
        return None
    step = node.step or (1 if node.integer else _fine_step(high - low))
    if node.integer and not float(step).is_integer():
        return None
    if not 2 <= (high - low) / step <= MAX_STOPS:
        return None
    # Multiples count from 0, and a limit that does not belong to the range is no stop.
    first, last = math.ceil(round(low / step, 9)), math.floor(round(high / step, 9))
    first += node.open_low and math.isclose(first * step, low)
    last -= node.open_high and math.isclose(last * step, high)
    if last <= first:
        return None
    places = 0 if float(step).is_integer() else max(0, -math.floor(math.log10(step)) + 3)

    def shown(stop: float) -> str:
        text = f"{stop * step:.{places}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text

    here = value if isinstance(value, int | float) and not isinstance(value, bool) else low
    position = min(max(round(here / step) if math.isfinite(here) else first, first), last)
    return Slider(shown(first), shown(last), shown(1), shown(position))


def _fine_step(span: float) -> float:
    """A round step that makes a hundred stops or more of a span."""
    return float(10 ** math.floor(math.log10(span / 100)))


def limits_of(node: Number | Text) -> str:
    """ "1 to 10, steps of 0.5": what the label says of the limits."""
    words: list[str] = []
    if isinstance(node, Text):
        least, most = node.min_length or 0, node.max_length
        if least > 1 and most is not None:
            words.append(f"{least} to {most} characters" if least != most else f"{least} characters")
        elif most is not None:
            words.append(f"up to {most} characters")
        elif least > 1:
            words.append(f"at least {least} characters")
        return ", ".join(words)
    low, high = node.low, node.high
    if low is not None and high is not None and not (node.open_low or node.open_high):
        words.append(f"{compact(low)} to {compact(high)}")
    else:
        if low is not None:
            words.append(f"{'more than' if node.open_low else 'at least'} {compact(low)}")
        if high is not None:
            words.append(f"{'less than' if node.open_high else 'at most'} {compact(high)}")
    if node.step is not None and node.step != 1:
        words.append(f"multiples of {compact(node.step)}")
    return ", ".join(words)
