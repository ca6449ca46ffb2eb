"""Object vaults in a job: what is brought, what is put back, and faults of the service in between."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from apps_catalog.launch.spec import Submission
from jobs import services, staged, staging, vault_objects, vaults
from jobs.models import Attempt, Host, Job, Result, Task, Vault
from jobs.runtimes.base import ContainerSpec, RuntimeFault
from jobs.runtimes.docker import DockerRuntime
from jobs.runtimes.fake import FakeProgram, FakeRuntime
from jobs.slots import Slots
from jobs.stages import Outcome
from jobs.staging import Care
from jobs.states import FailureClass, JobState
from portal.people.models import User
from tests.factories import DEFINITION, make_host, make_job, make_machine, make_version
from tests.jobs.object_store import ObjectStore
from tests.jobs.trees import outside, plant_traps

pytestmark = pytest.mark.django_db
GOOD = Outcome(None, "Finished.", 0)
READER: dict[str, Any] = {
    **DEFINITION,
    "machines": ["*"],
    "vault-types": ["OBJECT"],
    "commands": {
        "read": {
            "path": "/bin/sh",
            "name": "Read",
            "description": "Reads.",
            "parameters": {
                "-c": {"name": "c", "description": "c", "type": "CONST", "value": "-c", "positional": True},
                "script": {"name": "s", "description": "s", "type": "STR", "positional": True, "required": True},
                "zero": {"name": "z", "description": "z", "type": "CONST", "value": "sh", "positional": True},
                "file": {"name": "f", "description": "f", "type": "FILE", "positional": True, "required": False},
            },
        }
    },
}


@pytest.fixture
def vault(owner: User, object_store: ObjectStore) -> Vault:
    vault_objects._away.clear()
    return object_store.vault(owner, prefix="site/")


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "BRING_PATIENCE_S", 2.0)
    monkeypatch.setattr(staging, "PUT_PATIENCE_S", 2.0)


def care_of(vault: Vault, tmp_path: Path, *, file: str = "", disk_mib: int = 100, **over: Any) -> Care:
    """The care for a running job on this vault, as `execute` has it."""
    plan = {"uid": os.geteuid() or 505, "gid": os.getegid() or 505, "limits": {"disk_mib": disk_mib}}
    job = make_job(
        vault.owner,  # type: ignore[arg-type]
        state=JobState.RUNNING,
        vault=vault,
        version=make_version(definition=READER),
        command="read",
        parameters={"script": "true"} | ({"file": file} if file else {}),
        plan=plan,
        **over,
    )
    root = tmp_path / f"attempt-{job.number}"
    (root / "results").mkdir(parents=True)
    return Care(Attempt.objects.get(task__job=job), job, root, lambda: "", threading.Event())


def told(care: Care) -> str:
    return " ".join(care.job.events.filter(kind="storage").order_by("id").values_list("message", flat=True))


def in_data(care: Care) -> dict[str, bytes]:
    data = care.root / "data"
    return {str(path.relative_to(data)): path.read_bytes() for path in sorted(data.rglob("*")) if path.is_file()}


# Bringing


def test_a_vault_is_brought_whole_with_its_folders_below_its_prefix(
    vault: Vault, object_store: ObjectStore, tmp_path: Path
) -> None:
    for key in ("site/a.txt", "site/d/e/f", "site/empty/", "beside"):
        object_store.put(vault, key, key.encode() if not key.endswith("/") else b"")
    care = care_of(vault, tmp_path)
    staging.bring(care)
    assert in_data(care) == {"a.txt": b"site/a.txt", "d/e/f": b"site/d/e/f"}
    assert (care.root / "data" / "empty").is_dir()
    assert told(care) == "Brought 2 files (20 bytes) of the vault 'cloud'."
    seen = (care.root / "data" / "a.txt").stat()
    assert (seen.st_uid, seen.st_gid) == (care.job.plan["uid"], care.job.plan["gid"])


def test_of_a_vault_that_is_too_large_only_what_parameters_name_is_brought(
    vault: Vault, object_store: ObjectStore, tmp_path: Path, settings: Any
) -> None:
    settings.STAGE_LIMIT_MIB = 1
    object_store.put(vault, "site/huge", b"x" * 2**20)
    for key in ("run/in.txt", "run/more/x", "runner", "other"):
        object_store.put(vault, f"site/{key}")
    for file, brought in [("run", ["run/in.txt", "run/more/x"]), ("/data/other", ["other"]), ("", [])]:
        care = care_of(vault, tmp_path, file=file)
        staging.bring(care)
        assert list(in_data(care)) == brought
        assert "only what the parameters name is in /data" in told(care)


@pytest.mark.parametrize("file", ["big", "/data"])
def test_what_parameters_name_must_fit_the_disk_of_the_machine_type(
    vault: Vault, object_store: ObjectStore, tmp_path: Path, file: str
) -> None:
    object_store.put(vault, "site/big/one", b"x" * 3 * 2**19)
    with pytest.raises(RuntimeFault, match=r"have 1\.5 MiB; it may be given 1 MiB") as refused:
        staging.bring(care_of(vault, tmp_path, file=file, disk_mib=1))
    assert not refused.value.retry


def test_keys_that_can_not_be_paths_are_left_out_and_named(
    vault: Vault, object_store: ObjectStore, tmp_path: Path
) -> None:
    for key in ("../../up", "/lead", "a//b", "d/..", "good", "run", "run/x", "n" * 300):
        object_store.put(vault, f"site/{key}")
    care = care_of(vault, tmp_path)
    staging.bring(care)
    assert list(in_data(care)) == ["good", "run/x"]
    assert "6 files were left out: " in told(care)
    assert "'run' (a folder has this name)" in told(care) or "and 1 more" in told(care)
    assert [path.name for path in tmp_path.iterdir()] == [care.root.name]


def test_bringing_again_after_a_crash_begins_anew_and_when_complete_changes_nothing(
    vault: Vault, object_store: ObjectStore, tmp_path: Path
) -> None:
    object_store.put(vault, "site/a", b"first")
    care = care_of(vault, tmp_path)
    (care.root / "data").mkdir()
    (care.root / "data" / "half").write_bytes(b"ha")
    (care.root / staged.JOURNAL).write_text('{"path": "half", "si')
    staging.bring(care)
    assert in_data(care) == {"a": b"first"}
    object_store.put(vault, "site/b", b"later")
    (care.root / "data" / "a").write_bytes(b"the job has begun")
    staging.bring(care)
    assert in_data(care) == {"a": b"the job has begun"}


@pytest.mark.parametrize(
    ("break_it", "message", "retry"),
    [("bucket", "There is no bucket", False), ("key", "does not know the access key", False)],
)
def test_what_an_operator_must_mend_is_not_tried_again(
    vault: Vault, object_store: ObjectStore, tmp_path: Path, break_it: str, message: str, retry: bool
) -> None:
    care = care_of(vault, tmp_path)
    if break_it == "bucket":
        object_store.empty(vault)
    else:
        object_store.demand_known_keys(True)
    try:
        with pytest.raises(RuntimeFault, match=message) as refused:
            staging.bring(care)
        assert refused.value.retry is retry
    finally:
        object_store.demand_known_keys(False)


@pytest.mark.django_db(transaction=True)
def test_a_service_that_comes_back_is_waited_for_and_one_that_does_not_is_tried_later(
    vault: Vault, object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    object_store.put(vault, "site/a", b"there")
    care = care_of(vault, tmp_path)
    with object_store.away(), pytest.raises(RuntimeFault, match="does not answer") as refused:
        staging.bring(care)
    assert refused.value.retry
    monkeypatch.setattr(staging, "BRING_PATIENCE_S", 60.0)
    with object_store.away():
        waiting = threading.Thread(target=_bring, args=(care,))
        waiting.start()
        time.sleep(0.5)
    waiting.join(30)
    assert in_data(care) == {"a": b"there"}


def _bring(care: Care) -> None:
    from django.db import connection

    staging.bring(Care(care.attempt, care.job, care.root, care.stopping, care.leaving))
    connection.close()


def test_cancel_and_a_leaving_process_end_the_wait(vault: Vault, object_store: ObjectStore, tmp_path: Path) -> None:
    care = care_of(vault, tmp_path)
    cancelled = Care(care.attempt, care.job, care.root, lambda: "cancelled", threading.Event())
    with pytest.raises(RuntimeFault, match="stopped while its files were fetched"):
        staging.bring(cancelled)
    care.leaving.set()
    with pytest.raises(staging.Leaving):
        staging.bring(care)
    assert not (care.root / "data").exists()


# Putting back


def test_new_and_changed_files_are_put_back_and_nothing_is_removed(
    vault: Vault, object_store: ObjectStore, tmp_path: Path
) -> None:
    for name in ("same", "touched", "changed", "forged", "removed"):
        object_store.put(vault, f"site/{name}", b"old")
    care = care_of(vault, tmp_path)
    staging.bring(care)
    before = {one["Key"]: one["LastModified"] for one in _listed(object_store, vault)}
    data = care.root / "data"
    (data / "removed").unlink()
    os.utime(data / "touched")
    (data / "changed").write_bytes(b"newer")
    kept = (data / "forged").stat()
    (data / "forged").write_bytes(b"new")
    os.utime(data / "forged", ns=(kept.st_atime_ns, kept.st_mtime_ns))  # same size, same time, other bytes
    (data / "deep" / "er").mkdir(parents=True)
    (data / "deep" / "er" / "new").write_bytes(b"n")
    assert staging.put_back(care, GOOD) == GOOD
    assert {key: object_store.get(vault, key) for key in object_store.keys(vault)} == {
        "site/same": b"old",
        "site/touched": b"old",
        "site/removed": b"old",
        "site/changed": b"newer",
        "site/forged": b"new",
        "site/deep/er/new": b"n",
    }
    after = {one["Key"]: one["LastModified"] for one in _listed(object_store, vault)}
    assert all(before[f"site/{name}"] == after[f"site/{name}"] for name in ("same", "touched", "removed"))
    assert "Put 3 files (9 bytes) back into the vault 'cloud'." in told(care)


def _listed(object_store: ObjectStore, vault: Vault) -> list[Any]:
    return list(object_store.client.list_objects_v2(Bucket=vault.bucket)["Contents"])


def test_a_job_that_changed_nothing_or_may_not_uploads_nothing(
    vault: Vault, object_store: ObjectStore, tmp_path: Path
) -> None:
    object_store.put(vault, "site/a")
    care = care_of(vault, tmp_path)
    staging.bring(care)
    readonly = care_of(vault, tmp_path, vault_readonly=True)
    staging.bring(readonly)
    (readonly.root / "data" / "new").write_bytes(b"by whatever means")
    never_begun = care_of(vault, tmp_path)
    with object_store.away():  # nothing is even asked
        for one in (care, readonly, never_begun):
            assert staging.put_back(one, GOOD) == GOOD
    assert told(care).count("Put") == 0


def test_putting_back_again_after_a_crash_sends_only_what_is_not_there_yet(
    vault: Vault, object_store: ObjectStore, tmp_path: Path
) -> None:
    care = care_of(vault, tmp_path)
    staging.bring(care)
    (care.root / "data" / "one").write_bytes(b"1")
    staging.put_back(care, GOOD)
    (care.root / "data" / "two").write_bytes(b"2")
    object_store.client.delete_object(Bucket=vault.bucket, Key="site/one")
    staging.put_back(care, GOOD)
    assert object_store.keys(vault) == ["site/two"]


def test_links_pipes_devices_and_names_that_are_no_keys_are_skipped_and_listed(
    vault: Vault, object_store: ObjectStore, tmp_path: Path
) -> None:
    secret = outside(tmp_path) / "secret.txt"
    care = care_of(vault, tmp_path)
    staging.bring(care)
    traps = plant_traps(care.root / "data", secret)
    with open(os.fsencode(care.root / "data") + b"/bad-\xff", "wb"):  # noqa: PTH123 - bytes that no Path takes
        pass
    (care.root / "data" / "good").write_bytes(b"g")
    assert staging.put_back(care, GOOD) == GOOD
    assert object_store.keys(vault) == ["site/good"]
    assert f"{len(traps) + 1} files were not put back: " in told(care)


def test_an_attempt_that_is_not_in_force_puts_nothing_back(
    vault: Vault, object_store: ObjectStore, tmp_path: Path
) -> None:
    care = care_of(vault, tmp_path)
    staging.bring(care)
    (care.root / "data" / "late").write_bytes(b"x")
    Task.objects.filter(pk=care.attempt.task_id).update(attempt_number=2)
    staging.put_back(care, GOOD)
    assert object_store.keys(vault) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("gone", ["bucket", "service"])
def test_what_the_bucket_does_not_take_goes_to_the_results_and_the_job_says_so(
    vault: Vault, object_store: ObjectStore, tmp_path: Path, gone: str
) -> None:
    object_store.put(vault, "site/same")
    care = care_of(vault, tmp_path)
    staging.bring(care)
    (care.root / "data" / "d").mkdir()
    (care.root / "data" / "d" / "new").write_bytes(b"eight hours of work")
    (care.root / "results" / "not-put-back").mkdir()  # the program's own
    if gone == "bucket":
        object_store.empty(vault)
        outcome = staging.put_back(care, GOOD)
        message = "There is no bucket"
    else:
        with object_store.away():
            outcome = staging.put_back(care, GOOD)
        message = "does not answer"
    assert (outcome.failure, outcome.exit_code, outcome.retry) == (FailureClass.INFRA, 0, False)
    assert "1 file could not be put back into the vault 'cloud' and is among the results" in outcome.reason
    assert message in outcome.reason
    assert (care.root / "results" / "not-put-back-1" / "d" / "new").read_bytes() == b"eight hours of work"
    assert staging.put_back(care, GOOD).reason == outcome.reason  # told again after a crash


def test_a_program_that_failed_keeps_its_own_failure(vault: Vault, object_store: ObjectStore, tmp_path: Path) -> None:
    care = care_of(vault, tmp_path)
    staging.bring(care)
    (care.root / "data" / "new").write_bytes(b"x")
    object_store.empty(vault)
    outcome = staging.put_back(care, Outcome(FailureClass.USER, "Exit code 3.", 3))
    assert (outcome.failure, outcome.exit_code) == (FailureClass.USER, 3)
    assert outcome.reason.startswith("Exit code 3. 1 file could not be put back")


def test_a_cancel_while_files_are_put_back_ends_it_and_one_before_does_not(
    vault: Vault, object_store: ObjectStore, tmp_path: Path
) -> None:
    care = care_of(vault, tmp_path)
    staging.bring(care)
    (care.root / "data" / "new").write_bytes(b"x")
    before = Care(care.attempt, care.job, care.root, lambda: "cancelled", threading.Event())
    assert staging.put_back(before, Outcome(FailureClass.CANCELLED, "Cancelled.")).reason == "Cancelled."
    assert object_store.keys(vault) == ["site/new"]
    (care.root / "data" / "newer").write_bytes(b"x")
    said = iter(["", ""])
    during = Care(care.attempt, care.job, care.root, lambda: next(said, "cancelled"), threading.Event())
    outcome = staging.put_back(during, GOOD)
    assert outcome.failure == FailureClass.CANCELLED
    assert "It was stopped while its files were put back." in outcome.reason
    assert object_store.keys(vault) == ["site/new"]


def test_a_process_that_leaves_in_the_middle_changes_nothing(
    vault: Vault, object_store: ObjectStore, tmp_path: Path
) -> None:
    care = care_of(vault, tmp_path)
    staging.bring(care)
    (care.root / "data" / "new").write_bytes(b"x")
    care.leaving.set()
    with pytest.raises(staging.Leaving):
        staging.put_back(care, GOOD)
    care.leaving.clear()
    assert staging.put_back(care, GOOD) == GOOD
    assert object_store.keys(vault) == ["site/new"]


# Whole jobs


Begin = Callable[[Any], Slots]


@pytest.fixture
def begin(settings: Any) -> Iterator[Begin]:
    """Start a host's slots; all are let go of at the end."""
    settings.BROKER_URL = "none"
    settings.HEARTBEAT_S = 1
    settings.STOP_GRACE_S = 1
    begun: list[Slots] = []

    def start(runtime: Any) -> Slots:
        make_machine("n1", ram_mib=128)
        host = Host.objects.first() or make_host(serves={"n1": 1})
        begun.append(Slots(host=host, runtime=runtime, serve={"n1": 1}))
        begun[-1].start()
        return begun[-1]

    yield start
    for slots in begun:
        slots.leave()
        slots.watcher.superseded.set()
    time.sleep(1.1)


