"""Whole jobs on object vaults: files come from the bucket, and go back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from apps_catalog.launch.spec import Submission
from jobs import putting_back, services, staging, vault_objects, vaults
from jobs.models import Host, Job, Result, Vault
from jobs.outcomes import Outcome
from jobs.runtimes.base import ContainerSpec
from jobs.runtimes.docker import DockerRuntime
from jobs.runtimes.fake import FakeProgram, FakeRuntime
from jobs.slots import Slots
from jobs.states import FailureClass, JobState
from portal.people.models import User
from tests.factories import make_host, make_machine, make_version
from tests.jobs.object_store import ObjectStore
from tests.jobs.staging import READER

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
GOOD = Outcome(None, "Finished.", 0)


@pytest.fixture
def vault(owner: User, object_store: ObjectStore) -> Vault:
    vault_objects._away.clear()
    return object_store.vault(owner, prefix="site/")


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "BRING_PATIENCE_S", 2.0)
    monkeypatch.setattr(putting_back, "PUT_PATIENCE_S", 2.0)


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
    over: dict[str, Any] = {"image_pinned": pinned} if pinned else {}
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
