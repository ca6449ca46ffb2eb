"""An attempt's folder: written twice without harm, its files closed to others, and what must not start."""

from __future__ import annotations

import base64
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps_catalog.launch.spec import PlanFile, PlanMount, RunPlan
from jobs import folders, identity, uploads
from jobs.folders import Folder
from jobs.models import Attempt, Job, Upload, Vault
from jobs.runtimes.base import ContainerSpec, RuntimeFault
from jobs.runtimes.docker_config import container_config
from jobs.vaults import root_of
from portal.people.models import User
from tests.factories import make_job, make_vault
from tests.jobs.test_job_values import PLAN

pytestmark = pytest.mark.django_db
HOME = PlanMount("home", "/home/sim")
RESULTS = PlanMount("results", "/results")


def planned(*files: PlanFile, **over: Any) -> RunPlan:
    uid, gid = identity.run_ids()
    fields: dict[str, Any] = {"files": files, "mounts": (HOME, RESULTS), "uid": uid, "gid": gid}
    return replace(RunPlan.from_json(PLAN), **fields | over)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "attempt")


def bound(owner: User, plan: RunPlan, folder: Folder, vault: Vault | None = None) -> ContainerSpec:
    job: Job = make_job(owner, vault=vault)
    attempt = Attempt(name="slipway-test-1")
    return folders.container(attempt=attempt, job=job, plan=plan, folder=folder, labels={}, gpu_indexes=())


def test_files_are_written_with_their_modes_and_may_be_written_again(folder: Folder) -> None:
    script = PlanFile("/opt/run.sh", text="#!/bin/sh\n", mode=0o555)
    binary = PlanFile("/opt/x", base64=base64.b64encode(b"\0\xff").decode())
    folder.prepare(planned(PlanFile("/etc/JARVICE/nodes", text="a\r\nb\n"), script, binary))
    held = (folder.files / "0").open("rb")  # as a container holds it
    (folder.home / "mine").write_text("kept")
    folder.prepare(planned(PlanFile("/etc/JARVICE/nodes", text="other"), script, binary))
    with held:
        assert held.read() == b"a\r\nb\n"
    assert (folder.files / "0").read_bytes() == b"other"
    assert (folder.files / "2").read_bytes() == b"\0\xff"
    assert [(folder.files / str(n)).stat().st_mode & 0o777 for n in range(2)] == [0o444, 0o555]
    assert folder.files.stat().st_mode & 0o777 == 0o700
    assert (folder.home / "mine").read_text() == "kept"
    assert sorted(path.name for path in folder.files.iterdir()) == ["0", "1", "2"]


def test_a_file_below_home_has_its_place_made_for_the_jobs_user(folder: Folder) -> None:
    folder.prepare(planned(PlanFile("/home/sim/bin/run.sh", text="x"), PlanFile("/results/a", text="y")))
    uid, gid = identity.run_ids()
    for path in ("home/bin", "home/bin/run.sh", "results/a"):
        there = (folder.root / path).stat()
        assert (there.st_uid, there.st_gid) == (uid, gid), path


def test_a_path_that_leads_out_of_home_makes_nothing_and_never_starts(
    owner: User, folder: Folder, tmp_path: Path
) -> None:
    plan = planned(PlanFile("/home/sim/../../../outside/run.sh", text="x"))
    folder.prepare(plan)
    assert not (tmp_path / "outside").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["attempt"]
    with pytest.raises(RuntimeFault, match="not an absolute path"):
        container_config(bound(owner, plan, folder))


def test_what_a_container_put_in_the_way_is_not_followed(folder: Folder, tmp_path: Path) -> None:
    """Adopted: home is there already, and its content is the job's."""
    folder.prepare(planned())
    (tmp_path / "outside").mkdir()
    (folder.home / "bin").symlink_to(tmp_path / "outside")
    folder.prepare(planned(PlanFile("/home/sim/bin/run.sh", text="x")))
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.fixture
def upload(owner: User, in_folders: Path) -> Upload:
    return uploads.receive(owner=owner, name="mesh.yaml", chunks=[b"mesh"], limit_bytes=9)


def test_an_upload_is_mounted_where_it_lies_and_copied_for_another_user(
    owner: User, folder: Folder, upload: Upload
) -> None:
    file = PlanFile("/opt/mesh.yaml", upload=str(upload.pk))
    plan = planned(file)
    folder.prepare(plan)
    assert [mount.source for mount in bound(owner, plan, folder).mounts if mount.target == file.path] == [
        str(uploads.path_of(upload))
    ]
    if os.geteuid():
        return  # another user is refused before it comes to this
    other = planned(file, uid=2000, gid=2001)
    folder.prepare(other)
    assert (folder.files / "0").read_bytes() == b"mesh"
    assert (folder.files / "0").stat().st_mode & 0o777 == 0o444
    assert (folder.home.stat().st_uid, folder.home.stat().st_gid) == (2000, 2001)
    mount = next(mount for mount in bound(owner, other, folder).mounts if mount.target == file.path)
    assert (mount.source, mount.readonly) == (str(folder.files / "0"), True)


def test_an_upload_that_is_gone_is_named(owner: User, folder: Folder, upload: Upload) -> None:
    uploads.path_of(upload).unlink()
    with pytest.raises(RuntimeFault, match=r"mesh\.yaml"):
        bound(owner, planned(PlanFile("/opt/mesh.yaml", upload=str(upload.pk))), folder)


def test_profiles_are_passed_on_as_they_are_granted(
    owner: User, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    root = bound(owner, planned(uid=0, gid=0, runs_as_root=True, writable_root=True), folder)
    assert (root.as_root, root.writable_root, root.uid, root.gid) == (True, True, 0, 0)
    plain = bound(owner, planned(uid=505, gid=505), folder)
    assert (plain.as_root, plain.writable_root) == (False, False)


@pytest.mark.parametrize(
    ("over", "euid", "said"),
    [
        ({"runs_as_root": True, "uid": 0, "gid": 0}, 1000, "worker does not run as root"),
        ({"runs_as_root": True, "uid": 0, "gid": 0, "mounts": (HOME, PlanMount("vault", "/data"))}, 0, "only read"),
        ({"files": (PlanFile("/data/run.sh", text="x"),), "mounts": (HOME, PlanMount("vault", "/data"))}, 505, "in the vault"),
        ({"files": (PlanFile("/data", text="x"),), "mounts": (HOME, PlanMount("vault", "/data"))}, 505, "in the vault"),
    ],
)  # fmt: skip
def test_what_must_not_start_here_is_said(
    owner: User, folder: Folder, monkeypatch: pytest.MonkeyPatch, over: dict[str, Any], euid: int, said: str
) -> None:
    vault = make_vault(owner)
    root_of(vault)
    monkeypatch.setattr(os, "geteuid", lambda: euid)
    with pytest.raises(RuntimeFault, match=said) as caught:
        bound(owner, planned(**over), folder, vault)
    assert (caught.value.code, caught.value.retry) == ("start_refused", False)
