"""From a submission to its output, as scripts of JARVICE sites do it: over the door, in real containers."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portal.people.models import User
from tests.compat.jarvice_client import STATUS, JarviceClient, assert_strict
from tests.factories import make_app, make_machine, make_version
from tests.jobs.conftest import start  # noqa: F401  a worker's slots
from tests.jobs.engines import real_engine
from tests.jobs.workers import Start

pytestmark = [pytest.mark.docker, pytest.mark.django_db(transaction=True)]
IMAGE = "slipway-python:bookworm"
LINE = "#" * 79
ENDED = ("COMPLETED", "COMPLETED WITH ERROR", "TERMINATED", "CANCELED")
PYTHON = "#!/usr/bin/env python3 -u\nimport sys\nprint('from', sys.executable.rsplit('/', 1)[-1][:6])\n"
APP: dict[str, Any] = {
    "name": "Echo",
    "description": "Says its words.",
    "author": "Slipway",
    "licensed": True,
    "classifications": ["Tests"],
    "machines": ["n3"],
    "vault-types": ["NONE"],
    "commands": {
        "say": {
            "path": "/usr/bin/printf",
            "name": "Say",
            "description": "Says them.",
            "parameters": {
                "format": {"type": "CONST", "name": "f", "description": "", "value": "[%s]\\n", "positional": True},
                "words": {"type": "STR", "name": "w", "description": "", "value": "", "positional": True},
            },
        }
    },
}


@pytest.fixture
def engine(folders: Path, settings: Any, door: None, start: Start) -> Iterator[None]:  # noqa: F811
    """A worker of two slots over Docker Engine; the machine type is called n3 by older scripts."""
    make_machine("n1", aliases=["n3"], ram_mib=128, pids=64)
    with real_engine(folders) as runtime:
        start(runtime, n1=4)
        yield


def status(client: JarviceClient, number: int) -> str:
    found = client.json("status", number=number)
    assert_strict(found, {str(number): STATUS})
    return str(found[str(number)]["job_status"])


def until(client: JarviceClient, number: int, *words: str) -> str:
    """Poll, as clients do, until the status is one of these."""
    before = time.monotonic() + 60
    while (found := status(client, number)) not in words:
        assert time.monotonic() < before, found
        time.sleep(0.1)
    return found


def own_output(text: str) -> str:
    """What a program said itself: behind the line that clients look for."""
    head, rule, rest = text.partition(f"{LINE}\n")
    assert rule
    assert all(line.startswith("INIT[1]: ") for line in head.splitlines())
    return rest


def test_from_submission_to_output(theirs: JarviceClient, owner: User, engine: None) -> None:
    make_version(make_app(slug="echo", created_by=owner), definition=APP, image=IMAGE, image_pinned="")
    machine = {"machine": {"type": "n3", "nodes": 1}, "vault": {"name": "ephemeral"}}

    def script(text: str) -> int:
        made = theirs.shaped("json").json("batch", container={"image": IMAGE, "jobscript": text}, **machine)
        return int(made["number"])

    words = 'it\'s $(hostname) and "more"'
    app = {"app": "slipway-echo", "application": {"command": "say", "parameters": {"words": words}}}
    said = int(theirs.shaped("as-form", double=True).json("submit", **app, **machine)["number"])
    shell = script('echo one && echo "$0"; exit 3')
    python = script(base64.b64encode(PYTHON.encode()).decode())
    slow = script("echo begun; n=0; while sleep 0.2; do n=$((n+1)); echo $n; done")

    assert until(theirs, said, *ENDED) == "COMPLETED", theirs.text("output", number=said)
    assert own_output(theirs.text("output", number=said)) == f"[{words}]\n"
    assert until(theirs, shell, *ENDED) == "COMPLETED WITH ERROR"
    assert own_output(theirs.text("output", number=shell)) == "one\n/opt/jobscript\n"
    assert theirs.json("jobs", completed="true")[str(shell)]["job_exitcode"] == 3
    assert until(theirs, python, *ENDED) == "COMPLETED", theirs.text("output", number=python)
    assert own_output(theirs.text("output", number=python)) == "from python\n"

    until(theirs, slow, "PROCESSING STARTING")
    before = time.monotonic() + 30
    while "begun" not in theirs.text("tail", number=slow):
        assert time.monotonic() < before
        time.sleep(0.1)
    assert theirs.json("signal", number=slow, signal=20) == {"signal": 20, "pid": 1}
    stands_still(theirs, slow)
    assert theirs.json("signal", number=slow, signal=18)["signal"] == 18
    assert theirs.json("shutdown", number=slow) == {"status": "shutdown requested"}
    assert until(theirs, slow, *ENDED) == "TERMINATED"
    assert theirs.json("jobs") == {}


def stands_still(client: JarviceClient, number: int) -> None:
    """It says nothing any more, though it said something five times a second."""
    before = time.monotonic() + 20
    found = client.text("tail", number=number, lines=1)
    while time.monotonic() < before:
        time.sleep(1.5)
        again = client.text("tail", number=number, lines=1)
        if again == found:
            return
        found = again
    raise AssertionError("It goes on.")