def launch(owner: User, vault: Vault, script: str, file: str = "", pinned: str = "") -> Job:
    make_machine("n1", ram_mib=128)
    over = {"image_pinned": pinned} if pinned else {}
    version = make_version(definition=READER, **over)
    values = {"script": script} | ({"file": file} if file else {})
    submission = Submission("read", values, machine="n1", vault=vault.name)
    return services.submit(owner=owner, version=version, submission=submission).job


def ended(job: Job, within_s: float = 40) -> Job:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        job.refresh_from_db()
        if job.terminal:
            return job
        time.sleep(0.05)
    raise AssertionError(f"job {job.number} is {job.state} after {within_s} s: {job.reason}")


def data_of(spec: ContainerSpec) -> Path:
    return next(Path(mount.source) for mount in spec.mounts if mount.target == "/data")


@pytest.mark.django_db(transaction=True)
def test_a_jobs_files_come_from_the_bucket_and_go_back_and_what_can_not_is_a_result(
    owner: User, vault: Vault, object_store: ObjectStore, begin: Begin
) -> None:
    def program(spec: ContainerSpec) -> FakeProgram:
        data = data_of(spec)
        (data / "out.txt").write_bytes((data / "in.txt").read_bytes().upper() * len(spec.argv))
        if spec.argv[-1] == "/data/in.txt":
            object_store.empty(vault)
        return FakeProgram()

    object_store.put(vault, "site/in.txt", b"words")
    begin(FakeRuntime(program=program))
    job = ended(launch(owner, vault, "1"))
    assert (job.state, object_store.get(vault, "site/out.txt")) == (JobState.SUCCEEDED, b"WORDS" * 4)
    with vaults.open_file(vault, "out.txt") as file:
        assert file.read() == b"WORDS" * 4
    job = ended(launch(owner, vault, "1", file="in.txt"))
    assert (job.state, job.failure_class, job.exit_code) == (JobState.FAILED, FailureClass.INFRA, 0)
    assert "There is no bucket" in job.reason
    assert [one.path for one in Result.objects.filter(job=job)] == ["not-put-back/out.txt"]


