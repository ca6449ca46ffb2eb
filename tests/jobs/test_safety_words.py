"""S1, S2: what people and authors type arrives in the container byte for byte, on the command line and in jobenv.sh."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps_catalog.launch.binding import JobValues, bind
from apps_catalog.launch.environment import job_environment
from apps_catalog.launch.jobfiles import JOBENV, START
from apps_catalog.launch.plan import plan
from apps_catalog.launch.spec import Fault, RunPlan, Submission
from apps_catalog.launch.validate import validate
from jobs.runtimes.base import ContainerSpec, Exited, Mount, Tmpfs
from jobs.runtimes.docker import DockerRuntime
from tests.apps_catalog.launch.generate import definition, launch, names, read, site, texts, vault_paths

pytestmark = pytest.mark.docker
LABEL = "slipway.test"
DUMP = "import json, os, sys; print(json.dumps([os.fsencode(word).hex() for word in sys.argv[1:]]))"
NASTY = ("'", '"', "$(id)", "`id`", "a\nb", "-rf", "--", "*", "\\", "%s", "\u202eabc", "🚢", "; reboot", "\x7f\x01\t")
words = st.one_of(st.sampled_from(NASTY), texts).filter(bool)


@st.composite
def launches(draw: st.DrawFn) -> tuple[list[str], tuple[str, ...]]:
    """The words that must arrive, and those of the plan: one of each parameter type, with odd texts everywhere."""
    fixed, typed, label, chosen, path = draw(words), draw(words), draw(names), draw(words), draw(vault_paths)
    whole, even, flag = draw(st.integers(-5, 5)), draw(st.integers(0, 5)) * 2, draw(st.booleans())
    same: dict[str, Any] = {"name": "n", "description": "d", "required": True}
    spec = read(
        definition(
            {
                "-const": {**same, "type": "CONST", "value": fixed, "positional": False},
                "-str": {**same, "type": "STR", "positional": False},
                "-int": {**same, "type": "INT", "min": -5, "max": 5, "positional": False},
                "-range": {**same, "type": "RANGE", "min": 0, "max": 10, "step": 2, "positional": False, "value": 0},
                "-float": {**same, "type": "FLOAT", "min": -9, "max": 9, "precision": 2, "positional": False},
                "-bool": {**same, "type": "BOOL", "positional": False, "required": False},
                "-choice": {
                    **same,
                    "type": "selection",
                    "values": [label],
                    "mvalues": [chosen],
                    "positional": False,
                    "value": label,
                },
                "text": {**same, "type": "STR", "positional": True},
                "file": {**same, "type": "FILE", "positional": True},
            }
        )
    )
    values = {
        "-str": typed,
        "-int": whole,
        "-range": even,
        "-float": 1.239,
        "-bool": flag,
        "-choice": label,
        "text": typed,
        "file": path,
    }
    expected = ["/bin/go", "-const", fixed, "-str", typed, "-int", str(whole), "-range", str(even), "-float", "1.23"]
    expected += [*(["-bool"] if flag else []), "-choice", chosen, typed, f"/data/{path}"]
    return expected, plan(launch(spec, values), site()).argv


@pytest.fixture(scope="module")
def runtime() -> Iterator[DockerRuntime]:
    made = DockerRuntime()
    yield made
    for handle in made.owned(LABEL, "words"):
        made.remove(handle)
    made.close()


def printed(runtime: DockerRuntime, *argv: str, mounts: tuple[Mount, ...] = ()) -> Any:
    spec = ContainerSpec(
        f"words-{uuid.uuid4().hex}",
        "slipway-python:bookworm",
        argv,
        {},
        505,
        505,
        "/tmp",
        mounts=mounts,
        tmpfs=(Tmpfs("/tmp", 8),),
        memory_mib=96,
        labels={LABEL: "words"},
    )
    handle = runtime.start(spec)
    end = runtime.wait(handle)
    output = b"".join(line.data for line in runtime.follow(handle))
    runtime.remove(handle)
    assert end == Exited(0), output
    return json.loads(output)


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(st.lists(launches(), min_size=20, max_size=30))
def test_every_word_arrives_byte_for_byte(
    runtime: DockerRuntime, made: list[tuple[list[str], tuple[str, ...]]]
) -> None:
    for expected, argv in made:
        assert list(argv) == expected
    every = [word for _, argv in made for word in argv]
    arrived = printed(runtime, "python3", "-c", DUMP, *every)
    assert [bytes.fromhex(word).decode() for word in arrived] == every


RANDOM = "r" * 128
RUN_ALL = """
import json, subprocess, sys
every = json.load(open("/made/every.json"))
print(json.dumps([json.loads(subprocess.check_output(words)) for words in every]))
"""


@st.composite
def expanding(draw: st.DrawFn) -> tuple[list[str], RunPlan]:
    """The words that must arrive, and the plan: an author's words that a shell expands, among what people typed."""
    typed, label, chosen, path = draw(words), draw(names), draw(words), draw(vault_paths)
    same: dict[str, Any] = {"name": "n", "description": "d", "required": True}
    spec = read(
        definition(
            {
                "color": {**same, "type": "CONST", "value": "sea green", "variable": True},
                "NOTE": {**same, "type": "STR", "variable": True},
                "-a": {**same, "type": "CONST", "value": "$(echo one)-$(color)-%RANDOM16%-$NOTE", "positional": False},
                "-typed": {**same, "type": "STR", "positional": False},
                "-b": {**same, "type": "CONST", "value": '`echo "*"` "two" $((6*7))', "positional": False},
                "choice": {**same, "type": "selection", "values": [label], "mvalues": [chosen], "positional": True},
                "file": {**same, "type": "FILE", "positional": True},
            },
            command={"path": "/made/dump"},
        )
    )
    values = {"-typed": typed, "NOTE": "a note", "choice": label, "file": path}
    expected = [
        "-a",
        f"one-sea green-{RANDOM[:16]}-a note",
        "-typed",
        typed,
        "-b",
        '* "two" 42',
        chosen,
        f"/data/{path}",
    ]
    return expected, plan(launch(spec, values), site())


