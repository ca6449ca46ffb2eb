"""Forms of any JSON Schema, server-side: every valid instance comes back unchanged, an untouched form sends the defaults."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from apps_catalog.launch.findings import Fault
from apps_catalog.launch.json_schema.absent import ABSENT, instance_of, same
from apps_catalog.launch.json_schema.asking import judge_here
from apps_catalog.launch.json_schema.bounds import check_schema
from apps_catalog.launch.json_schema.documents import Schema
from apps_catalog.launch.json_schema.values import SchemaForm, form_of
from tests.apps_catalog.launch.json_schema.browsing import sent_by
from tests.apps_catalog.launch.json_schema.generating import Generator
from tests.apps_catalog.launch.json_schema.schemas import ADDRESS, PROBES, Sample, corpus, there
from tests.jobs.schema_pages import page_of, there_and_back, untouched

pytestmark = pytest.mark.slow

EVERY = [*corpus(), *(pytest.param(sample, id=sample.name) for sample in PROBES)]


def good(raw: dict[str, Any]) -> Schema:
    schema = check_schema(raw).schema
    assert schema is not None
    return schema


def form(raw: dict[str, Any]) -> SchemaForm:
    return form_of(good(raw), judge_here)


@pytest.mark.parametrize("sample", EVERY)
def test_twenty_random_fillings_come_back_unchanged(sample: Sample | None) -> None:
    """Types, digits, key order and keys without a field included."""
    sample = there(sample)
    fillings = Generator(sample.schema, sample.name).instances(20)
    assert len(fillings) == 20
    if sample.filling is not None:
        fillings.append(sample.filling)
    changed = [one for one in fillings if not same(there_and_back(sample.schema, one), one)]
    assert changed == []


@pytest.mark.parametrize("sample", EVERY)
def test_an_untouched_form_sends_exactly_the_defaults(sample: Sample | None) -> None:
    sample = there(sample)
    defaults, sent = untouched(sample.schema)
    assert sent == defaults
    assert json.dumps(sent, default=str) == json.dumps(defaults, default=str)


@pytest.mark.parametrize(
    "sample", [one for one in EVERY if one.id and one.id.startswith(("nf", "Alex", "CFIA", "geno", "phac"))]
)
def test_the_defaults_are_those_of_the_author(sample: Sample | None) -> None:
    """Collected from the text of the schema, by another way."""
    sample = there(sample)
    root = json.loads(sample.text)
    expected: dict[str, Any] = {}
    for group in [root, *(root.get("$defs") or root.get("definitions") or {}).values()]:
        expected |= {k: one["default"] for k, one in group.get("properties", {}).items() if "default" in one}
    assert untouched(sample.schema)[0] == expected


DEFAULTS: list[tuple[dict[str, Any], Any]] = [
    ({"properties": {"a": {"default": 1}, "b": {}}}, {"a": 1}),
    ({"properties": {"o": {"type": "object", "properties": {"a": {"default": 1}, "b": {"type": "string"}}}}}, {"o": {"a": 1}}),
    ({"properties": {"o": ADDRESS}}, {}),
    ({"required": ["o"], "properties": {"o": ADDRESS}}, {"o": {}}),
    ({"properties": {"o": {"default": {}, "type": "object", "properties": {"a": {"default": 1}}}}}, {"o": {"a": 1}}),
    ({"properties": {"o": {"default": {"b": 2}, "type": "object", "properties": {"a": {"default": 1}}}}}, {"o": {"a": 1, "b": 2}}),
    ({"properties": {"s": {"type": "string", "default": ""}}}, {"s": ""}),
    ({"properties": {"n": {"type": ["string", "null"], "default": None}}}, {"n": None}),
    ({"properties": {"l": {"type": "array", "items": {"default": "x"}}}}, {}),
    ({"properties": {"l": {"type": "array", "default": []}}}, {"l": []}),
    ({"properties": {"l": {"type": "array", "default": ["a", "b"]}}}, {"l": ["a", "b"]}),
    ({"properties": {"k": {"const": "v"}}}, {}),
    ({"required": ["k"], "properties": {"k": {"const": "v"}}}, {"k": "v"}),
    ({"properties": {"w": {"type": "integer", "default": "wrong"}}}, {"w": "wrong"}),
    ({"properties": {"m": {"enum": [1, 2], "default": 2}, "b": {"type": "boolean", "default": False}}}, {"m": 2, "b": False}),
    ({"properties": {"a": {"const": 1, "default": 1}}, "if": {"required": ["a"]}, "then": {"properties": {"b": {"default": 5}}}},
     {"a": 1, "b": 5}),
    ({"properties": {"x": {"oneOf": [{"properties": {"a": {"default": 1}}}, {"type": "string"}]}}}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "expected"), DEFAULTS)
def test_defaults_are_filled_without_wiping_groups(raw: dict[str, Any], expected: Any) -> None:
    defaults, sent = untouched(good(raw))
    assert (defaults, sent) == (expected, expected)


AWKWARD: list[tuple[dict[str, Any], Any]] = [
    ({"properties": {"n": {"type": "integer"}}}, {"n": 2**80}),
    ({"properties": {"n": {"type": "number"}}}, {"n": 0.1 + 0.2}),
    ({"properties": {"n": {"type": "number"}}}, {"n": 5.0}),
    ({"properties": {"n": {"type": "number"}}}, {"n": -0.0}),
    ({"properties": {"s": {"type": "string"}}}, {"s": ""}),
    ({"properties": {"s": {"type": "string"}}}, {"s": "nul \0 and \r and \u2028"}),
    ({"properties": {"s": {"type": "string"}}}, {"s": "\nstarts with a line break"}),
    ({"properties": {"s": {"type": "string", "maxLength": 900}}}, {"s": "\n\n"}),
    ({"properties": {"s": {"type": "string", "format": "date"}}}, {"s": "not a date"}),
    ({"properties": {"s": {"type": "string", "format": "color"}}}, {"s": "papayawhip"}),
    ({"properties": {"a": {}, "b": {}}}, {"b": 1, "z": [None], "a": {"y": {}}}),
    ({"properties": {"a/b~c %41*@": {"type": "string"}, "": {"type": "string"}}}, {"": "x", "a/b~c %41*@": "y"}),
    ({"properties": {"half \ud800": {"type": "string"}}}, {"half \ud800": "\ud801"}),
    ({"additionalProperties": {"type": "integer"}}, {"": 1, " ": 2, "line\nbreak": 3, "ok": 4}),
    ({"properties": {"l": {"type": "array", "items": {"type": "string"}}}}, {"l": ["", "a", ""]}),
    ({"properties": {"l": {"type": "array", "items": {"type": "array", "items": {"type": "array"}}}}}, {"l": [[], [[]], [[[]]]]}),
    ({"properties": {"o": {"type": "object", "properties": {"p": {"type": "object"}}}}}, {"o": {"p": {}}}),
    ({"properties": {"e": {"enum": [1, 1.0, True, "1", [1], {"a": 1}]}}}, {"e": True}),
    ({"properties": {"e": {"type": "array", "uniqueItems": True, "items": {"enum": [1, 2, 3]}}}}, {"e": [3, 1]}),
    ({"properties": {"b": {"type": "boolean", "default": True}}}, {}),
    ({"properties": {"t": {"prefixItems": [{"type": "string"}, {"type": ["integer", "null"]}, {"type": "string"}]}}},
     {"t": ["a", None, "c"]}),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "instance"), AWKWARD)
def test_what_no_widget_holds_comes_back_all_the_same(raw: dict[str, Any], instance: Any) -> None:
    assert same(there_and_back(good(raw), instance), instance)


class _Labels(HTMLParser):
    """Controls without a label, and places that show nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.labelled: set[str] = set()
        self.ids: list[str] = []
        self.controls: list[dict[str, str | None]] = []
        self.label_depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = dict(attrs)
        if has.get("id"):
            self.ids.append(str(has["id"]))
        if tag == "label":
            self.label_depth += 1
            self.labelled.add(str(has.get("for", "")))
        if tag in ("input", "select", "textarea") and has.get("type") != "hidden":
            self.controls.append({**has, "inside": "yes" if self.label_depth else None})

    def handle_endtag(self, tag: str) -> None:
        self.label_depth -= tag == "label"


