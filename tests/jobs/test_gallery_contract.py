"""The gallery example in a real container: what the panel marks is filled in, and hidden fields don't arrive."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.models import Attempt, Job
from jobs.runtimes.docker import DockerRuntime
from jobs.states import JobState
from portal.people.models import User
from tests.factories import make_machine, make_version
from tests.jobs.engines import real_engine
from tests.jobs.outputs import program_output, whole_log
from tests.jobs.workers import Start, ended, launch

pytestmark = [pytest.mark.docker, pytest.mark.django_db(transaction=True)]
FOLDER = Path(__file__).parents[2] / "examples" / "gallery"


@pytest.fixture
def runtime(settings: Any, in_folders: Path) -> Iterator[DockerRuntime]:
    with real_engine(in_folders) as made:
        yield made


def gallery() -> dict[str, Any]:
    """The example, its program brought along as a script: the base image does not have it."""
    definition: dict[str, Any] = json.loads((FOLDER / "AppDef.json").read_text())
    definition["commands"]["show"]["cmdscript"] = (FOLDER / "gallery.py").read_text()
    return definition


def said(job: Job) -> str:
    assert ended(job, 60).state == JobState.SUCCEEDED, whole_log(Attempt.objects.get(task__job=job))
    return program_output(Attempt.objects.get(task__job=job)).decode()


def test_both_commands_of_the_gallery_show_what_they_promise(owner: User, runtime: DockerRuntime, start: Start) -> None:
    make_machine("n1", cores=2, ram_mib=256, pids=64)
    start(runtime, n1=2)
    version = make_version(
        definition=gallery(), image_pinned=runtime.image("slipway-python:bookworm", pull=False).pinned
    )
    values = {"-details": True, "-count": 2, "-words": "not there", "-brief": "nor this"}
    show = launch(owner, version=version, command="show", parameters=values)
    script = launch(owner, version=version, command="script", parameters={"-title": "two words"}, label="wing")
    shown = said(show)
    assert f"'{show.name} on 1 of n1'" in shown
    assert re.search(r"'\w+ has \d+ cores'", shown)
    assert "$(hostname)" not in shown
    assert "not there" not in shown
    assert "nor this" not in shown
    assert f'JOB_NAME="{show.name}"' in shown
    told = said(script)
    assert f"I am job {script.name}, labelled 'wing'." in told
    assert "word: two words\n" in told
    assert "greeting is 'Good morning'." in told
