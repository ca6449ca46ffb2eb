"""One table per parameter type: what its author may write, what people may enter, which words come out."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from apps_catalog.launch.parameters import KINDS, File, Parameter, Selection, UnfitError, Upload, read_parameter
from apps_catalog.launch.reading import Notes
from tests.apps_catalog.launch.generate import definition, launch, read
from tests.apps_catalog.launch.judged import judged

ANY = object()
BASE = {"name": "N", "description": "D", "required": True, "positional": True}


def parse(own: dict[str, Any], key: str = "p") -> tuple[Parameter | None, list[tuple[str, str]]]:
    notes = Notes()
    parameter = read_parameter(key, {**BASE, **own}, "/p", notes)
    return parameter, [(finding.level, finding.code) for finding in notes.findings]


# type and keys, the submitted value, the clean value, the words
GOOD: list[tuple[dict[str, Any], Any, Any, tuple[str, ...]]] = [
    ({"type": "STR", "value": ""}, "  two words\n", "  two words\n", ("  two words\n",)),
    ({"type": "STR", "value": ""}, "$(id); `id` \"'", "$(id); `id` \"'", ("$(id); `id` \"'",)),
    ({"type": "STR", "value": ""}, "--", "--", ("--",)),
    ({"type": "STR", "value": ""}, "שלום 🙂", "שלום 🙂", ("שלום 🙂",)),
    ({"type": "STR", "value": ""}, 12, "12", ("12",)),
    ({"type": "INT", "value": 1, "min": 0, "max": 9}, "7", 7, ("7",)),
    ({"type": "INT", "value": 1, "min": 0, "max": 9}, " +7 ", 7, ("7",)),
    ({"type": "INT", "value": 1, "min": 0, "max": 9}, 7.0, 7, ("7",)),
    ({"type": "INT", "value": 1, "min": -9, "max": 9}, "-0", 0, ("0",)),
    ({"type": "INT", "value": 1}, 10**40, 10**40, (str(10**40),)),
    ({"type": "RANGE", "value": 1, "min": 1, "max": 9, "step": 2}, "3", 3, ("3",)),
    ({"type": "RANGE", "value": 1, "min": 1, "max": 9, "step": 2}, 9, 9, ("9",)),
    ({"type": "RANGE", "value": -3, "min": -3, "max": 9, "step": 5}, 7, 7, ("7",)),
    ({"type": "RANGE", "value": 0, "min": 0, "max": 10, "step": 5}, 5, 5, ("5",)),
    ({"type": "FLOAT", "value": "", "precision": 2}, "1.239", 1.23, ("1.23",)),
    ({"type": "FLOAT", "value": "", "precision": 2}, -1.239, -1.23, ("-1.23",)),
    ({"type": "FLOAT", "value": "", "precision": 1}, "-0.09", 0, ("0",)),
    ({"type": "FLOAT", "value": "", "precision": 0}, "7.99", 7, ("7",)),
    ({"type": "FLOAT", "value": "", "precision": 1}, 0.3, 0.3, ("0.3",)),
    ({"type": "FLOAT", "value": "", "min": 0.1, "max": 0.1}, "0.1", 0.1, ("0.1",)),
    ({"type": "FLOAT", "value": ""}, "1e-7", 1e-7, ("0.0000001",)),
    ({"type": "FLOAT", "value": ""}, 1e22, 10**22, ("1" + "0" * 22,)),
    ({"type": "FLOAT", "value": ""}, "0.12345678901234567890123", ANY, ("0.12345678901234567890123",)),
    ({"type": "BOOL", "value": False}, True, True, ("p",)),
    ({"type": "BOOL", "value": False}, "on", True, ("p",)),
    ({"type": "BOOL", "value": True}, "", False, ()),
    ({"type": "BOOL", "value": True}, None, False, ()),
    ({"type": "selection", "values": ["a", "b"]}, "b", "b", ("b",)),
    ({"type": "selection", "values": ["A", "B"], "mvalues": ["-a", "-b"]}, "B", "-b", ("-b",)),
    ({"type": "selection", "values": ["A", "B"], "mvalues": ["-a", "-b"]}, "-b", "-b", ("-b",)),
    ({"type": "selection", "values": ["A", "B"], "mvalues": ["-a", "-b"]}, 1, "-b", ("-b",)),
    ({"type": "selection", "values": ["A", "B"], "mvalues": ["-a", "-b"]}, {"option": 1}, "-b", ("-b",)),
    ({"type": "selection", "values": ["1", "2", "0"]}, 2, "2", ("2",)),
    ({"type": "selection", "values": ["a", "b"], "mvalues": ["b", "a"]}, "a", "a", ("b",)),
    ({"type": "selection", "values": ["x", "x"], "mvalues": ["1", "2"]}, "2", "2", ("2",)),
    ({"type": "selection", "values": ["x", "x"], "mvalues": ["x", "y"]}, {"option": 0}, {"option": 0}, ("x",)),
    ({"type": "selection", "values": ["x", "x"]}, "x", "x", ("x",)),
    ({"type": "selection", "values": ["", "x"]}, "", "", ()),
    ({"type": "FILE"}, "run/a b.txt", "run/a b.txt", ("/data/run/a b.txt",)),
    ({"type": "FILE"}, "/data/run/a.txt", "run/a.txt", ("/data/run/a.txt",)),
    ({"type": "FILE"}, "./run//a.txt", "run/a.txt", ("/data/run/a.txt",)),
    ({"type": "FILE"}, "data/a.txt", "data/a.txt", ("/data/data/a.txt",)),
    ({"type": "FILE"}, "/data/", ".", ("/data",)),
    ({"type": "UPLOAD", "target": "f.txt"}, {"upload": "id"}, {"upload": "id"}, ()),
    ({"type": "UPLOAD", "target": "f.txt", "size": 3}, "YWJj", "YWJj", ()),
]

# type and keys, the submitted value, the code and a part of the message
BAD: list[tuple[dict[str, Any], Any, str, str]] = [
    ({"type": "STR", "value": ""}, "", "required", "must be filled in"),
    ({"type": "STR", "value": ""}, None, "required", "must be filled in"),
    ({"type": "STR", "value": ""}, "a\0b", "text", "NUL"),
    ({"type": "STR", "value": ""}, "\ud800", "text", "surrogate"),
    ({"type": "STR", "value": ""}, ["a"], "type", "must be a text"),
    ({"type": "STR", "value": ""}, True, "type", "must be a text"),
    ({"type": "STR", "value": ""}, "é" * 70_000, "too-long", "131071 bytes"),
    ({"type": "STR", "value": ""}, "x" * 140_000, "too-long", "131071 characters"),
    ({"type": "INT", "value": 1, "min": 1, "max": 9}, 0, "minimum", "must be at least 1"),
    ({"type": "INT", "value": 1, "min": 1, "max": 9}, "10", "maximum", "must be at most 9"),
    ({"type": "INT", "value": 1}, "1.5", "type", "must be a whole number"),
    ({"type": "INT", "value": 1}, 1.5, "type", "must be a whole number"),
    ({"type": "INT", "value": 1}, 1e30, "type", "must be a whole number"),
    ({"type": "INT", "value": 1}, "twelve", "type", "must be a whole number"),
    ({"type": "INT", "value": 1}, "1_0", "type", "must be a whole number"),
    ({"type": "INT", "value": 1}, "١٢", "type", "must be a whole number"),
    ({"type": "INT", "value": 1}, True, "type", "must be a whole number"),
    ({"type": "INT", "value": 1}, 10**200, "too-long", "100 digits"),
    ({"type": "INT", "value": 1}, "  ", "required", "must be filled in"),
    ({"type": "RANGE", "value": 1, "min": 1, "max": 9, "step": 2}, 4, "step", "values are 3 and 5"),
    ({"type": "RANGE", "value": 0, "min": 0, "max": 9, "step": 5}, 4, "step", "values are 0 and 5"),
    ({"type": "RANGE", "value": 0, "min": 0, "max": 9, "step": 5}, 8, "step", "value is 5"),
    ({"type": "RANGE", "value": 0, "min": 0, "max": 9, "step": 5}, 10, "maximum", "must be at most 9"),
    ({"type": "FLOAT", "value": 1, "min": 0.5, "max": 2}, "0.4", "minimum", "must be at least 0.5"),
    ({"type": "FLOAT", "value": 1, "min": 0.5, "max": 2}, 2.01, "maximum", "must be at most 2"),
    ({"type": "FLOAT", "value": 1, "min": 0.05, "precision": 1}, 0.09, "minimum", "must be at least 0.05"),
    ({"type": "FLOAT", "value": 1}, "1,5", "type", "must be a number"),
    ({"type": "FLOAT", "value": 1}, "nan", "type", "must be a number"),
    ({"type": "FLOAT", "value": 1}, float("nan"), "type", "must be a number"),
    ({"type": "FLOAT", "value": 1}, float("inf"), "type", "must be a number"),
    ({"type": "FLOAT", "value": 1}, "1e999999999", "type", "must be a number"),
    ({"type": "BOOL", "value": True}, "maybe", "type", "must be true or false"),
    ({"type": "BOOL", "value": True}, 1, "type", "must be true or false"),
    ({"type": "selection", "values": ["alpha", "beta"]}, "betta", "enum", "Did you mean beta?"),
    ({"type": "selection", "values": ["a", "b"]}, 2, "enum", "must be one of: a, b"),
    ({"type": "selection", "values": ["a", "b"]}, {"option": 2}, "enum", "must be one of"),
    ({"type": "selection", "values": ["a", "b"]}, {"option": True}, "enum", "must be one of"),
    ({"type": "selection", "values": ["a", "b"]}, "", "required", "must be filled in"),
    ({"type": "selection", "values": ["x", "x"], "mvalues": ["1", "2"]}, "x", "ambiguous", "several options"),
    ({"type": "FILE"}, "../secret", "path", "'..' is not allowed"),
    ({"type": "FILE"}, "/data/../etc/passwd", "path", "'..' is not allowed"),
    ({"type": "FILE"}, "/etc/passwd", "path", "inside the vault"),
    ({"type": "FILE"}, "/database", "path", "inside the vault"),
    ({"type": "FILE"}, "a\0", "text", "NUL"),
    ({"type": "FILE"}, 7, "type", "must be a text"),
    ({"type": "UPLOAD", "target": "f"}, {"upload": ""}, "type", "base64 text or"),
    ({"type": "UPLOAD", "target": "f"}, {"upload": "x", "more": 1}, "type", "base64 text or"),
    ({"type": "UPLOAD", "target": "f"}, "not base64 at all!", "base64", "base64"),
    ({"type": "UPLOAD", "target": "f", "size": 2}, base64.b64encode(b"abc").decode(), "size", "at most 2 bytes"),
    ({"type": "CONST", "value": "fixed"}, "other", "fixed", "can't be changed"),
]

# type and keys, the level and code of the finding that must come, and what the parameter must have then
AUTHORS: list[tuple[dict[str, Any], tuple[str, str] | None, dict[str, Any] | None]] = [
    ({"type": "CONST", "value": 5}, ("warning", "converted"), {"default": "5"}),
    ({"type": "CONST"}, ("warning", "missing-key"), {"default": ""}),
    ({"type": "STR", "value": [1, "b"]}, ("warning", "converted"), {"default": "1 b"}),
    ({"type": "STR", "value": True}, ("warning", "converted"), {"default": "true"}),
    ({"type": "STR", "value": {"a": 1}}, ("warning", "ignored-value"), {"default": None}),
    ({"type": None, "value": "x"}, ("warning", "no-type"), {"default": "x"}),
    ({"type": "str", "value": "x"}, ("warning", "converted"), {"default": "x"}),
    ({"type": "SELECTION", "values": ["a"]}, ("warning", "converted"), {"default": "a"}),
    ({"type": "STRNG"}, ("error", "unknown-type"), None),
    ({"type": 5}, ("error", "unknown-type"), None),
    ({"type": "INT", "value": "3600", "min": "0", "max": "9999"}, ("warning", "converted"), {"default": 3600}),
    ({"type": "INT", "value": "", "min": 0, "max": 9}, None, {"default": None}),
    ({"type": "INT", "value": 10, "min": 0, "max": 9}, ("warning", "bad-default"), {"default": None}),
    ({"type": "INT", "value": "x", "min": 0, "max": 9}, ("warning", "bad-default"), {"default": None}),
    ({"type": "INT", "value": 1, "min": 9, "max": 0}, ("error", "min-above-max"), None),
    ({"type": "INT", "value": 1, "min": 0, "max": 9, "step": 2}, ("info", "unknown-key"), {"default": 1}),
    ({"type": "RANGE", "value": 4, "min": 0, "max": 9, "step": 2}, None, {"default": 4, "step": 2}),
    ({"type": "RANGE", "value": 3, "min": 0, "max": 9, "step": 2}, ("warning", "bad-default"), {"default": 0}),
    ({"type": "RANGE", "min": 2, "max": 9, "step": 2}, ("warning", "missing-key"), {"default": 2}),
    ({"type": "RANGE", "value": 0, "min": 0, "max": 9, "step": 0}, ("error", "step"), None),
    ({"type": "RANGE", "value": 0, "min": 0, "max": 9, "step": "-1"}, ("error", "step"), None),
    ({"type": "RANGE", "value": 0, "min": 2, "max": 1, "step": 1}, ("error", "min-above-max"), None),
    ({"type": "FLOAT", "value": "1.25", "min": "0", "max": "9", "precision": 1}, None, {"default": 1.2}),
    ({"type": "FLOAT", "value": 1, "precision": 0.1}, ("warning", "converted"), {"precision": 1}),
    ({"type": "FLOAT", "value": 1, "precision": 0.001}, ("warning", "converted"), {"precision": 3}),
    ({"type": "FLOAT", "value": 1, "precision": -1}, ("warning", "ignored-value"), {"precision": None}),
    ({"type": "FLOAT", "value": 1, "presision": 2}, ("warning", "misspelt-key"), {"precision": 2}),
    ({"type": "FLOAT", "value": 1, "min": 2, "max": 1}, ("error", "min-above-max"), None),
    ({"type": "BOOL", "value": "true"}, ("warning", "converted"), {"default": True}),
    ({"type": "BOOL", "value": "perhaps"}, ("warning", "ignored-value"), {"default": False}),
    ({"type": "selection", "vaules": ["a"]}, ("warning", "misspelt-key"), {"default": "a"}),
    ({"type": "selection", "value": ["a"]}, ("warning", "misspelt-key"), {"default": "a"}),
    ({"type": "selection", "values": "a"}, ("warning", "converted"), {"default": "a"}),
    ({"type": "selection", "values": [1, 2], "value": "2"}, ("warning", "converted"), {"default": "2"}),
    ({"type": "selection", "values": ["a"], "value": "z"}, ("warning", "bad-default"), {"default": "a"}),
    ({"type": "selection", "values": ["a"], "mvalues": []}, None, {"default": "a"}),
    ({"type": "selection", "values": []}, ("error", "no-values"), None),
    ({"type": "selection"}, ("error", "no-values"), None),
    ({"type": "selection", "values": ["a", "b"], "mvalues": ["1"]}, ("error", "mvalues-length"), None),
    ({"type": "FILE", "filter": "*.c | *.py|"}, None, {"filters": ("*.c", "*.py")}),
    ({"type": "FILE", "filter": ["*.c"]}, None, {"filters": ("*.c",)}),
    ({"type": "FILE", "value": "/data/x"}, None, {"default": "x"}),
    ({"type": "FILE", "value": "../x"}, ("warning", "bad-default"), {"default": None}),
    ({"type": "UPLOAD", "target": "JARVICE/munge.key", "filter": "*.key"}, None, {"path": "/opt/JARVICE/munge.key"}),
    ({"type": "UPLOAD", "target": "f", "filter": "json|.txt"}, None, {"extensions": (".json", ".txt")}),
    ({"type": "UPLOAD", "target": "f", "size": "4096"}, ("warning", "converted"), {"size": 4096}),
    ({"type": "UPLOAD", "target": "f", "size": 0}, ("warning", "ignored-value"), {"size": None}),
    ({"type": "UPLOAD"}, ("error", "target"), None),
    ({"type": "UPLOAD", "target": "../f"}, ("error", "target"), None),
    ({"type": "UPLOAD", "target": "/opt/f"}, ("error", "target"), None),
    ({"type": "UPLOAD", "target": "folder/"}, ("error", "target"), None),
    ({"type": "UPLOAD", "target": "."}, ("error", "target"), None),
]


def test_every_type_has_good_bad_and_author_cases() -> None:
    for table in (GOOD, BAD, AUTHORS):
        listed = {own.get("type") for own, *_ in table}
        assert set(KINDS) - listed <= {"CONST"}, "a type has no cases"
    assert {"CONST"} <= {own.get("type") for own, *_ in BAD}


@pytest.mark.parametrize(("own", "given", "clean", "words"), GOOD)
def test_good_value_becomes_clean_and_its_words(
    own: dict[str, Any], given: Any, clean: Any, words: tuple[str, ...]
) -> None:
    spec = read(definition({"p": {**BASE, **own}}))
    made = launch(spec, {"p": given})
    if clean is not ANY:
        assert made.values["p"] == clean
        assert type(made.values["p"]) is type(clean)
    parameter = made.command.parameters["p"]
    assert parameter.words(made.values["p"]) == words
    assert launch(spec, dict(made.values)).values == made.values


@pytest.mark.parametrize(("own", "given", "code", "words"), BAD)
def test_bad_value_is_refused_in_plain_words(own: dict[str, Any], given: Any, code: str, words: str) -> None:
    own = {**own, "value": ""} if own["type"] in ("STR", "INT") else own
    spec = read(definition({"p": {**BASE, **own}}))
    (fault,) = judged(spec, {"p": given})
    assert (fault.pointer, fault.code) == ("/parameters/p", code)
    assert words in fault.message


@pytest.mark.parametrize(("own", "finding", "has"), AUTHORS)
def test_what_an_author_writes_is_read_or_refused(
    own: dict[str, Any], finding: tuple[str, str] | None, has: dict[str, Any] | None
) -> None:
    parameter, findings = parse(own)
    if finding is None:
        assert not [one for one in findings if one[0] == "error"]
    else:
        assert finding in findings
    if has is None:
        assert parameter is None
    else:
        assert {name: getattr(parameter, name) for name in has} == has


@pytest.mark.parametrize(
    ("key", "given", "positional"),
    [("-i", None, False), ("+x", None, False), ("input", None, True), ("-i", True, True), ("input", False, False)],
)
def test_absent_positional_follows_the_shape_of_the_key(key: str, given: bool | None, positional: bool) -> None:
    notes = Notes()
    raw = {"name": "", "description": "", "required": True, "type": "STR", "value": "v"}
    parameter = read_parameter(key, raw if given is None else {**raw, "positional": given}, "", notes)
    assert parameter is not None
    assert (parameter.positional, parameter.positional_given) == (positional, given)
    assert parameter.words("v") == (("v",) if positional else (key, "v"))
    assert [finding.code for finding in notes.findings] == (["positional"] if given is None else [])


def test_a_repeated_label_is_told_apart_by_its_index() -> None:
    parameter, _ = parse({"type": "selection", "values": ["x", "y", "x"], "mvalues": ["1", "2", "3"]})
    assert isinstance(parameter, Selection)
    assert [parameter.index_of({"option": index}) for index in range(3)] == [0, 1, 2]
    assert [parameter.index_of(parameter.canonical(index)) for index in range(3)] == [0, 1, 2]
    given: list[Any] = ["x", "y", "3", None, [], 9]
    assert [parameter.index_of(value) for value in given] == [None, 1, 2, None, None, None]


def test_upload_judges_name_and_size_before_and_after() -> None:
    parameter, _ = parse({"type": "UPLOAD", "target": "f", "filter": ".JSON", "size": 2048})
    assert isinstance(parameter, Upload)
    parameter.check_name("My File.json")
    parameter.check_size(2048)
    with pytest.raises(UnfitError, match=r"ends in \.JSON"):
        parameter.check_name("file.txt")
    with pytest.raises(UnfitError, match=r"at most 2048 bytes \(2 KiB\); this file has 2049"):
        parameter.check_size(2049)


def test_file_in_the_vault_root_is_the_root_itself() -> None:
    parameter, _ = parse({"type": "FILE"})
    assert isinstance(parameter, File)
    assert parameter.words(parameter.clean("/data")) == ("/data",)
