"""The launch form as a whole: what is drawn, where faults go, and what is read from a posted form."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.template.loader import render_to_string

from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.spec import Fault, Submission
from jobs.forms.builder import build
from jobs.forms.drafts import Draft, as_body, as_clock, read_clock, read_form
from tests.jobs.gallery import SPEC, posted

# The form as a whole


def test_ids_count_because_a_key_may_hold_anything() -> None:
    form = build(SPEC, Draft(Submission(command="all")))
    ids = [field.id for field in (*form.required, *form.optional)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"p\d+", one) for one in ids)


def test_optional_opens_itself_for_a_change_and_for_an_error() -> None:
    quiet = Draft(Submission(command="all"))
    assert not build(SPEC, quiet).optional_open
    assert build(SPEC, Draft(Submission(command="all", parameters={"ratio": "0.7"}))).optional_open
    assert build(SPEC, quiet, faults=[Fault("/parameters/ratio", "maximum", "must be at most 1")]).optional_open


def test_only_the_first_field_with_an_error_takes_the_focus() -> None:
    faults = [Fault("/parameters/ratio", "x", "must be less"), Fault("/parameters/-case", "x", "must be filled in")]
    form = build(SPEC, Draft(Submission(command="all")), faults=faults)
    assert [field.key for field in (*form.required, *form.optional) if field.focus] == ["-case"]
    assert [field.errors for field in form.required if field.key == "-case"] == [("Must be filled in.",)]


def test_faults_are_linked_to_their_fields() -> None:
    form = build(SPEC, Draft(Submission(command="all")), faults=[Fault("/parameters/-case", "x", "must be filled in")])
    problem = form.problems[0]
    assert (problem.id, problem.label, problem.message) == ("p0", "Case name", "Must be filled in.")


CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "appdefs"


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real AppDefs is not beside this checkout")
def test_every_real_definition_that_can_be_read_gives_a_form() -> None:
    drawn = 0
    for path in sorted(CORPUS.glob("*.json")):
        spec = read_appdef(path.read_bytes()).spec
        for key, command in spec.commands.items() if spec else ():
            form = build(spec, Draft(Submission(command=key))) if spec else None
            text = render_to_string("jobs/_form_fields.html", {"form": form})
            asked = sum(not parameter.fixed for parameter in command.parameters.values())
            assert text.count("data-field=") == asked, f"{path.name} {key}"
            drawn += asked
    assert drawn > 100


# Reading a posted form


def test_an_untouched_form_is_the_defaults() -> None:
    draft = read_form(posted(), SPEC)
    body = as_body(draft, SPEC, app="gallery", version="1")
    assert body["parameters"] == {
        'a "key" <i>': "x",
        "\u05e9\u05dc\u05d5\u05dd": "\u05e2\u05e8\u05da",
        "\U0001f680 speed": 3,
        "notes": "one\ntwo",
        "darts": 15,
        "ratio": 0.5,
        "-v": True,
        "-q": False,
        "few": "r",
        "some": "choice 0",
        "many": "entry 0",
    }


def test_a_cleared_default_is_sent_as_blank_and_not_as_the_default() -> None:
    draft = read_form(posted(**{'p:a "key" <i>': ""}), SPEC)
    assert draft.submission.parameters['a "key" <i>'] == ""
    body = as_body(draft, SPEC, app="gallery", version="1")
    assert body["parameters"]['a "key" <i>'] == ""


@pytest.mark.parametrize("name", ['p:a "key" <i>', "p:a %22key%22 <i>"])
def test_a_name_with_quotes_arrives_as_browsers_escape_it(name: str) -> None:
    query = posted(**{name: "new"})
    if name != 'p:a "key" <i>':
        del query['p:a "key" <i>']
    assert read_form(query, SPEC).submission.parameters['a "key" <i>'] == "new"


def test_changing_the_command_keeps_what_both_ask_for() -> None:
    draft = read_form(posted(**{"p:darts": "25", "go": "command:other", "label": "mine"}), SPEC)
    assert draft.submission.command == "other"
    assert draft.submission.parameters == {"darts": "25"}
    assert draft.submission.label == "mine"


@pytest.mark.parametrize(
    ("text", "seconds"), [("02:30", 9000), ("2:30", 9000), ("00:00:30", 30), ("", None), (" 100:00 ", 360_000)]
)
def test_a_time_limit_is_read(text: str, seconds: int | None) -> None:
    assert read_clock(text) == (seconds, ())


@pytest.mark.parametrize("text", ["3600", "abc", "-1:00", "1:2:3:4:5", "00:00", "12:"])
def test_a_time_limit_that_is_none_is_said(text: str) -> None:
    seconds, faults = read_clock(text)
    assert seconds is None
    assert faults[0].pointer == "/walltime_s"


@pytest.mark.parametrize(("seconds", "text"), [(9000, "02:30"), (30, "00:00:30"), (None, ""), (360_000, "100:00")])
def test_a_time_limit_is_shown(seconds: int | None, text: str) -> None:
    assert as_clock(seconds) == text
