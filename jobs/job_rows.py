"""A job's rows as executions read them; those of a fan-out are kept for a moment, for thousands of tasks read the same."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from apps_catalog.models import bulk
from jobs.models import Job, JobStage, Task
from jobs.states import Stage

# What a task of the stage `run` reads in them is fixed when the job is submitted; the rest may be this old.
KEPT_S = 5.0
KEPT_MOST = 32


@dataclass(frozen=True)
class Rows:
    """`stage` is None where the job has no stages. Shared by threads, so never written to."""

    job: Job
    stage: JobStage | None


@dataclass
class JobRows:
    clock: Callable[[], float] = time.monotonic  # in seconds
    # By the job's number, each with when it is too old.
    _kept: dict[int, tuple[float, Rows]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, task: Task) -> Rows:
        """The rows of a task's job and stage."""
        if task.stage == Stage.RUN and (kept := self._kept.get(task.job_id)) and self.clock() < kept[0]:
            return kept[1]
        rows = _read(task)
        if task.stage == Stage.RUN and rows.stage is not None:
            self._keep(task.job_id, rows)
        return rows

    def _keep(self, number: int, rows: Rows) -> None:
        now = self.clock()
        with self._lock:
            for other in [one for one, (until, _) in self._kept.items() if until <= now]:
                del self._kept[other]
            if len(self._kept) < KEPT_MOST:
                self._kept[number] = now + KEPT_S, rows


def _read(task: Task) -> Rows:
    jobs = Job.objects.select_related("vault", "version__app", "owner", "machine_type").defer(*bulk("version__"))
    job = jobs.get(pk=task.job_id)
    if not job.in_stages:
        return Rows(job, None)
    stages = JobStage.objects.select_related("version__app", "machine_type").defer(*bulk("version__"))
    return Rows(job, stages.get(job=job, stage=task.stage))