@pytest.mark.parametrize("sample", EVERY)
def test_every_input_has_a_label_and_an_id_of_its_own(sample: Sample | None) -> None:
    sample = there(sample)
    made = form_of(sample.schema, judge_here)
    for state in [made.defaults(), *([sample.filling] if sample.filling is not None else [])]:
        html = page_of(made, state)
        found = _Labels()
        found.feed(html)
        bare = [c for c in found.controls if not (c["inside"] or c.get("aria-label") or c.get("id") in found.labelled)]
        assert bare == []
        assert len(found.ids) == len(set(found.ids))
        assert "style=" not in html
        assert "<script" not in html


def addresses(raw: dict[str, Any], state: Any) -> list[str]:
    return re.findall(r'data-node="([^"]*)"', page_of(form(raw), state))


def test_buttons_change_the_form_without_a_script() -> None:
    made = form({"properties": {"l": {"type": "array", "items": {"type": "string", "default": "new"}}}})
    page = page_of(made, {"l": ["a", "b", "c"]})
    acts = {
        "add:/l": ["a", "b", "c", "new"],
        "drop:/l/*1": ["a", "c"],
        "up:/l/*2": ["a", "c", "b"],
        "down:/l/*0": ["b", "a", "c"],
        "up:/l/*0": ["a", "b", "c"],
        "add:/nowhere": ["a", "b", "c"],
    }
    for act, expected in acts.items():
        assert instance_of(made.read(sent_by(page), act).state) == {"l": expected}, act


