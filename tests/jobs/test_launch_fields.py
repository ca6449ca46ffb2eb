"""Fields that are kept drawn: nobody sees another's words in them, and each looks as if it were drawn just now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.template.loader import render_to_string

from jobs.forms.fields import Field, When
from jobs.forms.widgets import Spot, widget_of
from jobs.templatetags import launch_fields
from jobs.templatetags.launch_fields import parameter_field
from tests.jobs.gallery import INPUTS


@pytest.fixture(autouse=True)
def _none_kept(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.DEBUG = False
    monkeypatch.setattr(launch_fields, "_kept", {})


def drawn(key: str, value: Any = None, **over: Any) -> Field:
    asked = INPUTS[key]
    return widget_of(asked).draw(asked, asked.default if value is None else value, Spot("p0", **over))


def fresh(field: Field) -> str:
    return render_to_string("jobs/_form_field.html", {"field": field})


@pytest.mark.parametrize("key", list(INPUTS))
def test_a_kept_field_is_what_its_template_draws(key: str) -> None:
    assert parameter_field(drawn(key)) == fresh(drawn(key))
    assert len(launch_fields._kept) == 1
    assert parameter_field(drawn(key)) == fresh(drawn(key))
    assert len(launch_fields._kept) == 1


@pytest.mark.parametrize(
    "field",
    [drawn("-case", "my <own> words"), drawn("-case", errors=("Say more.",)), drawn("-case", focus=True)],
    ids=["a value", "a fault", "the focus"],
)
def test_what_a_person_did_is_drawn_for_them_and_not_kept(field: Field) -> None:
    untouched = parameter_field(drawn("-case"))
    assert parameter_field(field) == fresh(field) != untouched
    assert parameter_field(drawn("-case")) == untouched
    assert list(launch_fields._kept) == [drawn("-case")]


def test_one_that_differs_in_anything_is_another_one() -> None:
    one = drawn("-case")
    ruled = replace(one, when=When(("p:-v",), (), "Where Verbose is on."))
    others = (
        one,
        replace(one, id="p1"),
        replace(one, label="Other"),
        ruled,
        replace(ruled, absent=True),
        drawn("notes"),
    )
    assert [parameter_field(other) for other in others] == [fresh(other) for other in others]
    assert len({parameter_field(other) for other in others}) == len(others)


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch_fields, "FIELDS_KEPT", 3)
    fields = [replace(drawn("-case"), id=f"p{number}") for number in range(5)]
    for field in fields:
        parameter_field(field)
    assert list(launch_fields._kept) == fields[2:]
    long = replace(drawn("-case"), help="x" * launch_fields.CHARACTERS_MAX)
    assert parameter_field(long) == fresh(long)
    assert long not in launch_fields._kept


def test_a_template_that_is_being_written_is_read_each_time(settings: Any) -> None:
    settings.DEBUG = True
    parameter_field(drawn("-case"))
    assert not launch_fields._kept
