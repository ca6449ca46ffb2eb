"""The container that a slot keeps while it runs tasks of one stage: its name, its folder, and what is between two tasks.

Every task is a fresh process in it and finds what it would find in a container of its own: empty folders, its chunk, its
variables. Retries have a container of their own, and so has what is large, or granted more than others. Decision 0025.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from django.conf import settings

from apps_catalog.launch import harness
from apps_catalog.launch.spec import RunPlan
from apps_catalog.launch.stage_plan import START
from jobs.folders import Folder, give, host_root
from jobs.models import Attempt, Host, JobStage
from jobs.runtimes.base import POST, ContainerSpec, Handle, Kept, Mount, Runtime
from jobs.runtimes.posts import Record, records, tidy
from jobs.states import ATTEMPT_OPEN, AttemptState

logger = logging.getLogger(__name__)
LABEL = "slipway.kept"
KEEPER, REMAINS = "/opt/slipway/keeper.py", "/opt/slipway/remains.py"
CHUNK_BYTES_MAX = 16 * 2**20  # a copy is made of it; larger ones take so long that their container costs little
ENV = ("HOME", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")
_NAME = re.compile(r"-kept-h[0-9]+-m([0-9]+)-s([0-9]+)\Z")


@dataclass(frozen=True)
class Warm:
    """The kept container of one slot. `name` is the container's, and that of its folder."""

    name: str
    folder: Folder

    @classmethod
    def at(cls, prefix: str, host: Host, machine_id: int, slot: int) -> Warm:
        name = f"{prefix}-kept-h{host.pk}-m{machine_id}-s{slot}"
        return cls(name, Folder(host_root(host.name) / name))

    @classmethod
    def of(cls, attempt: Attempt) -> Warm:
        prefix = attempt.name.rsplit("-", 4)[0]  # job, stage, index and number follow
        return cls.at(prefix, attempt.host, attempt.task.machine_type_id, attempt.slot)

    @property
    def there(self) -> bool:
        return self.folder.root.exists()

    @property
    def post(self) -> Path:
        return self.folder.root / "post"

    def handle(self, name: str) -> Handle:
        return Handle(name, adopted=True, kept=Kept(self.name, str(self.post)))

    def asked(self, attempt: Attempt) -> bool:
        """Whether its keeper has been told to run this attempt, by whichever process."""
        return Record(self.post, attempt.name).asked

    def serves(self, attempt: Attempt) -> bool:
        """Whether it is kept for the stage that this attempt is of."""
        try:
            return self._for.read_text(encoding="ascii") == _stage_of(attempt)
        except OSError:
            return False

    @property
    def _for(self) -> Path:
        return self.folder.root / "for"

    def make_ready(self, attempt: Attempt, plan: RunPlan, runtime: Runtime) -> None:
        """Nothing of another attempt runs in it or lies in its folders any more. Raises RuntimeFault."""
        for record in records(self.post):
            runtime.remove(self.handle(record.name))
        if not self.empty():
            logger.warning("What a task left in %s can't be removed; it is made anew.", self.name)
            self.end(runtime)
        self.folder.root.mkdir(parents=True, exist_ok=True)
        self.post.mkdir(mode=0o700, exist_ok=True)
        tidy(self.post)
        give(self.post, plan)
        self.post.chmod(0o2770 if os.geteuid() else 0o700)
        if not self.serves(attempt):
            self._for.write_text(_stage_of(attempt), encoding="ascii")

    def empty(self) -> bool:
        """Take out what a task has left; the folders themselves are mounted. False where something stays."""
        for folder in (self.folder.home, self.folder.base):
            if not folder.is_dir():
                continue
            for path in folder.iterdir():
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
            if any(folder.iterdir()):
                return False
        return True

    def end(self, runtime: Runtime) -> None:
        """End the container with all that is in it, and forget its folder. Raises RuntimeFault."""
        runtime.remove(Handle(self.name))
        self.folder.remove()

    def around(self, spec: ContainerSpec, attempt: Attempt) -> ContainerSpec:
        """The spec of a task, as a process in this container. What differs in anything gets a container made anew."""
        scripts = {KEEPER: harness.KEEPER, REMAINS: harness.REMAINS}
        mounts = []
        for target, text in scripts.items():
            mounts.append(Mount(str(self._script(target, text)), target, readonly=True))
        kept = replace(
            spec,
            name=self.name,
            argv=("python3", KEEPER, POST, START),
            env={name: spec.env[name] for name in ENV if name in spec.env},
            mounts=(*spec.mounts, Mount(str(self.post), POST), *mounts),
        )
        told = f"{kept!r}\n{_stage_of(attempt)}\n{harness.TEXT}\n{harness.KEEPER}\n{harness.REMAINS}"
        labels: Mapping[str, str] = {**spec.labels, LABEL: hashlib.sha256(told.encode()).hexdigest()}
        return replace(spec, kept=replace(kept, labels=labels))

    def _script(self, target: str, text: str) -> Path:
        """The file of a script of ours, written once: each release has its own."""
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        script = self.folder.files / f"{digest}-{target.rpartition('/')[2]}"
        if not script.exists():
            fresh = script.with_suffix(".new")
            fresh.write_text(text, encoding="utf-8")
            fresh.chmod(0o444)
            fresh.replace(script)
        return script


def warm_for(attempt: Attempt, row: JobStage, plan: RunPlan, *, keeps: bool) -> Warm | None:
    """The kept container that an attempt of the stage `run` is to run in; None: it has one of its own."""
    warm = Warm.of(attempt)
    if warm.asked(attempt):
        return warm
    fits = (
        keeps
        and settings.WARM_CONTAINERS
        and attempt.state != AttemptState.RUNNING  # one that ran before we came has a container
        and attempt.number == 1
        and row.total > 1
        and (attempt.task.chunk_bytes or 0) <= CHUNK_BYTES_MAX
        and not plan.runs_as_root
        and not plan.writable_root
        and plan.nodes == 1
    )
    return warm if fits else None


def in_use(name: str, host: Host, grace_s: float) -> bool:
    """Whether a container or folder of this name is kept by a slot that has work, or had some a short while ago."""
    match = _NAME.search(name)
    if match is None:
        return False
    slot = {"task__machine_type_id": int(match[1]), "slot": int(match[2])}
    if Attempt.objects.filter(host=host, state__in=ATTEMPT_OPEN, **slot).exists():
        return True
    try:
        return time.time() - (host_root(host.name) / name / "post").stat().st_mtime < grace_s
    except OSError:
        return False


def _stage_of(attempt: Attempt) -> str:
    return f"{attempt.task.job_id} {attempt.task.stage}"
