"""A definition with every parameter type and with names that forms trip over, and what a browser posts of its form."""

from __future__ import annotations

import json
from typing import Any

from django.http import QueryDict

from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.spec import LaunchSpec
from jobs.forms.inputs import inputs_of
from jobs.forms.widgets import widget_of

SECOND = {"path": "/bin/true", "name": "Other \U0001f680", "description": "Asks for one thing.", "machines": ["g*"]}


def parameter(kind: str, name: str, **over: Any) -> dict[str, Any]:
    generic = {"type": kind, "name": name, "description": f"About {name}.", "required": False, "positional": True}
    return generic | over


GALLERY: dict[str, Any] = {
    "name": "Gallery <b>&\"'",
    "description": "Everything at once.",
    "author": "Slipway",
    "licensed": True,
    "appdefversion": 2,
    "classifications": ["Tests"],
    "machines": ["n*", "g*"],
    "vault-types": ["FILE", "NONE"],
    "commands": {
        "all": {
            "path": "/bin/echo",
            "name": "All types",
            "description": "Every parameter type.",
            "parameters": {
                "-case": parameter("STR", "Case name", required=True, positional=False, value=""),
                'a "key" <i>': parameter("STR", "Quotes \" ' <script>alert(1)</script>", value="x"),
                "\u05e9\u05dc\u05d5\u05dd": parameter(
                    "STR", "\u05e9\u05dd \u05d4\u05e4\u05e8\u05d5\u05d9\u05e7\u05d8", value="\u05e2\u05e8\u05da"
                ),
                "\U0001f680 speed": parameter("INT", "Speed \U0001f680", value=3, min=1, max=9),
                "notes": parameter("STR", "Notes", value="one\ntwo"),
                "darts": parameter("RANGE", "Darts", required=True, min=5, max=25, step=10, value=15),
                "ratio": parameter("FLOAT", "Ratio", min=0, max=1, precision=2, value=0.5),
                "-v": parameter("BOOL", "Verbose", positional=False, value=True),
                "-q": parameter("BOOL", "Quiet", positional=False, value=False),
                "few": parameter("selection", "Few", values=["red", "green", "green"], mvalues=["r", "g1", "g2"]),
                "some": parameter("selection", "Some", values=[f"choice {n}" for n in range(6)]),
                "many": parameter("selection", "Many", values=[f"entry {n}" for n in range(40)]),
                "input": parameter("FILE", "Input", filter="*.csv|*.txt"),
                "-key": parameter("UPLOAD", "Key file", target="in/key.json", filter=".json", size=2048),
                "fixed": parameter("CONST", "Fixed", value="never shown"),
            },
        },
        "other": {**SECOND, "parameters": {"darts": parameter("INT", "Darts", value=7, min=1, max=99)}},
    },
}


def large(count: int) -> dict[str, Any]:
    """The gallery's first command with this many parameters of all types."""
    shapes = [
        one for one in GALLERY["commands"]["all"]["parameters"].values() if one["type"] not in ("UPLOAD", "CONST")
    ]
    parameters = {
        f"-p{number}": {**shapes[number % len(shapes)], "name": f"Parameter {number}", "required": False}
        for number in range(count)
    }
    command = {**GALLERY["commands"]["all"], "parameters": parameters}
    return {**GALLERY, "commands": {"all": command}}


def spec_of(definition: dict[str, Any]) -> LaunchSpec:
    reading = read_appdef(json.dumps(definition))
    assert reading.spec is not None, reading.findings
    return reading.spec


SPEC = spec_of(GALLERY)
INPUTS = {asked.key: asked for asked in inputs_of(SPEC.commands["all"])}


def posted(**over: str) -> QueryDict:
    """What a browser posts for the untouched form of the gallery, with changes; None takes a field out."""
    query = QueryDict(mutable=True)
    query["command"] = "all"
    for key, asked in INPUTS.items():
        widget = widget_of(asked)
        text = widget.shown(asked, asked.default)
        if widget.name != "switch" or text:
            query[f"p:{key}"] = text
    for name, value in over.items():
        query[name] = value
    return query
