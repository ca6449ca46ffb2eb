"""The widgets of the launch form: what each shows, what it reads back, and that an untouched one sends its default."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.forms.fields import ChoiceField, RangeField, UploadField
from jobs.forms.inputs import inputs_of
from jobs.forms.widgets import WIDGETS, Spot, widget_of
from tests.jobs.gallery import GALLERY, INPUTS, spec_of

SPOT = Spot("p0")


def test_every_hint_of_the_spec_has_a_widget() -> None:
    assert {asked.hint.widget for asked in INPUTS.values()} <= set(WIDGETS)
    assert {"range", "select", "radio", "searchselect", "switch", "file", "upload", "integer", "float"} <= {
        asked.hint.widget for asked in INPUTS.values()
    }


def test_what_the_author_fixed_is_not_asked_for() -> None:
    assert "fixed" not in INPUTS


CASES: list[tuple[str, str | None, Any]] = [
    ("-case", "a name", "a name"),
    ("-case", "", ""),
    ("-case", None, ""),
    ("notes", "one\r\ntwo\r\n", "one\ntwo\n"),
    ("darts", "15", "15"),
    ("ratio", "0.129", "0.129"),
    ("-v", "on", True),
    ("-v", None, False),
    ("few", "1", "g1"),
    ("few", "2", "g2"),
    ("few", "no such", "no such"),
    ("few", "99", "99"),
    ("few", None, ""),
    ("many", "39", "entry 39"),
    ("input", "folder/x.csv", "folder/x.csv"),
    ("-key", "", ""),
    ("-key", "6f9619ff-8b86-d011-b42d-00cf4fc964ff", {"upload": "6f9619ff-8b86-d011-b42d-00cf4fc964ff"}),
    ("-key", "aGVsbG8=", "aGVsbG8="),
]


@pytest.mark.parametrize(("key", "text", "value"), CASES)
def test_a_widget_reads_what_a_browser_posts(key: str, text: str | None, value: Any) -> None:
    asked = INPUTS[key]
    assert widget_of(asked).read(asked, text) == value


@pytest.mark.parametrize("key", list(INPUTS))
def test_an_untouched_field_sends_its_default(key: str) -> None:
    asked = INPUTS[key]
    widget = widget_of(asked)
    text = widget.shown(asked, asked.default)
    back = widget.read(asked, None if widget.name == "switch" and not text else text)
    assert asked.coerce(back) == asked.default or (asked.default is None and back == "")
    assert not widget.draw(asked, back, SPOT).changed


def test_a_selection_that_repeats_a_label_keeps_the_choice_apart() -> None:
    asked = INPUTS["few"]
    field = widget_of(asked).draw(asked, "g2", SPOT)
    assert isinstance(field, ChoiceField)
    assert [option.selected for option in field.options] == [False, False, True]


def test_a_value_that_is_no_option_stays_to_be_seen() -> None:
    asked = INPUTS["some"]
    field = widget_of(asked).draw(asked, "choice 99", SPOT)
    assert isinstance(field, ChoiceField)
    assert field.unknown == "choice 99"
    assert not any(option.selected for option in field.options)


def test_a_slider_counts_its_steps_from_the_minimum() -> None:
    field = widget_of(INPUTS["darts"]).draw(INPUTS["darts"], "15", SPOT)
    assert isinstance(field, RangeField)
    assert (field.minimum, field.maximum, field.step, field.position) == (5, 25, 10, 15)
    assert field.ticks == (5, 15, 25)


@pytest.mark.parametrize(("text", "position"), [("abc", 5), ("999", 25), ("-3", 5), ("", 5)])
def test_a_slider_stands_somewhere_whatever_the_box_holds(text: str, position: int) -> None:
    field = widget_of(INPUTS["darts"]).draw(INPUTS["darts"], text, SPOT)
    assert isinstance(field, RangeField)
    assert field.position == position
    assert field.value == text


def test_a_range_beyond_what_a_browser_counts_is_a_number_box() -> None:
    wide = {"type": "RANGE", "name": "Wide", "description": "", "required": True, "min": 0, "max": 10**17, "step": 1}
    definition = {
        **GALLERY,
        "commands": {"c": {**GALLERY["commands"]["all"], "parameters": {"w": {**wide, "value": 1}}}},
    }
    asked = inputs_of(spec_of(definition).commands["c"])[0]
    assert widget_of(asked).draw(asked, 1, SPOT).template == "jobs/widgets/integer.html"


def test_a_text_with_line_breaks_gets_a_text_area() -> None:
    asked = INPUTS["-case"]
    assert widget_of(asked).draw(asked, "a", SPOT).template == "jobs/widgets/text.html"
    assert widget_of(asked).draw(asked, "a\nb", SPOT).template == "jobs/widgets/longtext.html"


def test_an_upload_shows_the_name_of_its_file() -> None:
    key = "6f9619ff-8b86-d011-b42d-00cf4fc964ff"
    field = widget_of(INPUTS["-key"]).draw(INPUTS["-key"], {"upload": key}, Spot("p1", uploads={key: "my key.json"}))
    assert isinstance(field, UploadField)
    assert (field.value, field.chosen) == (key, "my key.json")
