"""The JSON side of the launch form: the same state as the form, its faults by line, and the snippets for programs."""

from __future__ import annotations

import json

import pytest

from apps_catalog.launch.snippets import snippets
from apps_catalog.launch.spec import Fault
from jobs.forms.builder import build
from jobs.forms.drafts import BODY_KEYS, as_body, read_form, read_json
from jobs.serializers import SubmissionNew
from tests.jobs.gallery import SPEC, posted


def test_form_and_json_are_the_same_state() -> None:
    draft = read_form(posted(**{"p:-case": "x y", "p:few": "2", "walltime": "01:00", "machine": "n1"}), SPEC)
    body = as_body(draft, SPEC, app="gallery", version="1")
    again = read_json(json.dumps(body), SPEC, app="gallery", token=draft.token)
    assert not again.faults
    assert as_body(again, SPEC, app="gallery", version="1") == body
    assert again.clock == "01:00"


def test_the_json_side_has_no_key_that_the_api_refuses() -> None:
    assert set(BODY_KEYS) <= set(SubmissionNew().fields)


JSON_FAULTS = [
    ("", "There is nothing here"),
    ('{"command": "all",}', "Line 1, column"),
    ('{\n  "label": "a\n"}', "Line 2, column"),
    ("[1]", "must be a JSON object"),
    ('{"label": 3}', "must be a text"),
    ('{"nodes": true}', "must be a whole number"),
    ('{"lable": "x"}', "is not known here"),
    ('{"label": "a", "label": "b"}', "is written twice"),
    ('{"app": "another"}', "names another app"),
    ('{"vault": "a\\u0000b"}', "NUL"),
]


@pytest.mark.parametrize(("text", "words"), JSON_FAULTS)
def test_bad_json_says_what_and_where(text: str, words: str) -> None:
    faults = read_json(text, SPEC, app="gallery", token="0" * 32).faults
    assert words in " ".join(fault.message for fault in faults)


def test_a_fault_on_the_json_side_has_its_line() -> None:
    text = '{\n  "command": "all",\n  "parameters": {\n    "ratio": 7\n  }\n}'
    draft = read_json(text, SPEC, app="gallery", token="0" * 32)
    form = build(SPEC, draft, faults=[Fault("/parameters/ratio", "maximum", "must be at most 1")])
    assert form.problems[0].label == "Line 4, column 14: Ratio"


def test_snippets_survive_quotes_and_other_scripts() -> None:
    body = {"parameters": {"a'b\"c": "$(x) `y` \u05e9 \u202e\n"}, "app": "x"}
    texts = {one.id: one.text for one in snippets(body, url="http://localhost/api/v1/jobs")}
    assert json.loads(texts["json"]) == body
    literal = texts["python"].split("submission = ", 1)[1].split("\n\nrequest", 1)[0]
    assert eval(literal) == body  # its own literal, read back
    import shlex

    assert json.loads(shlex.split(texts["curl"].replace("\\\n", " "))[-1]) == body
