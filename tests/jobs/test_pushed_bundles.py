"""Bundles written from the public contract alone, pushed as they are and run in containers, end to end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from apps_catalog import services
from apps_catalog.models import Version
from apps_catalog.services import resolve_tag
from jobs import chores
from jobs.models import Result
from jobs.results import open_result
from jobs.runtimes.docker import DockerRuntime
from jobs.services import fan_out
from jobs.services.fan_out import FanOut
from jobs.states import JobState
from portal.people.models import User
from tests.apps_catalog.bundle_files import foldered
from tests.factories import make_machine, make_secret
from tests.jobs.workers import Start, ended

pytestmark = [pytest.mark.docker, pytest.mark.django_db(transaction=True)]
IMAGE = "slipway-python:bookworm"
DEVICE = {"min_cpu": 1, "min_memory": 0.1}
SIZES = {"ram_mib": 256, "pids": 128, "disk_mib": 256}

# The first kind: programs that read their environment.
SPLIT = """
import json, os
words = json.loads(os.environ["PARTITIONER_PARAMS"])["words"]
for number, word in enumerate(words):
    with open(os.path.join(os.environ["CHUNKS_DIR"], f"data_{number}.bin"), "w") as file:
        file.write(word)
"""
SHOUT = """
import json, os
from lib.loud import loud
assert os.environ["GREETING"] == "hello there" and "MAIL_ACCESS_KEY" not in os.environ
text = open(os.path.join(os.environ["TASK_DIR"], "data.bin")).read()
mark = json.loads(os.environ["APP_PARAMS"])["mark"]
open(os.path.join(os.environ["TASK_RESULTS_DIR"], "said.txt"), "w").write(loud(text) + mark)
"""
JOIN = """
import os
folder = os.environ["TASK_RESULTS_DIR"]
said = [open(os.path.join(folder, name)).read() for name in sorted(os.listdir(folder))]
open(os.path.join(os.environ["OUTPUT_DIR"], "all.txt"), "w").write(" ".join(said))
"""
# The second: a function run, in the early layout.
RUN = """
import os
OUTPUT_PATH = "outputs"
def run(task_dir, basepath, params):
    with open(os.path.join(task_dir, "data.bin")) as file:
        text = file.read()
    with open(os.path.join(basepath, OUTPUT_PATH, "said.txt"), "w") as file:
        file.write(text[::-1] + params.get("mark", "."))
"""
SCHEMA = {
    "$id": "db://shout-inputs",
    "definitions": {"mark": {"type": "string", "maxLength": 3}},
    "properties": {"mark": {"$ref": "#/definitions/mark"}},
    "required": ["mark"],
}


def pushed(folder: Path, curator: User) -> Version:
    done = services.import_bundle(read=services.from_folder(folder), actor=curator, activate=True)
    assert done.version is not None, done.reading.findings
    chores.look_up_image(done.version.pk, DockerRuntime())
    return Version.objects.select_related("app").get(pk=done.version.pk)


def text_of(result: Result) -> str:
    with open_result(result) as file:
        return file.read().decode()


@pytest.fixture
def served(start: Start) -> None:
    make_machine("n1", **SIZES)
    start(DockerRuntime(), n1=4)


def project(root: Path) -> Path:
    """A partitioner, two apps and an assembler, as an author keeps them."""
    own = {"platform_config": {"container": IMAGE}, "device_requirements": DEVICE}
    made = {
        "words": {"name": "words", "version": "0.1", "type": "partitioner", **own},
        "shout": {
            "name": "shout",
            "version": "0.3",
            "platform": "docker",
            "platform_config": {"container": IMAGE, "secrets": ["GREETING"]},
            "device_requirements": DEVICE,
        },
        "turn": {
            "Id": "turn",
            "Version": "0.4.rev0",
            "PlatformConfig": {"Container": IMAGE},
            "deviceRequirements": {"minCpu": 1, "minMemory": 0.1},
        },
        "join": {"name": "join", "version": "1.0", "type": "assembler", **own},
    }
    code = {
        "words": {"app/main.py": SPLIT},
        "shout": {
            "app/main.py": SHOUT,
            "app/lib/__init__.py": "",
            "app/lib/loud.py": "def loud(text):\n    return text.upper()\n",
            "schema.json": json.dumps(SCHEMA),
        },
        "turn": {"app/runner.py": RUN},
        "join": {"app/main.py": JOIN},
    }
    for name, manifest in made.items():
        foldered({"manifest.json": json.dumps(manifest), **code[name]}, root / name)
    return root


def test_programs_and_runs_written_from_the_public_contract(
    owner: User, curator: User, served: None, tmp_path: Path
) -> None:
    root = project(tmp_path)
    for name in ("words", "shout", "turn", "join"):
        pushed(root / name, curator)
    make_secret(owner, "GREETING", value="hello there")
    make_secret(owner, "MAIL", "keys", access_key="a", secret_key="b")
    shared: dict[str, Any] = {
        "partitioner": resolve_tag("words", user=owner),
        "assembler": resolve_tag("join@1", user=owner),
    }
    words = {"words": ["one", "two", "three"]}
    shout = FanOut(
        app=resolve_tag("shout@0.3", user=owner), parameters={"partitioner": words, "app": {"mark": "!"}}, **shared
    )
    turn = FanOut(app=resolve_tag("turn", user=owner), parameters={"partitioner": words}, **shared)
    first, second = (fan_out.submit(owner=owner, asked=asked).job for asked in (shout, turn))
    for job, said in ((first, "ONE! TWO! THREE!"), (second, "eno. owt. eerht.")):
        done = ended(job, 90)
        assert done.state == JobState.SUCCEEDED, done.reason
        assert text_of(Result.objects.get(job=job, task__stage="assemble", path="all.txt")) == said


def test_the_samples_run_unchanged(owner: User, curator: User, served: None, tmp_path: Path, settings: Any) -> None:
    settings.BUNDLE_IMAGE = IMAGE
    made: dict[str, Any] = {}
    for role in ("app", "partitioner", "assembler"):
        call_command("new", role, f"my-{role}", "--in", str(tmp_path))
        made[role] = pushed(tmp_path / f"my-{role}", curator)
    done = ended(fan_out.submit(owner=owner, asked=FanOut(**made, parameters={"app": {"word": "pass"}})).job, 60)
    assert done.state == JobState.SUCCEEDED, done.reason
    result = Result.objects.get(job=done, task__stage="assemble", path="all.txt")
    assert json.loads(text_of(result)) == {"chunk": 0, "lines": 1, "found": 1}
