"""For whatever anybody writes: the reader answers, words are kept to the byte, plans come back equal."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.environment import job_environment
from apps_catalog.launch.parameters import UnfitError, read_parameter
from apps_catalog.launch.plan import plan
from apps_catalog.launch.positions import find_positions, join
from apps_catalog.launch.reading import Notes
from apps_catalog.launch.schema import command_schema, hints
from apps_catalog.launch.spec import Launch, RunPlan, Submission
from apps_catalog.launch.validate import validate
from tests.apps_catalog.launch.generate import (
    appdefs,
    definition,
    fill,
    launch,
    machine_of,
    read,
    site,
    texts,
    vault_paths,
)

pytestmark = pytest.mark.slow

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = ["value", "values", "mvalues", "min", "max", "step", "precision", "filter", "target", "size", "positional",
        "required", "variable", "if", "ifnot", "name", "description", "vaules"]  # fmt: skip
TYPES = ["CONST", "STR", "INT", "RANGE", "FLOAT", "BOOL", "selection", "FILE", "UPLOAD"]
parameters = st.dictionaries(st.sampled_from(KEYS), anything, max_size=6).flatmap(
    lambda own: st.sampled_from(TYPES).map(lambda kind: {"type": kind, **own})
)
TOP = ["name", "description", "author", "licensed", "classifications", "machines", "vault-types", "scale_max", "hints",
       "variables", "identity", "image", "walltime", "appdefversion", "other"]  # fmt: skip
COMMAND = ["path", "name", "interactive", "ports", "machines", "variables", "scale_max", "hints", "walltime", "url",
           "cmdscript", "mpirun", "other"]  # fmt: skip
odd_definitions = st.fixed_dictionaries(
    {
        "commands": st.dictionaries(
            st.text(max_size=5),
            st.fixed_dictionaries(
                {"parameters": st.dictionaries(st.text(max_size=5), parameters | anything, max_size=3) | anything},
                optional=dict.fromkeys(COMMAND, anything),
            ),
            max_size=2,
        )
    },
    optional=dict.fromkeys(TOP, anything),
)


@given(st.binary())
def test_any_bytes_get_an_answer(raw: bytes) -> None:
    reading = read_appdef(raw)
    assert reading.ok == (not any(finding.level == "error" for finding in reading.findings))


@given(st.text(alphabet='{}[]:,"\\ \n0123456789eE+-.truefalsn\ud800\0x'))
def test_any_text_like_json_gets_an_answer(raw: str) -> None:
    for finding in read_appdef(raw).findings:
        finding.message.encode()


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(odd_definitions, anything, st.text(max_size=3))
def test_odd_definitions_are_read_or_refused_and_submissions_judged(raw: Any, value: Any, machine: str) -> None:
    reading = read_appdef(json.dumps(raw))
    for finding in reading.findings:
        finding.message.encode()
        assert finding.line is not None or finding.code == "not-json" or finding.code == "more"
    if reading.spec is None:
        assert any(finding.level == "error" for finding in reading.findings)
        return
    for key, command in reading.spec.commands.items():
        Draft202012Validator.check_schema(command_schema(command))
        hints(command)
        result = validate(reading.spec, Submission(key, dict.fromkeys(command.parameters, value), machine))
        if isinstance(result, Launch):
            plan(result, site()).digest  # noqa: B018 - that it can be computed is the point
        else:
            assert result
            for fault in result:
                (fault.pointer + fault.message).encode()


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(appdefs())
def test_valid_definitions_are_planned_and_plans_come_back_equal(raw: Any) -> None:
    spec = read(raw)
    for key, command in spec.commands.items():
        Draft202012Validator.check_schema(command_schema(command))
        for values in (fill(command), fill(command, optional=True)):
            made = launch(spec, values, key, machine=machine_of(spec, command))
            again = launch(spec, json.loads(json.dumps(made.values)), key, machine=made.machine)
            first, second = plan(made, site()), plan(again, site())
            assert first == second == RunPlan.from_json(json.loads(json.dumps(first.as_json())))
            assert first.digest == second.digest


@given(texts.filter(bool), st.booleans())
def test_a_text_is_passed_to_the_byte(value: str, positional: bool) -> None:
    own = {"name": "", "description": "", "type": "STR", "value": "", "required": True, "positional": positional}
    made = plan(launch(read(definition({"--key": own})), {"--key": value}), site())
    assert made.argv == (("/bin/go", value) if positional else ("/bin/go", "--key", value))


@given(vault_paths)
def test_a_path_stays_inside_the_vault(path: str) -> None:
    own = {"name": "", "description": "", "type": "FILE", "required": True, "positional": True}
    spec = read(definition({"f": own}))
    made = launch(spec, {"f": path})
    assert plan(made, site()).argv == ("/bin/go", f"/data/{path}")
    assert launch(spec, {"f": f"/data/{path}"}) == made


@given(parameters, anything)
def test_a_clean_value_is_clean_and_its_words_are_read_as_the_same_value(own: Any, value: Any) -> None:
    parameter = read_parameter("-p", own, "", Notes())
    if parameter is None or parameter.fixed or parameter.kind == "UPLOAD":
        return
    typed = parameter.coerce(value)
    try:
        clean = parameter.clean(typed)
    except UnfitError:
        return
    except (TypeError, AttributeError):
        assert list(Draft202012Validator(parameter.value_schema()).iter_errors(typed)), "the schema let it through"
        return
    if list(Draft202012Validator(parameter.value_schema()).iter_errors(typed)):
        return
    assert parameter.clean(clean) == clean
    if parameter.kind not in ("BOOL", "selection"):
        assert parameter.clean(parameter.coerce(parameter.text(clean))) == clean


@settings(max_examples=40, deadline=None)
@given(st.lists(texts, min_size=1, max_size=30))
def test_shells_give_back_whatever_jobenv_holds(values: list[str]) -> None:
    variables = {f"V{number}": value for number, value in enumerate(values)}
    printed = "printf '%s\\0' " + " ".join(f'"${name}"' for name in variables)
    script = job_environment(variables) + printed
    for shell in ("sh", "dash", "bash"):
        done = subprocess.run([shell, "-s"], input=script.encode(), capture_output=True, check=True)
        assert done.stdout.decode().split("\0")[:-1] == values


@given(anything)
def test_positions_name_every_value_of_a_text(value: Any) -> None:
    text = json.dumps(value, indent=1)
    positions = find_positions(text)
    todo: list[tuple[str, Any]] = [("", value)]
    while todo:
        pointer, node = todo.pop()
        assert json.dumps(json.JSONDecoder().raw_decode(text, positions.offsets[pointer])[0]) == json.dumps(node)
        if isinstance(node, dict):
            todo += [(join(pointer, key), child) for key, child in node.items()]
        elif isinstance(node, list):
            todo += [(join(pointer, index), child) for index, child in enumerate(node)]
