"""An attempt's folder on its host, and the container that a run plan becomes there."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from apps_catalog.launch.spec import RunPlan
from jobs import uploads, vaults
from jobs.models import Attempt, Job, Upload
from jobs.runtimes.base import ContainerSpec, Mount, RuntimeFault, Tmpfs

INSTALLATION_LABEL = "slipway.installation"
HOST_LABEL = "slipway.host"


@dataclass(frozen=True)
class Folder:
    """work/<host>/<attempt>/{home,results,files}: home and results belong to the job's user, files to us, read-only in there."""

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

    def prepare(self, plan: RunPlan) -> None:
        """Make the folder and write the plan's files. Safe to repeat."""
        self.files.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o711)  # the job's user passes through to home and results, and lists nothing
        for folder in (self.home, self.results):
            folder.mkdir(exist_ok=True)
            if os.geteuid() == 0:
                os.chown(folder, plan.uid, plan.gid)
            folder.chmod(0o2770 if os.geteuid() else 0o700)
        for number, file in enumerate(plan.files):
            if not file.upload:
                path = self.files / str(number)
                path.write_text(file.text, encoding="utf-8", newline="")
                path.chmod(file.mode)

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)


def host_root(host_name: str) -> Path:
    return settings.WORK_ROOT / host_name


def container(
    *, attempt: Attempt, job: Job, folder: Folder, labels: Mapping[str, str], gpu_indexes: tuple[int, ...]
) -> ContainerSpec:
    """The container of an attempt: the plan, with its mounts and files bound to this host's folders."""
    plan = RunPlan.from_json(job.plan)
    limits = plan.limits
    sources = {"home": folder.home, "results": folder.results}
    mounts = [Mount(str(sources[m.kind]), m.target, m.readonly) for m in plan.mounts if m.kind in sources]
    if job.vault is not None:
        root = str(vaults.mounted(job.vault, folder.root / "data"))
        mounts += [Mount(root, m.target, m.readonly) for m in plan.mounts if m.kind == "vault"]
    mounts += [
        Mount(str(upload_path(file.upload) if file.upload else folder.files / str(number)), file.path, readonly=True)
        for number, file in enumerate(plan.files)
    ]
    return ContainerSpec(
        name=attempt.name,
        image=plan.image,
        argv=plan.argv,
        env={**plan.env, "JOB_NAME": job.name},
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
    )


def upload_path(upload_id: str) -> Path:
    """Raises RuntimeFault where the bytes are gone: an engine would name a path that says nothing to the job's owner."""
    upload = Upload.objects.get(pk=uuid.UUID(upload_id))
    path = uploads.path_of(upload)
    if not path.is_file():
        gone = f"The uploaded file '{upload.name}' is not in the store any more. Upload it again and launch anew."
        raise RuntimeFault(gone, code="start_refused", retry=False)
    return path
