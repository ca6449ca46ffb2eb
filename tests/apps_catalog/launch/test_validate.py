"""One judge for every door: all faults at once, with pointers, in plain words."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from apps_catalog.launch.spec import Launch, Submission
from apps_catalog.launch.validate import PREPARED, validate
from tests.apps_catalog.launch.generate import definition, launch, read
from tests.apps_catalog.launch.judged import judged

GENERIC = {"name": "", "description": "", "positional": True}
PARAMETERS = {
    "a/b~c": {**GENERIC, "type": "INT", "value": 1, "min": 1, "max": 9, "required": True},
    "text": {**GENERIC, "type": "STR", "value": "", "required": True},
    "more": {**GENERIC, "type": "STR", "value": "usual", "required": False},
    "fixed": {**GENERIC, "type": "CONST", "value": "as it is"},
    "pick": {**GENERIC, "type": "selection", "values": ["x", "y"], "required": False},
}
SPEC = read(definition(PARAMETERS, machines=["n[0-9]*", "gpu?"], scale_max=4))


def test_all_faults_come_at_once_in_the_authors_order() -> None:
    given = {"nothing": 1, "pick": "z", "a/b~c": 10, "txet": "x", "fixed": "other"}
    faults = judged(SPEC, given, machine="big", nodes=9, label="\0", walltime_s=0)
    assert [(fault.pointer, fault.code) for fault in faults] == [
        ("/parameters/a~1b~0c", "maximum"),
        ("/parameters/text", "required"),
        ("/parameters/fixed", "fixed"),
        ("/parameters/pick", "enum"),
        ("/parameters/nothing", "unknown-parameter"),
        ("/parameters/txet", "unknown-parameter"),
        ("/machine", "machine"),
        ("/nodes", "maximum"),
        ("/label", "text"),
        ("/walltime_s", "range"),
    ]
    assert "Did you mean text?" in next(fault.message for fault in faults if fault.pointer == "/parameters/txet")


def test_absent_is_the_default_and_blank_is_nothing() -> None:
    assert launch(SPEC, {"text": "t"}).values == {"a/b~c": 1, "text": "t", "more": "usual", "pick": "x"}
    blank = launch(SPEC, {"text": "t", "more": "", "pick": None})
    assert blank.values == {"a/b~c": 1, "text": "t", "more": "", "pick": ""}
    assert launch(SPEC, dict(blank.values)) == blank


def test_a_constant_repeated_unchanged_is_taken() -> None:
    assert isinstance(launch(SPEC, {"text": "t", "fixed": "as it is"}), Launch)


def test_an_unknown_command_names_the_likely_one() -> None:
    (fault,) = judged(SPEC, {}, command="goo")
    assert (fault.pointer, fault.code) == ("/command", "unknown-command")
    assert "Did you mean go?" in fault.message


@pytest.mark.parametrize("given", [None, [], "x", 5])
def test_parameters_that_are_no_object_are_one_fault(given: Any) -> None:
    (fault,) = judged(SPEC, given)
    assert (fault.pointer, fault.code) == ("/parameters", "type")


@pytest.mark.parametrize(
    ("machine", "allowed"),
    [("n1", True), ("n10", True), ("gpu1", True), ("N1", False), ("n1" * 500, False), ("nx", False), ("gpu", False)],
)
def test_the_machine_must_match_one_of_the_globs(machine: str, allowed: bool) -> None:
    result = validate(SPEC, Submission("go", {"text": "t"}, machine))
    assert isinstance(result, Launch) == allowed
    if isinstance(result, list):
        assert [fault.pointer for fault in result] == ["/machine"]
        assert "n[0-9]*, gpu?" in result[0].message


@pytest.mark.parametrize("glob", ["[z-a]*", "[", "[]", "***********a", "[!", "(", "<machine>"])
def test_odd_globs_match_or_not_but_never_fail(glob: str) -> None:
    assert isinstance(validate(read(definition(machines=[glob])), Submission("go", {}, "n" * 200)), (Launch, list))


@pytest.mark.parametrize("over", [{"nodes": True}, {"nodes": "2"}, {"nodes": 0}, {"label": 5}, {"walltime_s": "1"}])
def test_settings_of_a_wrong_type_are_faults(over: dict[str, Any]) -> None:
    assert [fault.pointer for fault in judged(SPEC, {"text": "t"}, **over)] == [f"/{next(iter(over))}"]


def test_hostile_keys_and_values_are_faults_not_failures() -> None:
    given: Any = {"\ud800": 1, 5: 2, "text": {"a": [1]}, **{f"k{n}": n for n in range(1000)}}
    faults = judged(SPEC, given)
    assert len(faults) < 30
    for fault in faults:
        (fault.pointer + fault.message).encode()


def test_words_that_no_program_can_be_given_are_refused_together() -> None:
    many = {f"p{n}": {**GENERIC, "type": "STR", "value": "", "required": True} for n in range(20)}
    (fault,) = judged(read(definition(many)), dict.fromkeys(many, "x" * 100000))
    assert (fault.pointer, fault.code) == ("/parameters", "too-long")


def test_a_changed_command_is_judged_anew_though_the_digest_is_the_same() -> None:
    spec = read(definition({"p": {**GENERIC, "type": "INT", "value": 1, "min": 0, "max": 9, "required": True}}))
    assert judged(spec, {"p": 10})
    command = spec.commands["go"]
    wider = replace(command.parameters["p"], maximum=99)  # type: ignore[call-arg]
    overlaid = replace(spec, commands={"go": replace(command, parameters={"p": wider})})
    assert isinstance(validate(overlaid, Submission("go", {"p": 10}, "n1")), Launch)


def test_prepared_validators_are_bounded() -> None:
    for number in range(PREPARED.room + 5):
        launch(read(definition(name=f"App {number}")), {})
    assert len(PREPARED.kept) == PREPARED.room


def test_229_parameters_are_judged_within_15_ms() -> None:
    own: list[dict[str, Any]] = [
        {"type": "INT", "min": 0, "max": 9, "value": 1},
        {"type": "STR", "value": "a"},
        {"type": "FLOAT", "min": 0, "max": 9, "precision": 2, "value": 1.5},
        {"type": "selection", "values": ["a", "b", "c"]},
        {"type": "BOOL", "value": True},
    ]
    spec = read(definition({f"p{n}": {**GENERIC, "required": True, **own[n % 5]} for n in range(229)}))
    given = {key: parameter.default for key, parameter in spec.commands["go"].parameters.items()}
    times: list[float] = []
    for _ in range(7):
        start = time.perf_counter()
        launch(spec, given)
        times.append(time.perf_counter() - start)
    assert sorted(times)[3] < 0.015
