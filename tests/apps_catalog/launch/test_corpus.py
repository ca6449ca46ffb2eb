"""Every real definition imports, shows a form and can be planned; every broken one is refused at its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.plan import DESKTOP_START, plan
from apps_catalog.launch.schema import command_schema, hints
from apps_catalog.launch.spec import RunPlan
from tests.apps_catalog.launch.corpus import FILES, needs_corpus
from tests.apps_catalog.launch.generate import fill, launch, machine_of, site


def is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return False
    return True


VALID = [path for path in FILES if is_json(path)]
BROKEN = [path for path in FILES if path not in VALID]
pytestmark = needs_corpus


def names(path: Any) -> str:
    return str(path.stem) if isinstance(path, Path) else "none"


@pytest.mark.parametrize("path", VALID, ids=names)
def test_valid_definition_is_imported_shown_and_planned(path: Path) -> None:
    reading = read_appdef(path.read_bytes())
    assert [f for f in reading.findings if f.level == "error"] == []
    spec = reading.spec
    assert spec is not None
    assert list(spec.commands) == list(json.loads(path.read_bytes())["commands"])
    for key, command in spec.commands.items():
        schema = command_schema(command)
        Draft202012Validator.check_schema(schema)
        assert [hint.key for hint in hints(command)] == list(schema["properties"])
        for values in (fill(command), fill(command, optional=True)):
            made = launch(spec, values, key, machine=machine_of(spec, command))
            assert launch(spec, dict(made.values), key, machine=made.machine) == made
            made_plan = plan(made, site())
            start = made_plan.argv[:1] == (DESKTOP_START,) != command.path[:1]
            program = made_plan.argv[5 * command.mpirun + start :]
            assert program[: len(command.path)] == command.path
            assert RunPlan.from_json(made_plan.as_json()) == made_plan


@pytest.mark.parametrize("path", BROKEN, ids=names)
def test_broken_definition_is_refused_with_line_and_column(path: Path) -> None:
    reading = read_appdef(path.read_bytes())
    assert reading.spec is None
    (finding,) = reading.findings
    with pytest.raises(json.JSONDecodeError) as expected:
        json.loads(path.read_text())
    assert (finding.line, finding.column) == (expected.value.lineno, expected.value.colno)
    assert f"Line {finding.line}, column {finding.column}" in finding.message
