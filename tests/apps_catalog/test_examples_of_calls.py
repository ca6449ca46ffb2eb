"""The example calls on an app's page: what they send is taken by the judge of every door, as far as values can be guessed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.examples import example_machine, example_values
from apps_catalog.launch.spec import Submission
from apps_catalog.launch.validate import validate
from tests.apps_catalog.drafts import appdef

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "appdefs"
REAL = [path for path in sorted(FOLDER.glob("*.json")) if read_appdef(path.read_bytes()).ok]


@pytest.mark.parametrize(
    ("glob", "name"),
    [
        ("n4", "n4"),
        ("n*", "n1"),
        ("*", "n1"),
        ("n[2-9]*", "n2"),
        ("n[!0]*", "n1"),
        ("ng?", "ng1"),
        ("mc2-eu1-0[12]", "mc2-eu1-01"),
        ("<b>", "n1"),
    ],
)
def test_a_machine_is_guessed_from_the_globs(glob: str, name: str) -> None:
    spec = read_appdef(json.dumps(appdef(machines=[glob]))).spec
    assert spec is not None
    assert example_machine(spec, spec.commands["say"]) == name


@pytest.mark.skipif(not REAL, reason="the corpus of real AppDefs is not beside this checkout")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_real_apps_take_their_example(path: Path) -> None:
    spec = read_appdef(path.read_bytes()).spec
    assert spec is not None
    for command in spec.commands.values():
        submission = Submission(
            command=command.key, parameters=example_values(command), machine=example_machine(spec, command)
        )
        verdict = validate(spec, submission)
        if isinstance(verdict, list):
            assert {fault.pointer for fault in verdict} <= {"/machine"}, verdict
