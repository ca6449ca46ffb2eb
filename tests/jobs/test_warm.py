"""Slots that keep a container for the tasks of one stage: when they do, what is adopted, and when it goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from jobs import hosts, keep, services
from jobs.models import Attempt, Host, Installation, Task
from jobs.runtimes.base import ContainerSpec, Handle
from jobs.runtimes.fake import FakeProgram, FakeRuntime
from jobs.runtimes.keeping import KeepingRuntime
from jobs.states import AttemptState, JobState, Stage
from portal.people.models import User
from tests.factories import make_machine
from tests.jobs.bundles import make_bundle, submit
from tests.jobs.fan_outs import Stages, chunks, place, result, stage_of
from tests.jobs.workers import Start, ended

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
IMAGE = "slipway-python:bookworm"


def keeping(stages: Stages) -> FakeRuntime:
    return FakeRuntime(stages, keeps=True)


def until(true: Callable[[], object]) -> None:
    for _ in range(1500):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come about within 30 s")


def test_tasks_of_the_stage_run_share_a_container_for_each_slot(owner: User, start: Start) -> None:
    stages = Stages(partition=chunks(8))
    runtime = keeping(stages)
    start(runtime, n1=2)
    job = ended(submit(owner))
    assert (job.state, job.reason) == (JobState.SUCCEEDED, "Finished.")
    kept = {spec.kept.name for spec in stages.of("run") if spec.kept}
    assert 1 <= len(kept) <= 2
    assert all(spec.kept for spec in stages.of("run"))
    assert not any(spec.kept for spec in stages.of("partition") + stages.of("assemble"))
    until(lambda: not runtime.held)
    until(lambda: not list((Path(place(stages.of("run")[0], "/job")).parents[1]).glob("slipway-*")))


def test_a_slot_that_serves_two_fan_outs_does_not_change_its_container_with_every_task(
    owner: User, start: Start
) -> None:
    stages = Stages(partition=chunks(12))
    runtime = keeping(stages)
    jobs = [submit(owner, assembler=None) for _ in range(2)]
    start(runtime, n1=1)
    assert {ended(job, 60).state for job in jobs} == {JobState.SUCCEEDED}
    order = [spec.name.split("-")[2] for spec in stages.of("run")]
    assert len(order) == 24
    assert sum(one != other for one, other in pairwise(order)) < 8  # turn by turn it would be 22


def test_each_task_finds_its_own_chunk_alone_and_empty_folders(owner: User, start: Start) -> None:
    found: list[tuple[str, list[str], bytes, int]] = []

    def run(spec: ContainerSpec) -> None:
        base = place(spec, "/job")
        tree = sorted(str(path.relative_to(base)) for path in base.rglob("*"))
        chunk = place(spec, "/job/task/data.bin")
        found.append((spec.env["CHUNK_NUMBER"], tree, chunk.read_bytes(), chunk.stat().st_mode & 0o777))
        (base / "results" / "deep").mkdir()
        (base / "results" / "deep" / "out.txt").write_text(spec.env["CHUNK_NUMBER"])
        (base / "mine").write_text("x")
        (place(spec, spec.env["HOME"]) / ".mine").write_text("x")
        assert len(list(place(spec, spec.env["HOME"]).iterdir())) == 1

    start(keeping(Stages(partition=chunks(4), run=run)), n1=1)
    job = ended(submit(owner, assembler=None))
    assert job.state == JobState.SUCCEEDED
    tree = ["results", "task", "task/data.bin"]
    assert found == [(str(n), tree, b"%d\n" % n, 0o444) for n in range(4)]


@pytest.mark.parametrize("why", ["off", "single", "large", "runtime", "granted"])
def test_what_has_a_container_of_its_own(
    owner: User, start: Start, settings: Any, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    stages = Stages(partition=chunks(1 if why == "single" else 3))
    app = make_bundle()
    if why == "off":
        settings.WARM_CONTAINERS = False
    if why == "large":
        monkeypatch.setattr("jobs.warm.CHUNK_BYTES_MAX", 1)
    if why == "granted":
        app.writable_root = True
        app.save()
    start(FakeRuntime(stages, keeps=why != "runtime"), n1=1)
    assert ended(submit(owner, app=app)).state == JobState.SUCCEEDED
    assert not any(spec.kept for spec in stages.seen)


def test_a_retry_has_a_container_of_its_own(owner: User, start: Start) -> None:
    tried: list[tuple[str, bool]] = []

    def run(spec: ContainerSpec) -> FakeProgram | None:
        tried.append((spec.env["CHUNK_NUMBER"], spec.kept is not None))
        result(spec)
        return FakeProgram(exit_code=1) if spec.env["CHUNK_NUMBER"] == "1" and spec.kept else None

    start(keeping(Stages(run=run)), n1=1)
    assert ended(submit(owner, config={"maxTaskRetries": 1})).state == JobState.SUCCEEDED
    assert ("1", True) in tried
    assert ("1", False) in tried


def test_another_process_adopts_a_task_and_runs_none_twice(owner: User, start: Start) -> None:
    stages = Stages(partition=chunks(3), duration_s=1.0)
    runtime = keeping(stages)
    first = start(runtime, n1=1)
    job = submit(owner)
    until(lambda: any(stage_of(spec) == "run" for spec in stages.seen))
    until(lambda: Attempt.objects.filter(task__stage=Stage.RUN, state=AttemptState.RUNNING).exists())
    first.leave()
    first.watcher.superseded.set()
    host = Host.objects.get()
    host = hosts.register(name=host.name, serve={"n1": 1}, tags=[], mounts="shared")
    start(runtime, host=host, n1=1)
    assert ended(job, 30).state == JobState.SUCCEEDED
    attempts = Attempt.objects.filter(task__job=job, task__stage=Stage.RUN)
    assert sorted(attempts.values_list("number", "reason")) == [(1, "Finished.")] * 3
    names = [spec.name for spec in stages.of("run")]
    assert len(names) == len(set(names)) == 3
    until(lambda: not runtime.held)


class Stumbling(FakeRuntime):
    """Raises what no runtime should where a kept container is removed, once."""

    stumbled = False

    def remove(self, handle: Handle) -> None:
        if handle.name in self.held and not self.stumbled:
            self.stumbled = True
            raise ValueError("a bug")
        super().remove(handle)


def test_what_was_claimed_is_carried_through_though_the_container_before_it_does_not_go(
    owner: User, start: Start
) -> None:
    runtime = Stumbling(Stages(partition=chunks(2)), keeps=True)
    jobs = [submit(owner, assembler=None) for _ in range(2)]
    start(runtime, n1=1)
    assert {ended(job, 30).state for job in jobs} == {JobState.SUCCEEDED}
    assert runtime.stumbled


def test_the_sweep_spares_what_a_slot_keeps_and_takes_what_nobody_does(owner: User, start: Start) -> None:
    stages = Stages(partition=chunks(2), duration_s=0.7)
    runtime = keeping(stages)
    slots = start(runtime, n1=1)
    job = submit(owner)
    until(lambda: runtime.held)
    keep.sweep(slots.host, runtime)
    assert ended(job).state == JobState.SUCCEEDED
    assert Attempt.objects.filter(task__job=job).count() == 4
    left = Path(place(stages.of("run")[0], "/job")).parents[1] / "slipway-12345678-kept-h1-m999-s0"
    left.mkdir()
    keep.sweep(slots.host, runtime)
    assert not left.exists()


def test_cancelling_ends_the_task_that_runs_and_the_container(owner: User, start: Start) -> None:
    stages = Stages(partition=chunks(5), run=lambda spec: FakeProgram(duration_s=600))
    runtime = keeping(stages)
    start(runtime, n1=2)
    job = submit(owner)
    until(lambda: Attempt.objects.filter(task__stage=Stage.RUN, state=AttemptState.RUNNING).count() == 2)
    services.cancel(job=job, actor=owner)
    assert ended(job, 30).state == JobState.CANCELLED
    until(lambda: not runtime.held)


COUNTS = """
import os, sys
here = os.environ["TASK_DIR"]
assert os.listdir(here) == ["data.bin"], os.listdir(here)
assert os.listdir(os.environ["TASK_RESULTS_DIR"]) == [] == os.listdir(os.environ["HOME"]) == os.listdir("/tmp")
try:
    open(here + "/data.bin", "a")
    raise SystemExit("its chunk can be written")
