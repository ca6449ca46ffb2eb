"""Bundles in real containers, written from the public contract alone: variables and folders, and `run` by its signature."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.models import Job, Result
from jobs.results import open_result, results_of
from jobs.runtimes.keeping import KeepingRuntime
from jobs.states import JobState
from portal.people.models import User
from tests.factories import make_machine
from tests.jobs.bundles import make_bundle, submit
from tests.jobs.workers import Start, ended

pytestmark = [pytest.mark.docker, pytest.mark.django_db(transaction=True)]
IMAGE = "slipway-python:bookworm"

SPLIT = """
import json, os
params = json.loads(os.environ["PARTITIONER_PARAMS"])
names = sorted(os.listdir(os.environ["SOURCE_DIR"]))
assert names == ["bypass.bin"], names
for number in range(params["n"]):
    with open(os.path.join(os.environ["CHUNKS_DIR"], "data_%d.bin" % number), "w") as file:
        file.write("chunk %d" % number)
print("made", params["n"])
"""
SQUARE = """
import json, os, beside
assert os.listdir(os.environ["TASK_DIR"]) == ["data.bin"]
text = open(os.path.join(os.environ["TASK_DIR"], "data.bin")).read()
cache = os.path.join(os.environ["USER_CACHE_DIR"], "seen-" + os.environ["CHUNK_NUMBER"])
open(cache, "w").write("x")
for place in (os.environ["SHARED_CACHE_DIR"], os.environ["TASK_DIR"] + "/data.bin", "/app/main.py"):
    try:
        open(place if os.path.isfile(place) else place + "/x", "a")
    except OSError:
        continue
    raise SystemExit(place + " can be written")
with open(os.path.join(os.environ["TASK_RESULTS_DIR"], "out.json"), "w") as file:
    json.dump({"text": text, "word": beside.WORD, **json.loads(os.environ["APP_PARAMS"])}, file)
"""
JOIN = """
import json, os
folder = os.environ["TASK_RESULTS_DIR"]
found = [json.load(open(os.path.join(folder, name))) for name in sorted(os.listdir(folder))]
with open(os.path.join(os.environ["OUTPUT_DIR"], "all.json"), "w") as file:
    json.dump(found, file)
"""
EARLY = """
import os
OUTPUT_PATH = "produced"
def run(params, basepath, chunk_number):
    with open(os.path.join(basepath, OUTPUT_PATH, "out.txt"), "w") as file:
        file.write("%s %d" % (params["word"], chunk_number))
"""
SIZES = {"ram_mib": 128, "pids": 128, "disk_mib": 256}


@pytest.fixture
def pinned(start: Start) -> str:
    runtime = KeepingRuntime()
    make_machine("n1", **SIZES)
    start(runtime, n1=4)
    return runtime.image(IMAGE, pull=False).pinned


def text_of(job: Job, **which: Any) -> str:
    with open_result(Result.objects.get(job=job, **which)) as file:
        return file.read().decode()


def test_programs_that_read_their_variables(owner: User, pinned: str) -> None:
    files = {"main.py": SQUARE, "beside.py": "WORD = 'beside'\n"}
    job = ended(
        submit(
            owner,
            app=make_bundle(files=files, image_pinned=pinned),
            partitioner=make_bundle("partitioner", SPLIT, image_pinned=pinned),
            assembler=make_bundle("assembler", JOIN, image_pinned=pinned),
            parameters={"partitioner": {"n": 3}, "app": {"k": 1}},
        ),
        60,
    )
    assert job.state == JobState.SUCCEEDED, job.reason
    assert text_of(job, task__stage="assemble", path="all.json") == str(
        [{"text": f"chunk {n}", "word": "beside", "k": 1} for n in range(3)]
    ).replace("'", '"')


def test_the_early_layout_with_run_and_output_path(owner: User, pinned: str) -> None:
    job = ended(
        submit(
            owner,
            app=make_bundle(files={"runner.py": EARLY}, image_pinned=pinned),
            partitioner=make_bundle("partitioner", SPLIT, image_pinned=pinned),
            assembler=None,
            parameters={"partitioner": {"n": 2}, "app": {"word": "hello"}},
        ),
        60,
    )
    assert job.state == JobState.SUCCEEDED, job.reason
    assert sorted(results_of(job).values_list("flat_name", flat=True)) == ["0_out.txt", "1_out.txt"]
    assert text_of(job, flat_name="1_out.txt") == "hello 1"


def test_a_program_that_runs_out_of_time_or_memory_is_told_apart(owner: User, pinned: str) -> None:
    slow = make_bundle(code="import time\ntime.sleep(60)\n", image_pinned=pinned)
    late = ended(submit(owner, app=slow, partitioner=None, assembler=None, config={"taskTimeout": 2}), 60)
    assert (late.state, late.failure_class) == (JobState.FAILED, "timeout")
    assert late.reason.startswith("Task 0 of 1 failed: It ran into its time limit of 0:00:02.")
    hungry = make_bundle(code="x = b'x' * 2**29\n", image_pinned=pinned)
    large = ended(submit(owner, app=hungry, partitioner=None, assembler=None), 60)
    assert (large.state, large.failure_class) == (JobState.FAILED, "oom")
