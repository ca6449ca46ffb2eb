"""Jobs of several nodes: their shares, their names and keys, and that nothing of them is left, over the fake runtime."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key

from jobs import node_keys, nodes
from jobs.models import JobEvent, MachineType
from jobs.nodes import Nodes
from jobs.runtimes.base import ContainerSpec, RuntimeFault, Tmpfs
from jobs.runtimes.fake import FakeProgram, FakeRuntime, by_words
from jobs.slots import Slots
from jobs.states import FailureClass, JobState
from portal.people.models import User
from tests.apps_catalog.launch.generate import launch as make_launch
from tests.apps_catalog.launch.generate import read, site
from tests.factories import DEFINITION, make_machine
from tests.jobs.test_slots import Start, ended, launch, running, start

__all__ = ["start"]  # a fixture

ALONE = ContainerSpec(
    "slipway-test-1-run-0-1",
    "image",
    ("/usr/bin/solve", "a b", "$(id)"),
    {"HOME": "/home/nimbix"},
    505,
    505,
    "/tmp",
    tmpfs=(Tmpfs("/tmp", 512),),
    cores=4,
    memory_mib=1024,
    gpu_indexes=(4, 5, 6, 7, 8),
)


# -- what each node is ------------------------------------------------------------------------------------------------


def shared(tmp_path: Path, count: int) -> tuple[ContainerSpec, tuple[ContainerSpec, ...]]:
    from dataclasses import replace

    from apps_catalog.launch.plan import plan

    planned = plan(make_launch(read(DEFINITION), {"darts": 100}, "throw"), site())
    limits = replace(planned.limits, cores=4, memory_mib=1024, gpus=3, slave_memory_mib=256, slave_gpus=1)
    planned = replace(planned, nodes=count, limits=limits)
    return Nodes(ALONE.name, count).share(ALONE, planned, tmp_path / "keys")


def test_each_node_has_its_share_and_its_own_gpus(tmp_path: Path) -> None:
    master, slaves = shared(tmp_path, 3)
    assert [one.name for one in (master, *slaves)] == [ALONE.name, f"{ALONE.name}-n2", f"{ALONE.name}-n3"]
    assert [one.hostname for one in (master, *slaves)] == ["node1", "node2", "node3"] == list(nodes.hosts(3))
    assert [one.memory_mib for one in (master, *slaves)] == [1024, 256, 256]
    assert [one.gpu_indexes for one in (master, *slaves)] == [(4, 5, 6), (7,), (8,)]
    assert [one.tmpfs[0].size_mib for one in (master, *slaves)] == [512, 128, 128]
    assert {one.cores for one in (master, *slaves)} == {4}
    assert {one.private_network for one in (master, *slaves)} == {ALONE.name}
    assert {one.mounts for one in slaves} == {master.mounts}
    assert {nodes.attempt_of(one.name) for one in (master, *slaves)} == {ALONE.name}


def test_the_masters_words_stay_words(tmp_path: Path) -> None:
    master, slaves = shared(tmp_path, 2)
    assert master.argv[-4:] == ("sh", *ALONE.argv)
    assert "solve" not in master.argv[2]
    assert slaves[0].argv == ("/bin/sh", "/etc/JARVICE/ssh/sshd.sh", "-D", "-e")


def test_one_node_is_as_it_was_but_for_the_gpus_of_others(tmp_path: Path) -> None:
    master, slaves = shared(tmp_path, 1)
    assert (master.argv, master.private_network, master.mounts, slaves) == (ALONE.argv, "", (), ())
    assert master.gpu_indexes == (4, 5, 6)
    assert not (tmp_path / "keys").exists()
    assert nodes.hosts(1) == ("localhost",)


@pytest.mark.parametrize(
    ("gpus", "slave_gpus", "nodes_max", "needs"),
    [(2, None, 1, 2), (2, None, 3, 6), (2, 0, 3, 2), (1, 4, 2, 5), (0, None, 9, 0)],
)
def test_a_slot_holds_the_gpus_of_the_largest_job(
    gpus: int, slave_gpus: int | None, nodes_max: int, needs: int
) -> None:
    assert nodes.gpus_of_slot(MachineType(gpus=gpus, slave_gpus=slave_gpus, nodes_max=nodes_max)) == needs


# -- keys -------------------------------------------------------------------------------------------------------------


def test_keys_are_made_once_and_fit_one_another(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    node_keys.make(folder, ("node1", "node2"), uid=505, gid=505)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    node_keys.make(folder, ("node1", "node2"), uid=505, gid=505)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    user = load_ssh_private_key(first["user_key"], None)
    host = load_ssh_private_key(first["host_key"], None)
    known, _, key = first["known_hosts"].decode().partition(" ")
    assert user.public_key() == load_ssh_public_key(first["authorized_keys"])
    assert host.public_key() == load_ssh_public_key(key.encode())
    assert {"node1", "node2", "[node1]:2222", "[node2]:2222"} <= set(known.split(","))
    assert user.public_key() != host.public_key()


def test_keys_half_made_are_made_anew(tmp_path: Path) -> None:
    (tmp_path / "keys.new").mkdir()
    (tmp_path / "keys.new" / "host_key").write_text("half")
    node_keys.make(tmp_path / "keys", ("node1", "node2"), uid=505, gid=505)
    assert load_ssh_private_key((tmp_path / "keys" / "host_key").read_bytes(), None)
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


# -- whole jobs -------------------------------------------------------------------------------------------------------


@pytest.fixture
def pair(db: None) -> MachineType:
    return make_machine("n2", nodes_max=3, slave_ram_mib=64, ram_mib=128)


def nothing_left(runtime: FakeRuntime, slots: Slots) -> bool:
    from jobs.folders import HOST_LABEL, host_root

    host = slots.host.name
    left = runtime.owned(HOST_LABEL, host) or runtime.owned_networks(HOST_LABEL, host)
    return not left and not list(host_root(host).glob("slipway-*"))


@pytest.mark.django_db(transaction=True)
def test_a_job_of_three_nodes_starts_its_slaves_first_and_leaves_nothing(
    owner: User, start: Start, pair: MachineType
) -> None:
    runtime = FakeRuntime(program=sshd_or(FakeProgram(duration_s=0.2)))
    slots = start(runtime, n2=1)
    job = ended(launch(owner, "n2", nodes=3))
    assert job.state == JobState.SUCCEEDED, job.reason
    assert [spec.hostname for spec in runtime.started][-1] == "node1"
    assert {spec.hostname for spec in runtime.started} == {"node1", "node2", "node3"}
    assert {spec.hostname: spec.memory_mib for spec in runtime.started} == {"node1": 128, "node2": 64, "node3": 64}
    eventually_nothing(runtime, slots)


@pytest.mark.django_db(transaction=True)
def test_an_image_without_sshd_fails_before_the_program_runs(owner: User, start: Start, pair: MachineType) -> None:
    runtime = FakeRuntime(program=lambda spec: FakeProgram(exit_code=127))
    slots = start(runtime, n2=1)
    job = ended(launch(owner, "n2", nodes=2))
    assert (job.state, job.failure_class) == (JobState.FAILED, FailureClass.USER)
    assert "has no /usr/sbin/sshd. Install openssh-server" in job.reason
    assert [spec.hostname for spec in runtime.started] == ["node2"]
    eventually_nothing(runtime, slots)


@pytest.mark.django_db(transaction=True)
def test_an_sshd_that_does_not_start_is_quoted(owner: User, start: Start, pair: MachineType) -> None:
    said = FakeProgram(exit_code=255, lines=(("stderr", b"Missing privilege separation directory\n"),))
    start(FakeRuntime(program=lambda spec: said), n2=1)
    job = ended(launch(owner, "n2", nodes=2))
    assert job.failure_class == FailureClass.USER
    assert "did not start on node2: Missing privilege separation directory. See to it" in job.reason


@pytest.mark.django_db(transaction=True)
def test_a_slave_that_ends_early_is_told_of_and_does_not_end_the_job(
    owner: User, start: Start, pair: MachineType
) -> None:
    runtime = FakeRuntime(program=sshd_or(FakeProgram(duration_s=2)))
    start(runtime, n2=1)
    job = launch(owner, "n2", nodes=2)
    runtime.kill(f"{running(job).name}-n2")
    job = ended(job)
    assert job.state == JobState.SUCCEEDED
    event = JobEvent.objects.get(job=job, kind="node")
    assert event.message == "node2 had ended before the program did, with exit code 137."


@pytest.mark.django_db(transaction=True)
def test_cancel_ends_all_nodes(owner: User, start: Start, pair: MachineType) -> None:
    from jobs import services

    runtime = FakeRuntime(program=sshd_or(FakeProgram(duration_s=60)))
    slots = start(runtime, n2=1)
    job = launch(owner, "n2", nodes=3)
    running(job)
    services.cancel(job=job, actor=owner)
    assert ended(job).state == JobState.CANCELLED
    eventually_nothing(runtime, slots)


@pytest.mark.django_db(transaction=True)
def test_no_room_for_a_network_is_ours_and_tried_again(owner: User, start: Start, pair: MachineType) -> None:
    class Crowded(FakeRuntime):
        def make_network(self, name: str, labels: object, *, size: int) -> None:
            raise RuntimeFault("No subnet is free.", code="start_refused", retry=True)

    start(Crowded(), n2=1)
    job = launch(owner, "n2", nodes=2)
    retried = JobEvent.objects.filter(job=job, kind="retry")
    eventually(retried.exists)
    assert "No subnet is free. Trying again" in retried.first().message  # type: ignore[union-attr]


def sshd_or(does: FakeProgram) -> object:
    return lambda spec: by_words(spec) if spec.argv[-2:] == ("-D", "-e") else does


def eventually_nothing(runtime: FakeRuntime, slots: Slots) -> None:
    eventually(lambda: nothing_left(runtime, slots))


def eventually(found: object) -> None:
    import time

    until = time.monotonic() + 10
    while not found():  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(0.02)
