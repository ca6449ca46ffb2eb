"""What goes wrong in a stage: the job says which stage and task, and what to do; nothing runs on, and what was done is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.models import Attempt, Job, Result, Task
from jobs.runtimes.base import ContainerSpec
from jobs.runtimes.fake import FakeProgram, FakeRuntime
from jobs.services import fan_out
from jobs.stage_counting import LOOK, REMEDY
from jobs.stages import INFRA_RETRIES
from jobs.states import ATTEMPT_OPEN, TASK_TERMINAL, JobState
from portal.people.models import User
from tests.jobs.bundles import make_bundle, submit
from tests.jobs.fan_outs import Stages, place, result
from tests.jobs.workers import Start, ended

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
Write = Callable[[Path], object]
NO_CHUNKS = "It must write data_0.bin, data_1.bin, ... into CHUNKS_DIR."


def nothing_left(job: Job, work: Path) -> None:
    assert not Attempt.objects.filter(task__job=job, state__in=ATTEMPT_OPEN).exists()
    assert not Task.objects.filter(job=job).exclude(state__in=TASK_TERMINAL).exists()
    until = time.monotonic() + 10
    while list(work.glob("one/slipway-*")) and time.monotonic() < until:  # it goes after the job has ended
        time.sleep(0.02)
    assert not list(work.glob("one/slipway-*"))


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda folder: None, f"The partition failed: The partitioner wrote no chunk. {NO_CHUNKS}"),
        (
            lambda folder: (folder / "part_0.bin").write_bytes(b"x"),
            "The partition failed: The partitioner left the file 'part_0.bin' in CHUNKS_DIR, which is no chunk.",
        ),
        (
            lambda folder: (folder / "data_0.bin").write_bytes(b""),
            "The partition failed: The chunk data_0.bin is empty.",
        ),
        (
            lambda folder: [(folder / f"data_{n}.bin").write_bytes(b"x") for n in range(6)],
            "The partition failed: The partitioner wrote more than 5 chunks",
        ),
    ],
    ids=["none", "named otherwise", "empty", "too many"],
)
def test_chunks_that_are_none(owner: User, start: Start, settings: Any, write: Write, said: str) -> None:
    settings.CHUNKS_MAX = 5

    def partition(spec: ContainerSpec) -> None:
        write(place(spec, "/job/chunks"))

    stages = Stages(partition=partition)
    start(stages.runtime())
    job = ended(submit(owner, config={"maxTaskRetries": 2}))
    assert (job.state, job.failure_class) == (JobState.FAILED, "user")
    assert job.reason.startswith(said), job.reason
    assert (len(stages.of("partition")), len(stages.of("run"))) == (1, 0)
    nothing_left(job, Path(settings.WORK_ROOT))


@pytest.mark.parametrize(
    ("how", "failure", "said"),
    [
        (FakeProgram(exit_code=3), "user", "The program ended with exit code 3."),
        (FakeProgram(exit_code=137), "user", "137"),
        (FakeProgram(exit_code=137, oom=True), "oom", "memory"),
        (FakeProgram(duration_s=600, ignores_term=True), "timeout", "It ran into its time limit of 0:00:01."),
    ],
    ids=["exits 3", "is killed", "runs out of memory", "hangs"],
)
def test_a_task_that_fails_is_named_and_what_the_others_made_is_kept(
    owner: User, start: Start, settings: Any, how: FakeProgram, failure: str, said: str
) -> None:
    def run(spec: ContainerSpec) -> FakeProgram | None:
        if spec.env["CHUNK_NUMBER"] == "2":
            return how
        result(spec)
        return None

    stages = Stages(run=run)
    start(stages.runtime())
    job = ended(submit(owner, config={"taskTimeout": 1, "maxTaskRetries": 0}), 40)
    assert (job.state, job.failure_class) == (JobState.FAILED, failure)
    assert job.reason.startswith("Task 2 of 3 failed: "), job.reason
    assert said in job.reason
    assert job.reason.endswith(REMEDY)
    assert stages.of("assemble") == []
    done = Result.objects.filter(job=job, task__stage="run").exclude(stored="")
    assert done.count() == Task.objects.filter(job=job, stage="run", state="succeeded").count() == 2
    nothing_left(job, Path(settings.WORK_ROOT))
    again = fan_out.retry_failed(job=job, actor=owner)
    assert Task.objects.filter(job=again, stage="run", taken_from__isnull=False).count() == 2


def test_an_image_that_is_not_there_is_named_with_its_stage(owner: User, start: Start, settings: Any) -> None:
    image = "docker.io/acme/absent:1"
    job = submit(
        owner, partitioner=make_bundle("partitioner", platform_config={"container": image}, image_pinned=image)
    )
    Task.objects.filter(job=job).update(infra_retries=INFRA_RETRIES)  # it has been waited for already
    start(FakeRuntime(Stages(), missing={image}))
    job = ended(job)
    assert (job.state, job.failure_class) == (JobState.FAILED, "infra")
    assert job.reason.startswith("The partition failed: "), job.reason
    assert image in job.reason
    assert job.reason.endswith(LOOK)  # nothing of it has finished, so nothing is kept
    nothing_left(job, Path(settings.WORK_ROOT))