@pytest.mark.django_db(transaction=True)
def test_a_job_whose_bucket_is_gone_before_it_starts_fails_with_the_reason(
    owner: User, vault: Vault, object_store: ObjectStore, begin: Begin
) -> None:
    job = launch(owner, vault, "true")
    object_store.empty(vault)
    runtime = FakeRuntime()
    begin(runtime)
    job = ended(job)
    assert (job.state, job.failure_class) == (JobState.FAILED, FailureClass.INFRA)
    assert job.reason.startswith("There is no bucket")
    assert runtime.owned("slipway.host", "one") == []


@pytest.mark.docker
@pytest.mark.django_db(transaction=True)
def test_a_real_container_reads_a_file_of_the_bucket_and_its_new_file_is_there_afterwards(
    owner: User, vault: Vault, object_store: ObjectStore, begin: Begin, tmp_path: Path
) -> None:
    runtime = DockerRuntime()
    try:
        pinned = runtime.image("slipway-python:bookworm", pull=False).pinned
        object_store.put(vault, "site/cases/in.txt", b"a dam breaks\n")
        script = (
            'test -w /data/cases && tr a-z A-Z <"$1" >/data/cases/out.txt && mkdir /data/d && ln -s /etc/passwd /data/l'
        )
        begin(runtime)
        job = ended(launch(owner, vault, script, file="cases/in.txt", pinned=pinned))
        assert (job.state, job.reason) == (JobState.SUCCEEDED, "Finished.")
        assert object_store.get(vault, "site/cases/out.txt") == b"A DAM BREAKS\n"
        assert object_store.keys(vault) == ["site/cases/in.txt", "site/cases/out.txt"]
        said = " ".join(job.events.values_list("message", flat=True))
        assert "Brought 1 file (13 bytes)" in said
        assert "Put 1 file (13 bytes) back" in said
        assert "1 file was not put back: 'l' (link)." in said
        until = time.monotonic() + 10
        while list((tmp_path / "work").rglob("in.txt")) and time.monotonic() < until:
            time.sleep(0.1)
        assert not list((tmp_path / "work").rglob("in.txt"))
    finally:
        runtime.close()
