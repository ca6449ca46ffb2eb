"""Hints: what the form suggests first, and what is said of those that are unknown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.hints import Wishes, wishes
from tests.apps_catalog.launch.generate import definition, read


def wished(app: Any = None, command: Any = None) -> Wishes:
    over = {} if command is None else {"command": {"hints": command}}
    spec = read(definition(**over, **({} if app is None else {"hints": app})))
    return wishes(spec, spec.commands["go"])


@pytest.mark.parametrize(
    ("app", "command", "expected"),
    [
        (None, None, Wishes("cores", None)),
        (["SCALE_NODES"], None, Wishes("nodes", None)),
        (["SCALE_NODES", "VAULT:projects"], None, Wishes("nodes", "projects")),
        (["SCALE_NODES"], ["SCALE_CORES"], Wishes("cores", None)),
        (["SCALE_NODES", "VAULT:a"], ["VAULT: team files "], Wishes("cores", "team files")),
        (["VAULT:a"], [], Wishes("cores", None)),
        (["scale_nodes", "vault:a", "VAULT:"], None, Wishes("nodes", "a")),
        ("SCALE_NODES", None, Wishes("nodes", None)),
    ],
)
def test_a_commands_hints_go_before_the_apps(app: Any, command: Any, expected: Wishes) -> None:
    assert wished(app, command) == expected


def test_an_unknown_hint_is_kept_and_said_with_what_may_be_meant() -> None:
    raw = definition(hints=["SCALE_NODE", "GPU_FIRST", "VAULT:x", "VAULT"], command={"hints": ["x" * 500_000]})
    found = [finding for finding in read_appdef(json.dumps(raw)).findings if finding.code == "unknown-hint"]
    assert {finding.level for finding in found} == {"info"}
    assert [finding.pointer for finding in found] == ["/commands/go/hints", "/hints", "/hints", "/hints"]
    assert "Did you mean SCALE_NODES?" in found[1].message
    assert "Did you mean" not in found[2].message
    assert "Did you mean VAULT:name?" in found[3].message
    assert all(len(finding.message) < 300 for finding in found)
    assert read(raw).hints == ("SCALE_NODE", "GPU_FIRST", "VAULT:x", "VAULT")
