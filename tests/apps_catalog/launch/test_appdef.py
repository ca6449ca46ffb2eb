"""What the reader says about a definition: faults of the text with their place, and findings by level."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.spec import AccountVariable, Finding, Identity
from tests.apps_catalog.launch.generate import definition, read
from tests.watchdog import ends


def findings(raw: Any) -> list[Finding]:
    return list(read_appdef(raw if isinstance(raw, (str, bytes)) else json.dumps(raw)).findings)


def codes(raw: Any, level: str) -> set[str]:
    return {finding.code for finding in findings(raw) if finding.level == level}


def parameters(**own: Any) -> dict[str, Any]:
    return {"p": {"name": "", "description": "", "required": True, "positional": True, **own}}


BROKEN_TEXTS = [
    ('{\n  "a": 1,\n}', "not-json", 3, 1, "one too many (a trailing comma). Remove it. The line is: }"),
    ('["a", 1, ]', "not-json", 1, 10, "one too many (a trailing comma). Remove it"),
    ('{\n  "a": 1\n  "b": 2}', "not-json", 3, 3, "a comma or a closing bracket is missing before this place"),
    ('{"a": {"b": 1}', "not-json", 1, 15, "a closing bracket is missing"),
    ('{"a": 1}}', "not-json", 1, 9, "a closing bracket too many"),
    ('{"a": "x\ny"}', "not-json", 1, 9, "a line break or control character inside a text"),
    ('{"a": "x', "not-json", 1, 7, "not closed with a double quote"),
    ('{"a" 1}', "not-json", 1, 6, "a colon is missing"),
    ('{"a": }', "not-json", 1, 7, "a value was expected"),
    ('{"a": "\\x"}', "not-json", 1, 8, "backslash"),
    ('{\n"a": NaN}', "not-json", 2, 6, "NaN is not a JSON value"),
    ('{"b": "NaN", "a": -Infinity}', "not-json", 1, 19, "-Infinity is not a JSON value"),
    ('{"a": 1e999}', "not-json", 1, 7, "too large"),
    ('{"a": ' + "9" * 5000 + "}", "not-json", 1, 7, "more than 300 digits"),
    ("", "empty", 1, 1, "The file is empty"),
    (" \n\t", "empty", 1, 1, "The file is empty"),
    (b"\xef\xbb\xbf", "empty", 1, 1, "The file is empty"),
    (b'{"a":\n "\xe9"}', "encoding", 2, 3, "not UTF-8"),
    ('{"a": 1}'.encode("utf-16"), "encoding", 1, 1, "not UTF-8"),
    ('{"a": "\ud800"}', "encoding", 1, 8, "surrogate"),
    (b'{"a": "x\0"}', "not-json", 1, 9, "control character"),
]


@pytest.mark.parametrize(("text", "code", "line", "column", "words"), BROKEN_TEXTS)
def test_broken_text_is_refused_at_its_place(text: str | bytes, code: str, line: int, column: int, words: str) -> None:
    reading = read_appdef(text)
    assert reading.spec is None
    (finding,) = reading.findings
    assert (finding.level, finding.code, finding.line, finding.column) == ("error", code, line, column)
    assert words in finding.message


def test_a_long_line_is_shown_around_the_fault() -> None:
    (finding,) = findings('{"icon": "' + "A" * 50_000 + '", oops}')
    assert "oops" in finding.message
    assert len(finding.message) < 400


HOSTILE: dict[str, Any] = {
    "100 MB of bytes": b"x" * 100_000_000,
    "100 MB of text": "x" * 100_000_000,
    "two million brackets": "[" * 2_000_000,
    "objects in objects": '{"a":' * 5000 + "1" + "}" * 5000,
    "four million characters of numbers": "[" + "1," * 1_900_000 + "1]",
    "a key half a million times": "{" + '"a":1,' * 500_000 + '"b":1}',
    "unknown keys": json.dumps({f"key{n}": n for n in range(150_000)}),
    "emoji escapes and many values": '{"a":["\\ud83d\\ude00",' + '"b",' * 900_000 + "1]}",
    "parameters without anything": json.dumps(
        {"commands": {"c": {"path": "/x", "parameters": {f"p{n}": {} for n in range(100_000)}}}}
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_judged(name: str) -> None:
    with ends():
        reading = read_appdef(HOSTILE[name])
    assert reading.spec is None
    assert len(reading.findings) < 1000
    assert reading.findings[0].level == "error"


def test_a_byte_order_mark_is_skipped_and_said() -> None:
    text = b"\xef\xbb\xbf" + json.dumps(definition()).encode()
    reading = read_appdef(text)
    assert reading.spec is not None
    assert reading.spec.digest == hashlib.sha256(text).hexdigest()
    assert "byte-order-mark" in codes(text, "info")


def test_text_and_bytes_have_one_digest() -> None:
    text = json.dumps(definition(name="Ünïcode 🙂"), ensure_ascii=False)
    assert read_appdef(text) == read_appdef(text.encode())


def test_a_complete_definition_has_no_findings() -> None:
    assert findings(definition(parameters(type="STR", value="v"))) == []


def test_repeated_keys_are_warned_of_with_their_place() -> None:
    text = json.dumps(definition(), indent=1).replace('"path"', '"path": "/bin/first",\n   "path"')
    reading = read_appdef(text)
    assert reading.spec is not None
    assert reading.spec.commands["go"].path == ("/bin/go",)
    (finding,) = reading.findings
    lines = text.splitlines()
    assert finding.line is not None
    assert lines[finding.line - 1].strip().startswith('"path": "/bin/go"')
    assert finding.column == lines[finding.line - 1].index('"path"') + 1
    assert (finding.code, finding.pointer) == ("duplicate-key", "/commands/go/path")


ERRORS = [
    ([], "not-an-object", ""),
    (definition(commands={}), "no-commands", "/commands"),
    (definition(commands=[]), "no-commands", "/commands"),
    (definition(commands=None), "no-commands", "/commands"),
    ({"name": "x"}, "no-commands", ""),
    (definition(commands={"a/b": 1}), "not-an-object", "/commands/a~1b"),
    (definition(command={"path": ""}), "no-path", "/commands/go/path"),
    (definition(commands={"go": {}}), "no-path", "/commands/go"),
    (definition({"p": 5}), "not-an-object", "/commands/go/parameters/p"),
    (definition(parameters(type="TEXT")), "unknown-type", "/commands/go/parameters/p/type"),
    (definition(parameters(type="selection", values=[])), "no-values", "/commands/go/parameters/p/values"),
    (definition(parameters(type="STR", value="a\0b")), "bad-text", "/commands/go/parameters/p/value"),
    (definition(name="\ud800"), "bad-text", "/name"),
    (definition(identity={"username": "me", "uid": 0}), "identity-root", "/identity/uid"),
    (
        definition({"a": {"type": "UPLOAD", "target": "a"}, "b": {"type": "UPLOAD", "target": "b"}}),
        "several-uploads",
        "/commands/go/parameters/b",
    ),
]


@pytest.mark.parametrize(("raw", "code", "pointer"), ERRORS)
def test_what_can_not_run_is_refused_at_its_place(raw: Any, code: str, pointer: str) -> None:
    reading = read_appdef(json.dumps(raw))
    assert reading.spec is None
    finding = next(finding for finding in reading.findings if finding.level == "error")
    assert (finding.code, finding.pointer) == (code, pointer)
    assert finding.line == 1
    assert finding.column is not None


@pytest.mark.parametrize("uid", [0, "0", "00", "+0", "-0", " 0 ", 0.0, "0:0", "0x0", "0.0", "0:", "0b0"])
@pytest.mark.parametrize("key", ["uid", "gid"])
def test_root_is_refused_however_it_is_spelt(key: str, uid: Any) -> None:
    assert codes(definition(identity={"username": "me", key: uid}), "error") == {"identity-root"}


@pytest.mark.parametrize(
    "identity",
    [{"username": "root"}, {"username": "me", "group": "Root"}, {"username": "a b"}, {"username": "me", "uid": -1},
     {"username": "me", "uid": "me"}, {"username": "me", "uid": False}, {"username": "me", "gid": 2**40}],
)  # fmt: skip
def test_an_identity_that_is_none_is_refused(identity: dict[str, Any]) -> None:
    assert codes(definition(identity=identity), "error") & {"identity", "identity-root"}


def test_a_usual_identity_is_kept() -> None:
    spec = read(definition(identity={"username": "nimbix", "group": "nimbix", "uid": 505, "gid": "1000"}))
    assert spec.identity == Identity("nimbix", "nimbix", 505, 1000)


WARNINGS = [
    (definition(**{"vault-types": ["FILES"]}), "unknown-vault-type"),
    (definition(machines=["n1", ""]), "empty-machine"),
    (definition(machines=[]), "no-machines"),
    (definition(machines="n1"), "converted"),
    (definition(licensed="true"), "converted"),
    (definition(scale_max=0), "ignored-value"),
    (definition(scale_max="4"), "converted"),
    (definition(appdefversion=3), "newer-version"),
    (definition(image={"type": "text/plain", "data": ""}), "icon-type"),
    (definition(image={"type": "image/png", "data": "A" * 900_000}), "icon-large"),
    (definition(image=5), "ignored-value"),
    (definition(walltime="soon"), "ignored-value"),
    (definition(varables={}), "misspelt-key"),
    (definition(command={"parameters": []}, appdefversion=1), None),
    (definition(command={"webshell": True}, appdefversion=1), "needs-version-2"),
    (definition(command={"ports": ["80"]}), "port"),
    (definition(command={"path": ["/bin/go", 1]}), "converted"),
    (definition(parameters(type="FILE"), **{"vault-types": ["NONE"]}), "file-without-vault"),
    (definition({"LD_PRELOAD": {"type": "STR", "value": "x", "variable": True}}), "variable-name"),
    (definition({"-x": {"type": "STR", "value": "x", "variable": True}}), "variable-name"),
    (definition(parameters(type="STR", value="x", **{"if": ["q"]})), "condition-unknown"),
    (definition(parameters(type="STR", value="x", **{"if": ["q"]}), appdefversion=1), "needs-version-2"),
]


@pytest.mark.parametrize(("raw", "code"), WARNINGS)
def test_what_can_run_is_taken_with_a_warning(raw: Any, code: str | None) -> None:
    reading = read_appdef(json.dumps(raw))
    assert reading.spec is not None
    assert code is None or code in {finding.code for finding in reading.findings if finding.level == "warning"}


def test_missing_keys_are_one_warning_and_have_usable_defaults() -> None:
    raw = {"commands": {"go": {"path": "/bin/go"}}}
    spec = read(raw)
    assert codes(raw, "warning") == {"missing-key"}
    assert (spec.machines, spec.vault_types[0], spec.licensed) == (("*",), "NONE", True)
    assert spec.commands["go"].name == "go"
    assert spec.commands["go"].parameters == {}


def test_every_key_of_the_specification_is_kept() -> None:
    command = {
        "path": "/opt/go  -l", "interactive": True, "publicip": True, "ports": ["80/tcp"], "noconnect": True,
        "url": "https://%PUBLICADDR%/", "machines": ["n2*"], "scale_max": 2, "hints": ["SCALE_NODES"],
        "variables": {"V": {"name": "v"}}, "webshell": True, "desktop": True, "verboseinit": True,
        "cmdscript": "echo", "mpirun": True, "walltime": "02:00:00", "noqueue": True,
    }  # fmt: skip
    whole = {
        "classifications": ["A/B", " C / D ", "A/B"], "scale_max": 8, "hints": ["VAULT:x"],
        "variables": {"W": {"name": "w"}}, "identity": {"username": "me"}, "id": "x", "price": 1.5,
        "machines": ["n*"], "image": {"type": "IMAGE/PNG", "data": "QQ=="},
    }  # fmt: skip
    conditions = {"if": ["b"], "ifnot": "c", "odd": [1]}
    spec = read(definition({"p": {"type": "STR", "value": "x", **conditions}}, command=command, **whole))
    one = spec.commands["go"]
    assert (one.path, one.machines, one.scale_max, one.hints) == (("/opt/go", "-l"), ("n2*",), 2, ("SCALE_NODES",))
    assert (one.interactive, one.publicip, one.ports, one.noconnect) == (True, True, ("80/tcp",), True)
    assert (one.url, one.webshell, one.desktop, one.verboseinit) == ("https://%PUBLICADDR%/", True, True, True)
    assert (one.cmdscript, one.mpirun, one.walltime_s) == ("#!/bin/sh\necho", True, 7200)
    assert (one.variables, one.extra) == ({"V": AccountVariable("V", "v")}, {"noqueue": True})
    assert (spec.categories, spec.scale_max, spec.hints) == (("A/B", "C/D"), 8, ("VAULT:x",))
    assert (spec.variables, spec.identity) == ({"W": AccountVariable("W", "w")}, Identity("me"))
    assert (spec.icon_type, spec.icon_base64, spec.definition_version) == ("image/png", "QQ==", 2)
    assert spec.extra == {"id": "x", "price": 1.5}
    assert (spec.machines_of(one), spec.author, spec.licensed) == (("n2*",), "Someone", True)
    parameter = one.parameters["p"]
    assert (parameter.if_, parameter.ifnot, parameter.extra) == (("b",), ("c",), {"odd": [1]})


def test_what_people_read_has_the_signs_that_its_author_wrote_as_html_entities() -> None:
    choice = {"type": "selection", "values": ["A&reg;", "B"]}
    raw = definition(parameters(**{**choice, "name": "Mesh&trade;", "description": "&lt;b&gt; \x07&copy;"}))
    raw |= {"name": " CFD&reg; ", "author": "R&amp;D", "classifications": ["R&amp;D/Flow"]}
    raw["commands"]["go"] |= {"name": "Run&nbsp;it", "description": "1 &lt; 2"}
    spec = read(raw)
    assert (spec.name, spec.author, spec.categories) == ("CFD®", "R&D", ("R&D/Flow",))
    command = spec.commands["go"]
    assert (command.name, command.description) == ("Run\xa0it", "1 < 2")
    hint = command.parameters["p"].hint()
    assert (hint.label, hint.help, hint.options[0].label) == ("Mesh™", "<b> ©", "A®")
    assert command.parameters["p"].words("A&reg;") == ("A&reg;",), "what the program gets stays the author's"


def test_what_people_connect_to_needs_no_remark() -> None:
    assert findings(definition(command={"interactive": True, "desktop": True, "webshell": False})) == []


def test_a_misspelt_key_is_read_as_what_it_means() -> None:
    raw = definition(vault_types=["FILE"], classificatons=["X"])
    del raw["vault-types"], raw["classifications"]
    spec = read(raw)
    assert (spec.vault_types, spec.categories) == (("FILE",), ("X",))
    said = [finding for finding in findings(raw) if finding.code == "misspelt-key"]
    assert [finding.pointer for finding in said] == ["/vault_types", "/classificatons"]
    assert "did you mean 'vault-types'?" in said[0].message


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("02:00:00", 7200), ("1:02:00:00", 93600), ("00:30", 1800), ("3600", 3600), (90, 90), ("0", None), (True, None),
     (-5, None), ("99999999999999", None), ({}, None)],
)  # fmt: skip
def test_walltime_is_read_as_people_write_it(written: Any, seconds: int | None) -> None:
    assert read(definition(walltime=written)).commands["go"].walltime_s == seconds
    assert read(definition(command={"walltime": written}, walltime=60)).commands["go"].walltime_s == (seconds or 60)
