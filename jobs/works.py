"""Which work an attempt is: by the stage of its task, and by whether its slot keeps a container for it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from typing import ClassVar, cast

from apps_catalog.launch.spec import RunPlan
from apps_catalog.launch.stage_plan import CHUNK
from jobs.care import Care
from jobs.folders import Folder, Given
from jobs.job_rows import Rows
from jobs.models import Attempt
from jobs.runtimes.base import ContainerSpec, Handle, Runtime
from jobs.stage_work import WORK, Run, Whole, Work
from jobs.states import Stage
from jobs.warm import Warm, warm_for


@dataclass(frozen=True)
class KeptRun(Run):
    """The same in a container that its slot keeps: its folder is the slot's, its chunk a copy."""

    shared: ClassVar[bool] = True
    warm: Warm = field(kw_only=True)

    @property
    def handle(self) -> Handle:
        return self.warm.handle(self.attempt.name)

    @property
    def begun(self) -> bool:
        return self.warm.asked(self.attempt)

    def make_ready(self, runtime: Runtime) -> None:
        self.warm.make_ready(self.attempt, cast("RunPlan", self.plan), runtime)

    def own(self, care: Care) -> Given:
        given = super().own(care)
        chunk = self._place(CHUNK)
        chunk.unlink(missing_ok=True)
        shutil.copyfile(given.sources["chunk"], chunk)
        if os.geteuid() == 0:
            os.chown(chunk, 0, 0)
        chunk.chmod(0o444)
        return Given(env=given.env)

    def fit(self, spec: ContainerSpec) -> ContainerSpec:
        return self.warm.around(spec, self.attempt)

    def clear(self) -> None:
        self.warm.empty()


def work_of(attempt: Attempt, rows: Rows, folder: Folder, host: str, *, keeps: bool = False) -> Work:
    """The work of an attempt, by the stage of its task. `keeps`: whether its runtime keeps containers."""
    job, row = rows.job, rows.stage
    if row is None:
        plan = RunPlan.from_json(job.plan)
        return Whole(attempt, job, folder, host, plan, job.machine_type.name, plan.limits.disk_mib)
    stage_plan = RunPlan.from_json(row.plan) if row.plan else None
    machine = row.machine_type
    stage = Stage(attempt.task.stage)
    warm = warm_for(attempt, row, stage_plan, keeps=keeps) if stage == Stage.RUN and stage_plan is not None else None
    if warm is not None:
        return KeptRun(attempt, job, warm.folder, host, stage_plan, machine.name, machine.disk_mib, row=row, warm=warm)
    return WORK[stage](attempt, job, folder, host, stage_plan, machine.name, machine.disk_mib, row=row)