except OSError:
    pass
number = int(os.environ["CHUNK_NUMBER"])
print("task", number)
for place in (os.environ["HOME"], "/tmp", os.environ["TASK_RESULTS_DIR"]):
    open(place + "/left", "w").write(open(here + "/data.bin").read())
if number == 7:
    raise SystemExit(3)
"""
SPLIT = """
import os
for number in range(30):
    open(os.environ["CHUNKS_DIR"] + "/data_%d.bin" % number, "w").write(str(number))
"""


@pytest.mark.docker
def test_thirty_tasks_in_two_kept_containers(owner: User, start: Start) -> None:
    runtime = KeepingRuntime()
    pinned = runtime.image(IMAGE, pull=False).pinned
    make_machine("n1", ram_mib=128, pids=128, disk_mib=256)
    start(runtime, n1=2)
    job = ended(
        submit(
            owner,
            app=make_bundle(code=COUNTS, image_pinned=pinned),
            partitioner=make_bundle("partitioner", SPLIT, image_pinned=pinned),
            assembler=None,
            config={"max_failed_tasks": 1},
        ),
        180,
    )
    failed = Task.objects.filter(job=job, stage=Stage.RUN).exclude(state="succeeded")
    assert list(failed.values_list("index", "reason")) == [(7, "The program ended with exit code 3.")]
    assert job.state == JobState.SUCCEEDED, job.reason
    attempts = Attempt.objects.filter(task__job=job, task__stage=Stage.RUN)
    assert attempts.count() == 30
    assert all(a.memory_peak_bytes and a.cpu_s is not None and a.log_bytes for a in attempts)
    until(lambda: not runtime.owned("slipway.installation", str(Installation.get().pk)))
