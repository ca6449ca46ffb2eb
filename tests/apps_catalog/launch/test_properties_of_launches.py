"""For whatever authors and people write: who is present, what shells make of a job's files, and that plans keep equal."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from apps_catalog.launch.binding import bind
from apps_catalog.launch.conditions import present
from apps_catalog.launch.jobfiles import START
from apps_catalog.launch.parameters import Flag
from apps_catalog.launch.plan import plan
from apps_catalog.launch.schema import command_schema
from apps_catalog.launch.spec import Command, Launch, RunPlan, Submission
from apps_catalog.launch.validate import validate
from tests.apps_catalog.launch.generate import (
    appdefs,
    conditional_appdefs,
    conditional_values,
    definition,
    fill,
    launch,
    machine_of,
    read,
    site,
    texts,
)
from tests.apps_catalog.launch.started import JOB, SHELLS, sourced, words

pytestmark = pytest.mark.slow

# A text of a person's that no author wrote: a script that holds one of these signs has read it.
SIGN = "\u03a9"
typed = texts.map(lambda text: f"{SIGN}{text}{SIGN}")
nasty = st.one_of(typed, st.sampled_from([f"{SIGN}$(id)", f"`id`{SIGN}", f"{SIGN}'\"\\", f"%JOBNAME%{SIGN}%APIKEY%"]))


def is_there(command: Command, key: str, values: dict[str, Any]) -> bool:
    """Rule 13, said naively."""

    def is_on(name: str) -> bool:
        parameter = command.parameters[name]
        return is_there(command, name, values) and values.get(name, parameter.default) is True

    parameter = command.parameters[key]
    flags = {name for name, one in command.parameters.items() if isinstance(one, Flag)}
    return all(is_on(n) for n in parameter.if_ if n in flags) and not any(
        is_on(n) for n in parameter.ifnot if n in flags
    )


@given(conditional_appdefs(), conditional_values)
def test_present_agrees_with_the_rule_said_naively(raw: Any, values: dict[str, Any]) -> None:
    command = read(raw).commands["go"]
    assert present(command, values) == {key for key in command.parameters if is_there(command, key, values)}


@settings(max_examples=300)
@given(conditional_appdefs(), conditional_values)
def test_judge_schema_and_plan_agree_on_what_is_hidden(raw: Any, values: dict[str, Any]) -> None:
    spec = read(raw)
    command = spec.commands["go"]
    sent = {key: value for key, value in values.items() if key in command.parameters}
    if any(
        value == "" or (isinstance(value, int) and command.parameters[key].kind == "STR") for key, value in sent.items()
    ):
        return  # a blank and a number for a text are taken more leniently than the schema says
    sent = {key: value for key, value in sent.items() if not command.parameters[key].fixed}
    judged = validate(spec, Submission("go", sent, "n1"))
    assert Draft202012Validator(command_schema(command)).is_valid(sent) == isinstance(judged, Launch)
    if not isinstance(judged, Launch):
        return
    there = present(command, sent)
    assert set(judged.values) <= there
    assert present(command, judged.values) == there
    assert launch(spec, dict(judged.values)) == judged
    planned = plan(judged, site())
    bools = {key for key, one in command.parameters.items() if isinstance(one, Flag) and not one.variable}
    assert {word for word in planned.argv if word in bools} <= there
    assert {one.name for one in planned.variables} <= there


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(appdefs(), conditional_appdefs()), nasty)
def test_equal_submissions_have_equal_plans_and_digests(raw: Any, label: str) -> None:
    spec = read(raw)
    for key, command in spec.commands.items():
        made = launch(spec, fill(command, optional=True), key, machine=machine_of(spec, command), label=label)
        again = launch(spec, json.loads(json.dumps(made.values)), key, machine=made.machine, label=label)
        for place in (site(trusted=True), site(trusted=False)):
            planned = plan(made, place)
            stored = RunPlan.from_json(json.loads(json.dumps(planned.as_json())))
            assert stored == planned == plan(again, place)
            assert stored.digest == plan(again, place).digest
            bound = bind(planned, JOB)
            assert bind(stored, JOB) == bound == RunPlan.from_json(bound.as_json())
            assert JOB.api_key not in json.dumps(planned.as_json())


def with_expansion(values: list[str], label: str) -> RunPlan:
    """A plan that starts by the script: typed words on all sides of an expanded one, and a label in another."""
    generic = {"name": "", "description": "", "required": True}
    parameters: dict[str, Any] = {
        f"s{n}": {**generic, "type": "STR", "value": "", "positional": n % 2 == 0, "variable": n % 5 == 4}
        for n in range(len(values))
    }
    parameters["c"] = {**generic, "type": "CONST", "value": "$(echo out) s4=$(s4)"}
    parameters["label"] = {**generic, "type": "CONST", "value": "$(echo a) %JOBLABEL%|%JOBNAME%"}
    spec = read(definition(parameters))
    return plan(launch(spec, {f"s{n}": value for n, value in enumerate(values)}, label=label), site())


@given(st.lists(nasty, min_size=1, max_size=14), nasty)
def test_nothing_that_people_type_is_in_the_start_script(values: list[str], label: str) -> None:
    bound = bind(with_expansion(values, label), JOB)
    script = next(file.text for file in bound.files if file.path == START)
    assert SIGN not in script
    assert script.isascii()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(nasty, min_size=5, max_size=14), nasty)
def test_each_shell_gives_exactly_the_words_of_the_plan(values: list[str], label: str) -> None:
    planned = with_expansion(values, label)
    bound = bind(planned, JOB)
    expected = [word for index, word in enumerate(planned.argv) if index not in planned.expanded]
    for shell in SHELLS:
        with tempfile.TemporaryDirectory() as folder:
            found = words(bound, shell, Path(folder))
        assert [word for index, word in enumerate(found) if index not in planned.expanded] == expected
        first, second = planned.expanded
        assert found[first] == f"out s4={values[4]}"
        assert found[second] == f"a {label.strip()}|{JOB.name}"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(texts.filter(lambda text: not set("$`\\%") & set(text)), texts.filter(lambda text: not set("$`\\%") & set(text)))
@example("S\x80", "")
@example("a\x80\nS\x80", "\r")
def test_around_what_is_expanded_every_sign_of_the_authors_is_kept(before: str, after: str) -> None:
    generic = {"name": "", "description": "", "required": True, "positional": True}
    spec = read(definition({"c": {**generic, "type": "CONST", "value": f"{before}$(echo '  x')\"`echo y`{after}"}}))
    bound = bind(plan(launch(spec, {}), site()), JOB)
    for shell in SHELLS:
        with tempfile.TemporaryDirectory() as folder:
            assert words(bound, shell, Path(folder)) == ["/bin/go", f'{before}  x"y{after}']


names_of_hosts = st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True)


@settings(max_examples=15, deadline=None)
@given(texts, texts.filter(bool), texts, names_of_hosts)
def test_sourced_the_jobs_files_give_exactly_the_values(label: str, name: str, account: str, host: str) -> None:
    variable = {"name": "", "description": "", "userowned": False, "inherit": False}
    spec = read(definition(variables={"LICENCE": variable}))
    planned = plan(launch(spec, {}, label=label), site(account=frozenset({"LICENCE"})))
    job = replace(JOB, name=name, private_ip=host, public_ip=account, account={"LICENCE": account})
    files = {file.path: file.text for file in bind(planned, job).files}
    for shell in SHELLS:
        found = sourced(
            files["/etc/JARVICE/jobinfo.sh"], ["JOB_NAME", "JOB_LABEL", "JOB_PRIVATEIP", "JOB_PUBLICIP"], shell
        )
        assert found == [name, label.strip(), host, account]
        assert sourced(files["/etc/JARVICE/jobenv.sh"], ["LICENCE"], shell) == [account]