def test_a_blank_row_stays_while_the_form_is_changed_and_is_not_sent() -> None:
    made = form({"properties": {"l": {"type": "array", "items": {"type": "string"}}}})
    first = made.read(sent_by(page_of(made, {})), "add:/l")
    page = page_of(made, first.state)
    assert 'data-node="/l/*0"' in page
    assert instance_of(made.read(sent_by(page)).state) == {}
    again = made.read(sent_by(page), "add:/l")
    assert 'data-node="/l/*1"' in page_of(made, again.state)


def test_a_recursive_schema_is_opened_level_by_level() -> None:
    raw = {
        "definitions": {
            "node": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "next": {"$ref": "#/definitions/node"}},
            }
        },
        "properties": {"tree": {"$ref": "#/definitions/node"}},
    }
    made = form(raw)
    state: Any = made.defaults()
    assert addresses(raw, state) == ["", "/tree", "/tree/name", "/tree/next"]
    state = made.read(sent_by(page_of(made, state)), "open:/tree/next").state
    assert "/tree/next/next" in addresses(raw, state)
    state = made.read(sent_by(page_of(made, state)), "close:/tree/next").state
    assert addresses(raw, state) == ["", "/tree", "/tree/name", "/tree/next"]


def test_conditions_show_and_hide_their_fields() -> None:
    raw = next(sample for sample in PROBES if sample.name == "conditions").schema.root
    made = form(raw)
    for animal, shown in (("cat", ["@0"]), ("fish", ["@1"])):
        page = page_of(made, {"animal": animal})
        visible = re.findall(r'data-when="/(@\d)">', page)
        assert visible == shown
    assert instance_of(made.read(sent_by(page_of(made, {"animal": "cat", "water": "kept"}))).state) == {
        "animal": "cat",
        "water": "kept",
    }


def test_faults_are_marked_at_their_fields_or_the_nearest_around_them() -> None:
    raw = {"properties": {"home": ADDRESS, "free": {}}, "additionalProperties": False}
    state = {"home": {}, "free": {"deep": [1]}, "odd": 1}
    faults = [
        Fault("/home/street", "required", "must be filled in"),
        Fault("/free/deep/0", "x", "is wrong"),
        Fault("/odd", "x", "is not known"),
        Fault("", "x", "as a whole is wrong"),
    ]
    whole = form(raw).draw(state, faults)
    street, free = whole.find("/home/street"), whole.find("/free")
    assert street is not None
    assert free is not None
    assert street.errors == ["Must be filled in."]
    assert street.focus
    assert free.errors == ["deep/0: is wrong."]
    assert whole.errors == ["odd: is not known.", "As a whole is wrong."]


def test_a_box_without_json_is_a_fault_with_line_and_column_and_keeps_its_text() -> None:
    made = form({"properties": {"free": {}}})
    reading = made.read([("s:g:", ["e"]), ("s:j:/free", ["[1,\r\n}"])])
    (fault,) = reading.faults
    assert (fault.pointer, fault.code) == ("/free", "not-json")
    assert "Line 2" in fault.message
    assert "[1,\n}" in page_of(made, reading.state).replace("\r", "")


@pytest.mark.parametrize(
    "pairs",
    [
        [("s:v:", ["x"])],
        [("s:g:", ["e"]), ("s:v:/l/*0", ["x"]), ("s:r:/l", ["0", "-1", "x", "0", "99999999999"]), ("s:l:/l", ["1"])],
        [("s:g:", ["e"]), ("s:a:/either", ["77"])],
        [("s:g:", ["e"]), ("s:o:", ["{not json"])],
        [("s:g:", ["e"]), ("s:o:", ['[1, {"a": 2}]']), ("s:x:", ["[1]"])],
        [("s:zz:/a", ["1"]), ("s:", ["1"]), ("s:v", ["1"])],
        [("s:g:", ["e"]), ("s:v:/e", ["99"])],
    ],
)
def test_a_forged_form_is_read_without_an_accident(pairs: list[tuple[str, list[str]]]) -> None:
    raw = {
        "properties": {
            "l": {"type": "array", "items": {"type": "string"}},
            "either": {"type": ["boolean", "string"]},
            "e": {"enum": [1, 2]},
        }
    }
    made = form(raw)
    reading = made.read(pairs, "up:/l/*0")
    judged = made.judged(reading.state, found=reading.faults)
    page_of(made, reading.state, judged.faults)
    assert judged.instance is ABSENT or isinstance(judged.instance, dict)


def test_help_is_markdown_of_a_few_tags() -> None:
    page = page_of(form(next(s for s in PROBES if s.name == "groups").schema.root), {})
    assert "<em>manual</em>" in page
    assert 'href="https://example.org" rel="noopener noreferrer nofollow"' in page
    assert "<b>" not in page
    assert "<img" not in page
    assert "<p><strong>Big</strong></p>" in page
    evil = {
        "properties": {
            "a": {"title": "<script>alert(1)</script>", "help_text": "[x](javascript:alert(1)) <script>1</script>"}
        }
    }
    page = page_of(form(evil), {})
    assert "<script" not in page
    assert "javascript:" not in page.replace("[x](javascript:alert(1))", "")