@settings(
    max_examples=2, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(st.lists(expanding(), min_size=12, max_size=18))
def test_what_people_typed_arrives_byte_for_byte_beside_words_that_are_expanded(
    runtime: DockerRuntime, tmp_path: Path, made: list[tuple[list[str], RunPlan]]
) -> None:
    """One container starts all of them, each through its own start script."""
    tmp_path.chmod(0o755)
    dump = tmp_path / "dump"
    dump.write_text(f"#!/usr/bin/env python3\n{DUMP}\n")
    dump.chmod(0o755)
    every, jobenv = [], ""
    for number, (_, planned) in enumerate(made):
        bound = bind(planned, JobValues("a-job", RANDOM, "p"))
        texts = {file.path: file.text for file in bound.files}
        jobenv = texts[JOBENV]  # the same for all
        (tmp_path / f"{number}.sh").write_text(texts[START], encoding="utf-8", newline="")
        every.append([f"/made/{number}.sh" if word == START else word for word in bound.argv])
    (tmp_path / "every.json").write_text(json.dumps(every))
    (tmp_path / "jobenv.sh").write_text(jobenv, encoding="utf-8", newline="")
    mounts = (Mount(str(tmp_path), "/made", readonly=True), Mount(str(tmp_path / "jobenv.sh"), JOBENV, readonly=True))
    found = printed(runtime, "python3", "-c", RUN_ALL, mounts=mounts)
    assert [[bytes.fromhex(word).decode() for word in words] for words in found] == [expected for expected, _ in made]


@pytest.mark.parametrize("key", ["-str", "text"])
def test_a_nul_is_refused_at_its_field(key: str) -> None:
    parameter = {"name": "n", "description": "d", "required": True, "type": "STR", "positional": key == "text"}
    judged = validate(read(definition({key: parameter})), Submission("go", {key: "a\0b"}, machine="n1"))
    assert isinstance(judged, list)
    assert [(type(fault), fault.pointer) for fault in judged] == [(Fault, f"/parameters/{key}")]


@settings(
    max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(st.lists(words, min_size=30, max_size=60))
def test_in_a_container_jobenv_gives_each_shell_exactly_the_values(
    runtime: DockerRuntime, tmp_path: Path, values: list[str]
) -> None:
    given_values = {f"V{number}": value for number, value in enumerate((*NASTY, *values))}
    file = tmp_path / "jobenv.sh"
    file.write_text(job_environment(given_values), encoding="utf-8", newline="")
    file.chmod(0o444)
    dump = "import json, os; print(json.dumps({k: os.environb[k.encode()].hex() for k in os.environ if k[0] == 'V'}))"
    # One container for all three: each shell sources it, and hands what it then has to a program.
    script = f'set -a; . {JOBENV}; set +a; exec python3 -c "$0"'
    each = """
import json, subprocess, sys
print(json.dumps([json.loads(subprocess.check_output([s, "-c", sys.argv[1], sys.argv[2]])) for s in ("sh", "dash", "bash")]))
"""
    found = printed(runtime, "python3", "-c", each, script, dump, mounts=(Mount(str(file), JOBENV, readonly=True),))
    for shell, variables in zip(("sh", "dash", "bash"), found, strict=True):
        assert {name: bytes.fromhex(value).decode() for name, value in variables.items()} == given_values, shell
