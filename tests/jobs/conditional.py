"""Definitions whose parameters depend on each other: one to look at, and generated ones."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.jobs.gallery import GALLERY, parameter

# Chains, both ways, a required field behind a switch, and a switch that another switch hides.
MESH: dict[str, Any] = {
    **GALLERY,
    "name": "Wing flow",
    "commands": {
        "run": {
            "path": "/bin/echo",
            "name": "Run",
            "description": "Runs it.",
            "parameters": {
                "-case": parameter("STR", "Case", required=True, positional=False, value="wing"),
                "-mesh": parameter("BOOL", "Make a mesh", required=True, positional=False, value=False),
                "-cells": parameter(
                    "INT", "Cells", required=True, positional=False, min=1, max=100, **{"if": ["-mesh"]}
                ),
                "-refine": parameter("BOOL", "Refine", positional=False, value=True, **{"if": ["-mesh"]}),
                "-levels": parameter(
                    "RANGE", "Levels", positional=False, min=1, max=5, step=1, value=2, **{"if": ["-refine"]}
                ),
                "-old": parameter("STR", "Earlier mesh", required=True, positional=False, ifnot=["-mesh"]),
            },
        }
    },
}
NAMES = ("-a", "b c", 'd"e', "<f>", "g'h", "\u00fc", "-i,j", "k\\l", "100%", "m&n")


@st.composite
def commands(draw: st.DrawFn) -> dict[str, Any]:
    """A command of switches and required texts that depend on switches before or after them, without circles."""
    keys = draw(st.permutations(NAMES))
    flags, texts = keys[:5], keys[5:]
    order = draw(st.permutations(flags))
    found: dict[str, Any] = {}
    for key in draw(st.permutations(keys)):
        # A switch depends only on those before it in `order`, so that nothing waits for itself.
        before = order[: order.index(key)] if key in flags else order
        names = st.lists(st.sampled_from(before), max_size=2, unique=True) if before else st.just([])
        conditions = {way: chosen for way in ("if", "ifnot") if (chosen := draw(names))}
        if key in texts:
            found[key] = parameter("STR", f"Text {key}", required=True, positional=False, **conditions)
        else:
            found[key] = parameter("BOOL", f"Switch {key}", positional=False, value=draw(st.booleans()), **conditions)
    return {"path": "/bin/echo", "name": "Go", "description": "", "parameters": found}


def definition(drawn: list[dict[str, Any]]) -> dict[str, Any]:
    return {**GALLERY, "commands": {f"c{number}": command for number, command in enumerate(drawn)}}


def switches(command: dict[str, Any]) -> list[str]:
    return [key for key, one in command["parameters"].items() if one["type"] == "BOOL"]
