"""An attempt's folder on its host, and the container that a run plan becomes there."""

from __future__ import annotations

import base64
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from apps_catalog.launch.spec import RunPlan
from jobs import identity, uploads, vaults
from jobs.models import Attempt, Job, Upload
from jobs.runtimes.base import ContainerSpec, Mount, RuntimeFault, Tmpfs

INSTALLATION_LABEL = "slipway.installation"
HOST_LABEL = "slipway.host"


@dataclass(frozen=True)
class Given:
    """What a container is given besides its plan: host folders by kind of mount, and variables."""

    sources: Mapping[str, Path] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Folder:
    """work/<host>/<attempt>/{home,results,files}: home and results belong to the job's user, files to us, read-only in there.

    A stage has `base` in place of results, and `inputs`, which are ours too.
    """

    root: Path

    @classmethod
    def of(cls, attempt: Attempt, host_name: str) -> Folder:
        return cls(host_root(host_name) / attempt.name)

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def results(self) -> Path:
        return self.root / "results"

    @property
    def files(self) -> Path:
        return self.root / "files"

    @property
    def base(self) -> Path:
        return self.root / "job"

    @property
    def inputs(self) -> Path:
        return self.root / "inputs"

    def prepare(self, plan: RunPlan) -> None:
        """Make the folder and write the plan's files. Safe to repeat, also beside a container that has begun.

        Raises RuntimeFault(start_refused) where an uploaded file is gone.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o711)  # the job's user passes through to home and results, and lists nothing
        self.files.mkdir(
            mode=0o700, exist_ok=True
        )  # they hold secrets, and a container needs no way to what is mounted
        for mount in plan.mounts:
            if mount.kind in ("home", "results"):
                self._make(self.home if mount.kind == "home" else self.results, mount.target, plan)
        for number, file in enumerate(plan.files):
            target = self.files / str(number)
            if file.upload and not copied(plan):
                continue
            fresh = target.with_suffix(".new")  # a container that runs keeps the file it has
            if file.upload:
                shutil.copyfile(upload_path(file.upload), fresh)
            else:
                fresh.write_bytes(base64.b64decode(file.base64) if file.base64 else file.text.encode())
            fresh.chmod(file.mode)
            fresh.replace(target)

    def _make(self, folder: Path, target: str, plan: RunPlan) -> None:
        """A folder of the job's user; in a new one, places for the plan's files, which an engine would make as root."""
        if not folder.exists():
            folder.mkdir(mode=0o700)
            for file in plan.files:
                if file.path.startswith(f"{target}/") and ".." not in file.path.split("/"):
                    place = folder / file.path.removeprefix(f"{target}/")
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.touch()
                    for made in (place, *place.parents):
                        if made == folder:
                            break
                        give(made, plan)
        give(folder, plan)
        folder.chmod(0o2770 if os.geteuid() else 0o700)

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)


def give(path: Path, plan: RunPlan) -> None:
    """Let the job's user own it, where we may give things away."""
    if os.geteuid() == 0:
        os.chown(path, plan.uid, plan.gid, follow_symlinks=False)


def copied(plan: RunPlan) -> bool:
    """Whether the job's user is another than the one who may read the store, so that uploads are copied for it."""
    uid, gid = identity.run_ids()
    return plan.uid not in (0, uid) and plan.gid != gid


def host_root(host_name: str) -> Path:
    return settings.WORK_ROOT / host_name


def container(
    *,
    attempt: Attempt,
    job: Job,
    plan: RunPlan,
    folder: Folder,
    labels: Mapping[str, str],
    gpu_indexes: tuple[int, ...],
    given: Given | None = None,
) -> ContainerSpec:
    """The container of an attempt: the job's bound plan, with its mounts and files bound to this host's folders.

    Raises RuntimeFault(start_refused) for what must not start here.
    """
    _refuse(plan)
    limits = plan.limits
    given = given or Given()
    sources = {"home": folder.home, "results": folder.results, **given.sources}
    mounts = [Mount(str(sources[m.kind]), m.target, m.readonly) for m in plan.mounts if m.kind in sources]
    if job.vault is not None:
        root = str(vaults.mounted(job.vault, folder.root / "data"))
        mounts += [Mount(root, m.target, m.readonly) for m in plan.mounts if m.kind == "vault"]
    in_store = not copied(plan)
    mounts += [
        Mount(
            str(upload_path(file.upload) if file.upload and in_store else folder.files / str(number)),
            file.path,
            readonly=True,
        )
        for number, file in enumerate(plan.files)
    ]
    return ContainerSpec(
        name=attempt.name,
        image=plan.image,
        argv=plan.argv,
        env={**plan.env, "JOB_NAME": job.name, **given.env},
        uid=plan.uid,
        gid=plan.gid,
        workdir=plan.workdir,
        mounts=tuple(mounts),
        tmpfs=tuple(Tmpfs(m.target, max(limits.memory_mib // 2, 16)) for m in plan.mounts if m.kind == "tmp"),
        cores=limits.cores,
        memory_mib=limits.memory_mib,
        pids=limits.pids,
        gpu_indexes=gpu_indexes,
        network=limits.network,
        labels=labels,
        as_root=plan.runs_as_root,
        writable_root=plan.writable_root,
    )


def _refuse(plan: RunPlan) -> None:
    """What no submission should have let through, and what only the host can say."""
    reason = ""
    if plan.runs_as_root and os.geteuid():
        reason = (
            "This app is granted to run as root, which this host can't do: its worker does not run as root itself. "
            "Ask an operator to run one as root, or to take the grant back."
        )
    vaults_at = [m for m in plan.mounts if m.kind == "vault"]
    if plan.runs_as_root and any(not m.readonly for m in vaults_at):
        reason = "An app that runs as root may only read a vault. Launch it with the vault read only."
    for mount in vaults_at:
        if inside := next((f.path for f in plan.files if f"{f.path}/".startswith(f"{mount.target}/")), ""):
            reason = f"A file of this app would lie at {inside}, in the vault itself. Ask its author for another path."
    if reason:
        raise RuntimeFault(reason, code="start_refused", retry=False)


def upload_path(upload_id: str) -> Path:
    """Raises RuntimeFault where the bytes are gone: an engine would name a path that says nothing to the job's owner."""
    upload = Upload.objects.get(pk=uuid.UUID(upload_id))
    path = uploads.path_of(upload)
    if not path.is_file():
        gone = f"The uploaded file '{upload.name}' is not in the store any more. Upload it again and launch anew."
        raise RuntimeFault(gone, code="start_refused", retry=False)
    return path
