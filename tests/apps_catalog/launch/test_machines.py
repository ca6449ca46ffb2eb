"""Machine globs: lazy, with classes, over the names and aliases of a machine type."""

from __future__ import annotations

import pytest

from apps_catalog.launch.machines import fits, unmatched_globs
from apps_catalog.launch.spec import Launch, Submission
from apps_catalog.launch.validate import validate
from tests.apps_catalog.launch.generate import definition, read


@pytest.mark.parametrize(
    ("glob", "taken", "refused"),
    [
        ("n3", ["n3"], ["n30", "N3", "xn3"]),
        ("n[0-9]*", ["n0", "n10", "n3x"], ["ng1", "n"]),
        ("ng*[3-9]", ["ng3", "ng14"], ["ng2", "ng"]),
        ("n[!0-1]", ["n2", "nx"], ["n0", "n1"]),
        ("n[^0-1]", ["n2"], ["n0", "n1"]),
        ("n?", ["n3"], ["n", "n30"]),
        ("*", ["n3", "anything"], []),
        ("n[", ["n["], ["n"]),
    ],
)
def test_a_glob_takes_names_as_a_shell_does(glob: str, taken: list[str], refused: list[str]) -> None:
    assert [name for name in (*taken, *refused) if fits([glob], [name])] == taken


def test_an_alias_serves_where_the_name_does_not_match() -> None:
    spec = read(definition(machines=["n[0-9]*"]))
    assert isinstance(validate(spec, Submission("go", {}, "small", machine_aliases=("n3", "ng4"))), Launch)
    refused = validate(spec, Submission("go", {}, "small", machine_aliases=("ng4",)))
    assert isinstance(refused, list)
    assert [fault.code for fault in refused] == ["machine"]


def test_globs_that_match_nothing_are_told_in_order_and_once() -> None:
    spec = read(definition(machines=["n*", "ng[3-9]"], command={"machines": ["x86_*", "n3", "x86_*"]}))
    assert unmatched_globs(spec, ["n1", "ng9", "n3"]) == ("x86_*",)
    assert unmatched_globs(spec, []) == ("x86_*", "n3"), "the app's are overridden by every command"
    assert unmatched_globs(read(definition(machines=["n*", "q"])), ["n1"]) == ("q",)
    assert read(definition(machines=["n*"])).machines == ("n*",), "globs are kept as written"
