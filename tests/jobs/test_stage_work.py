"""Stages as their containers see them: folders, variables, chunks in, results out, caches, secrets, code."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from jobs import gathering, mounts, stage_opening
from jobs.models import Attempt, Job, JobStage, Result, Task
from jobs.results import open_result
from jobs.runtimes.base import ContainerSpec
from jobs.runtimes.fake import FakeProgram
from jobs.services import fan_out
from jobs.states import JobState, Stage, StageState, TaskState
from portal.people import sealing
from portal.people.models import Secret, User
from tests.factories import make_upload
from tests.jobs.bundles import make_bundle, partitioned, stage, submit
from tests.jobs.fan_outs import Stages, chunks, place
from tests.jobs.outputs import whole_log
from tests.jobs.workers import Start, ended

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def content(job: Job, **which: Any) -> bytes:
    with open_result(Result.objects.get(job=job, **which)) as file:
        return file.read()


def targets(spec: ContainerSpec) -> dict[str, bool]:
    """Mount targets, and whether they are read-only."""
    return {mount.target: mount.readonly for mount in spec.mounts}


def test_three_chunks_go_through_three_stages(owner: User, start: Start) -> None:
    stages = Stages()
    start(stages.runtime())
    parameters = {"partitioner": {"size": 3}, "app": {"täg": "x"}, "assembler": {}}
    job = ended(submit(owner, parameters=parameters))
    assert (job.state, job.reason) == (JobState.SUCCEEDED, "Finished.")
    assert content(job, task__stage="assemble", path="all.txt") == b"0\n1\n2\n"
    (first,), (last,) = stages.of("partition"), stages.of("assemble")
    assert first.env["PARTITIONER_PARAMS"] == '{"size":3}'
    assert (first.env["SOURCE_DIR"], first.env["CHUNKS_DIR"]) == ("/job/source", "/job/chunks")
    assert targets(first).items() >= {"/job": False, "/job/source": True, "/app": True}.items()
    tasks = sorted(stages.of("run"), key=lambda spec: spec.env["CHUNK_NUMBER"])
    assert [spec.env["CHUNK_NUMBER"] for spec in tasks] == ["0", "1", "2"]
    for spec in tasks:
        assert spec.env["APP_PARAMS"] == '{"täg":"x"}'
        assert (spec.env["TASK_DIR"], spec.env["TASK_RESULTS_DIR"]) == ("/job/task", "/job/results")
        assert targets(spec)["/job/task/data.bin"]
    assert (last.env["TASK_RESULTS_DIR"], last.env["OUTPUT_DIR"]) == ("/job/results", "/job/output")
    assert (last.env["ASSEMBLER_PARAMS"], last.env["MISSING_CHUNKS"]) == ("{}", "[]")
    assert targets(last)["/job/results"]
    assert all(spec.env["SHARED_CACHE_DIR"] == "/cache/shared" for spec in stages.seen)
    assert all(targets(spec)["/cache/shared"] and not targets(spec)["/cache/user"] for spec in stages.seen)
    assert first.argv == ("python3", "/opt/slipway/start.py", "partition", "/app/main.py")
    messages = list(job.events.values_list("message", flat=True))
    assert "3 chunks; 3 tasks can begin." in messages
    assert "All 3 tasks have finished." in messages


def test_a_bypass_source_and_passthrough_engines_are_one_task(owner: User, start: Start) -> None:
    stages = Stages()
    start(stages.runtime())
    job = ended(submit(owner, partitioner=None, assembler=None))
    assert job.state == JobState.SUCCEEDED
    assert len(stages.seen) == 1
    assert content(job, flat_name="out.txt") == b"bypass\n"
    log = whole_log(Attempt.objects.get(task__stage="partition")).decode()
    assert "No program runs here" in log
    assert stage(job, Stage.ASSEMBLE).state == StageState.SKIPPED


def test_each_source_file_is_a_chunk_in_name_order(owner: User, start: Start) -> None:
    start(Stages().runtime())
    ids = []
    mounts.mark()
    for name, text in (("b.txt", b"bee"), ("a.txt", b"ay")):
        upload = make_upload(owner, name=name, stored=f"uploads/{name}", size=len(text))
        default_storage.save(upload.stored, ContentFile(text))
        ids.append(str(upload.pk))
    job = ended(submit(owner, partitioner=None, source={"kind": "file", "uploads": ids}))
    assert content(job, task__stage="assemble", path="all.txt") == b"aybee"


def test_what_is_no_chunk_fails_the_job_at_once_and_leaves_nothing(owner: User, start: Start, settings: Any) -> None:
    def partition(spec: ContainerSpec) -> None:
        (place(spec, "/job/chunks") / "data_0.bin").write_bytes(b"x")
        (place(spec, "/job/chunks") / "data_1.bin").symlink_to("/etc/passwd")

    start(Stages(partition=partition).runtime())
    job = ended(submit(owner, config={"maxTaskRetries": 3}))
    assert (job.state, job.failure_class) == (JobState.FAILED, "user")
    assert job.reason.startswith("The partition failed: The chunk data_1.bin is no file but a link")
    assert (Attempt.objects.count(), Task.objects.count()) == (1, 1)
    assert not list(Path(settings.STORE_ROOT).glob("chunks/*/*"))


def test_a_failing_task_is_named_with_its_stage_and_remedy(owner: User, start: Start) -> None:
    def run(spec: ContainerSpec) -> FakeProgram | None:
        return FakeProgram(exit_code=3) if spec.env["CHUNK_NUMBER"] == "1" else None

    start(Stages(run=run).runtime())
    job = ended(submit(owner))
    assert job.reason.startswith("Task 1 of 3 failed: The program ended with exit code 3.")
    assert (job.state, job.exit_code) == (JobState.FAILED, 3)


def test_the_assembler_is_told_which_file_is_whose_and_the_parameters_of_a_sweep(owner: User, start: Start) -> None:
    told: list[object] = []

    def partition(spec: ContainerSpec) -> None:
        for number, chunk in enumerate(('{"$parameters": {"rate": 0.1}}', "no point")):
            (place(spec, "/job/chunks") / f"data_{number}.bin").write_text(chunk)

    def run(spec: ContainerSpec) -> None:
        for name in ("b.txt", "a.txt") if spec.env["CHUNK_NUMBER"] == "0" else ("a.txt", "only.txt"):
            (place(spec, "/job/results") / name).write_text("x")

    def assemble(spec: ContainerSpec) -> None:
        told.extend(json.loads(line) for line in place(spec, spec.env["TASKS_FILE"]).read_text().splitlines())

    start(Stages(partition=partition, run=run, assemble=assemble).runtime())
    assert ended(submit(owner)).state == JobState.SUCCEEDED
    assert told == [
        {"chunk": 0, "files": ["0_a.txt", "b.txt"], "parameters": {"rate": 0.1}},
        {"chunk": 1, "files": ["1_a.txt", "only.txt"]},
    ]


def test_the_assembler_is_told_of_holes(owner: User, start: Start) -> None:
    told: list[str] = []

    def run(spec: ContainerSpec) -> FakeProgram | None:
        (place(spec, "/job/results") / "out.txt").write_text(spec.env["CHUNK_NUMBER"])
        return FakeProgram(exit_code=1) if spec.env["CHUNK_NUMBER"] == "1" else None

    def assemble(spec: ContainerSpec) -> None:
        told.append(place(spec, spec.env["MISSING_CHUNKS_FILE"]).read_text())
        told.extend(sorted(path.name for path in place(spec, "/job/results").iterdir()))

    stages = Stages(run=run, assemble=assemble)
    start(stages.runtime())
    job = ended(submit(owner, config={"max_failed_tasks": 1}))
    assert job.state == JobState.SUCCEEDED
    assert told == ["[1]", "0_out.txt", "2_out.txt"]
    assert stages.of("assemble")[0].env["MISSING_CHUNKS"] == "[1]"


def test_an_assembler_that_fails_keeps_the_tasks_results(owner: User, start: Start) -> None:
    start(Stages(assemble=lambda spec: FakeProgram(exit_code=4)).runtime())
    job = ended(submit(owner))
    assert job.reason.startswith("The assembly failed: The program ended with exit code 4.")
    assert Result.objects.filter(job=job, task__stage="run").exclude(stored="").count() == 3
    again = ended(fan_out.retry_failed(job=job, actor=owner))
    assert (again.state, Attempt.objects.filter(task__job=again).count()) == (JobState.FAILED, 1)


def test_secrets_reach_the_program_and_no_row(owner: User, start: Start) -> None:
    Secret.objects.create(user=owner, name="HUB", kind="value", sealed=sealing.seal(json.dumps({"value": "canary-1"})))
    keys = {"access_key": "canary-2", "secret_key": "canary-3"}
    Secret.objects.create(user=owner, name="lake-1", kind="keys", sealed=sealing.seal(json.dumps(keys)))
    stages = Stages()
    start(stages.runtime())
    job = ended(submit(owner, app=make_bundle(secrets=["HUB", "lake-1"])))
    assert job.state == JobState.SUCCEEDED
    for spec in stages.of("run"):
        assert spec.env["HUB"] == "canary-1"
        assert (spec.env["lake_1_ACCESS_KEY"], spec.env["lake_1_SECRET_KEY"]) == ("canary-2", "canary-3")
    assert not any("HUB" in spec.env for spec in stages.of("partition") + stages.of("assemble"))
    assert "canary" not in str(list(JobStage.objects.values())) + str(Job.objects.values().get())


def test_a_secret_that_went_away_is_said(owner: User, start: Start) -> None:
    row = Secret.objects.create(user=owner, name="HUB", kind="value", sealed=sealing.seal('{"value": "x"}'))

    def partition(spec: ContainerSpec) -> None:
        row.delete()
        chunks(1)(spec)

    start(Stages(partition=partition).runtime())
    job = ended(submit(owner, app=make_bundle(secrets=["HUB"])))
    assert "The secret 'HUB' that was there when the job was submitted is gone" in job.reason


def test_the_cache_of_a_person_lasts_and_is_emptied_past_its_limit(owner: User, start: Start, settings: Any) -> None:
    def partition(spec: ContainerSpec) -> None:
        cache = place(spec, "/cache/user")
        found.append(sorted(path.name for path in cache.iterdir()))
        (cache / "model.bin").write_bytes(b"x" * 2**16)
        chunks(1)(spec)

    found: list[list[str]] = []
    start(Stages(partition=partition).runtime())
    for _ in range(2):
        ended(submit(owner))
    settings.USER_CACHE_LIMIT_MIB = 0
    ended(submit(owner))
    assert found == [[], ["model.bin"], []]


def test_a_source_file_that_went_away_fails_clearly(owner: User, start: Start) -> None:
    upload = make_upload(owner, name="gone.txt", stored="uploads/gone", size=3)
    start(Stages().runtime())
    job = ended(submit(owner, partitioner=None, source={"kind": "file", "uploads": [str(upload.pk)]}))
    assert (job.state, job.failure_class) == (JobState.FAILED, "user")
    assert "'gone.txt' is not in the store any more. Upload it again." in job.reason


def test_nothing_is_left_on_the_host(owner: User, start: Start, settings: Any) -> None:
    start(Stages().runtime())
    ended(submit(owner))
    time.sleep(0.5)
    assert [p.name for p in Path(settings.WORK_ROOT).glob("one/*") if p.name.startswith("slipway-")] == []
    assert len(list(Path(settings.WORK_ROOT).glob("one/bundles/*/app/main.py"))) == 3


def test_ten_thousand_files_are_gathered_by_links(owner: User, tmp_path: Path, settings: Any) -> None:
    job = submit(owner)
    partitioned(job, 10_000)
    mounts.mark()
    folder = Path(settings.STORE_ROOT) / "results"
    folder.mkdir(exist_ok=True)
    Task.objects.filter(job=job, stage="run").update(state=TaskState.SUCCEEDED)
    rows = []
    for task in Task.objects.filter(job=job, stage="run"):
        (folder / str(task.index)).write_bytes(b"%d" % task.index)
        rows.append(Result(job=job, task=task, path="out.txt", size=1, stored=f"results/{task.index}"))
    Result.objects.bulk_create(rows)
    assert stage_opening.gather(job) == 10_000
    assert gathering.gather(job, tmp_path / "flat", lambda: False) == 10_000
    names = sorted(path.name for path in (tmp_path / "flat").iterdir())
    assert (names[0], names[41], names[-1]) == ("0000_out.txt", "0041_out.txt", "9999_out.txt")
    assert (tmp_path / "flat" / "0041_out.txt").read_bytes() == b"41"
    assert (tmp_path / "flat" / "0041_out.txt").stat().st_nlink == 2
