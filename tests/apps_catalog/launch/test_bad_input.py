"""Each kind of bad input of a definition has its own code, its own message with advice, and its place."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from apps_catalog.launch.appdef import read_appdef
from tests.apps_catalog.launch.generate import definition

P = "/commands/go/parameters"


def one(**own: Any) -> dict[str, Any]:
    return definition({"p": {"name": "", "description": "", "required": True, "positional": True, **own}})


UPLOADS = {
    key: {"type": "UPLOAD", "name": "", "description": "", "required": True, "target": key}
    for key in ("first", "second")
}
LOOP = {
    "a": {"type": "BOOL", "name": "", "description": "", "required": True, "value": True, "if": ["b"]},
    "b": {"type": "BOOL", "name": "", "description": "", "required": True, "value": True, "if": ["a"]},
}
FORBIDDEN = {"type": "STR", "name": "", "description": "", "required": True, "value": "x", "variable": True}
ACCOUNT = {"name": "n", "description": "d", "userowned": False, "inherit": False}
NO_UTF8 = base64.b64encode(b"#!/bin/sh\necho \xff\xfe").decode()

# what, the definition, level, code, pointer, a part of the message
CASES: list[tuple[str, Any, str, str, str, str]] = [
    ("min above max", one(type="INT", value=1, min=9, max=1), "error", "min-above-max", f"{P}/p/min", "Were they swapped?"),
    ("min above max of a FLOAT", one(type="FLOAT", value=1, min="2.5", max=1, precision=1), "error", "min-above-max",
     f"{P}/p/min", "'min' is 2.5 and 'max' is 1"),
    ("a step of 0", one(type="RANGE", value=1, min=1, max=9, step=0), "error", "step", f"{P}/p/step", "at least 1"),
    ("a default out of range", one(type="INT", value=99, min=1, max=9), "warning", "bad-default", f"{P}/p/value",
     "must be at most 9"),
    ("a default between steps", one(type="RANGE", value=4, min=1, max=9, step=2), "warning", "bad-default", f"{P}/p/value",
     "nearest allowed values are 3 and 5"),
    ("a default that is no option", one(type="selection", values=["a"], value="b"), "warning", "bad-default", f"{P}/p/value",
     "the first one is taken"),
    ("two uploads", definition(UPLOADS), "error", "several-uploads", f"{P}/second", "(first, second); one is allowed"),
    ("if names no parameter", one(type="STR", value="", **{"if": ["q"]}), "warning", "condition-unknown", f"{P}/p/if",
     "decides nothing"),
    ("if names no BOOL", one(type="STR", value="", **{"if": ["p"]}), "warning", "condition-not-bool", f"{P}/p/if",
     "is of type STR, not BOOL"),
    ("a circle", definition(LOOP), "error", "condition-circle", f"{P}/a", "a -> b -> a"),
    ("a megabyte of if", one(type="STR", value="", **{"if": [f"b{n}" for n in range(150_000)]}), "error",
     "condition-too-long", f"{P}/p/if", "at most 200 are read"),
    ("uid 0", definition(identity={"username": "me", "uid": "0x0"}), "error", "identity-root", "/identity/uid",
     "use 1000 or more"),
    ("a user name with a blank", definition(identity={"username": "a b"}), "error", "identity", "/identity/username",
     "no blanks"),
    ("a forbidden name", definition({"LD_PRELOAD": FORBIDDEN}), "warning", "variable-name", f"{P}/LD_PRELOAD",
     "Give it another name"),
    ("a forbidden account variable", definition(variables={"BASH_ENV": ACCOUNT}), "warning", "variable-name",
     "/variables/BASH_ENV", "Give it another name"),
    ("a script that is not UTF-8", definition(command={"cmdscript": NO_UTF8, "path": "/opt/x"}), "error",
     "cmdscript-encoding", "/commands/go/cmdscript", "Save the script as UTF-8"),
    ("a script over the shell", definition(command={"cmdscript": "echo", "path": "/bin/sh"}), "error", "cmdscript-path",
     "/commands/go/path", "Name a file of its own"),
    ("an unknown substitution", one(type="CONST", value="%CORE%"), "warning", "unknown-substitution", f"{P}/p/value",
     "Did you mean %CORES%?"),
    ("a link that leads elsewhere", definition(command={"url": "https://evil.example/"}), "error", "url",
     "/commands/go/url", "write %PUBLICADDR% in its place"),
    ("a port", definition(command={"ports": ["99999/tcp"]}), "warning", "port", "/commands/go/ports/0", "1 to 65535"),
    ("ports of two protocols", definition(command={"ports": ["1/tcp", "2/udp"]}), "warning", "ports-mixed",
     "/commands/go/ports/1", "one protocol"),
    ("an unknown type", one(type="STRING"), "error", "unknown-type", f"{P}/p/type", "Did you mean STR?"),
    ("a misspelt key", one(type="selection", vaules=["a"]), "warning", "misspelt-key", f"{P}/p/vaules",
     "did you mean 'values'?"),
    ("an unknown vault type", definition(**{"vault-types": ["BLOKC"]}), "warning", "unknown-vault-type", "/vault-types",
     "Did you mean BLOCK?"),
    ("an unknown hint", definition(hints=["SCALE_CORE"]), "info", "unknown-hint", "/hints", "Did you mean SCALE_CORES?"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "level", "code", "pointer", "words"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_each_kind_of_bad_input_has_its_own_message_at_its_place(
    raw: Any, level: str, code: str, pointer: str, words: str
) -> None:
    text = json.dumps(raw, indent=1)
    reading = read_appdef(text)
    (finding,) = [finding for finding in reading.findings if finding.code == code]
    assert (finding.level, finding.pointer) == (level, pointer)
    assert words in finding.message
    assert len(finding.message) < 500
    assert reading.ok == (level != "error")
    key = pointer.rpartition("/")[2]
    assert finding.line is not None
    assert finding.column is not None
    shown = f'"{raw["commands"]["go"]["ports"][int(key)]}"' if key.isdigit() else f'"{key}"'
    assert shown in text.splitlines()[finding.line - 1]


def test_the_messages_of_all_kinds_differ() -> None:
    said: dict[str, str] = {}
    for what, raw, _, code, _, _ in CASES:
        message = next(f.message for f in read_appdef(json.dumps(raw)).findings if f.code == code)
        assert message not in said, f"{what} reads like {said.get(message)}"
        said[message] = what


def test_no_remark_says_any_more_that_a_key_has_no_effect() -> None:
    raw = definition(
        {"b": {**LOOP["a"], "if": []}, "s": {**FORBIDDEN, "if": ["b"], "variable": False}},
        hints=["SCALE_NODES"], variables={"V": ACCOUNT}, identity={"username": "me"}, scale_max=4,
        command={"noconnect": True, "verboseinit": True, "cmdscript": "echo", "mpirun": True, "variables": {"W": ACCOUNT},
                 "hints": ["VAULT:x"], "path": "/opt/x", "publicip": True},
    )  # fmt: skip
    assert [f.message for f in read_appdef(json.dumps(raw)).findings if f.code in ("not-yet", "no-effect")] == []
