"""Results as files: opened from the store, one at a time, never all in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO, cast

from django.core.files.storage import default_storage
from django.db.models import QuerySet

from jobs.models import Job, JobStage, Result
from jobs.states import Stage
from portal.errors import NotFound


def results_of(job: Job) -> QuerySet[Result]:
    """The results of the job itself, all of different `name_field(job)`.

    Of a job in stages that is what its assembler wrote; without one, the files of all tasks by their flat names, once all
    tasks have ended. What single tasks left is theirs alone.
    """
    if not job.in_stages:
        return job.results.all()
    if _assembled(job):
        return job.results.filter(task__stage=Stage.ASSEMBLE)
    return job.results.filter(task__stage=Stage.RUN).exclude(flat_name="")


def name_field(job: Job) -> str:
    """The column that names the results of a job: where nothing assembles, tasks may have one path twice."""
    return "flat_name" if job.in_stages and not _assembled(job) else "path"


def renamed(rows: Iterable[Result], field: str) -> list[Result]:
    """The rows with what the job calls them as their path, for lists, downloads and archives."""
    found = list(rows)
    for row in found:
        row.path = getattr(row, field)
    return found


def _assembled(job: Job) -> bool:
    return JobStage.objects.filter(job=job, stage=Stage.ASSEMBLE, version__isnull=False).exists()


def open_result(result: Result) -> BinaryIO:
    """The bytes of a result. Raises NotFound where it was skipped when collected, or removed since."""
    if not result.stored:
        why = (
            f"it was left out when the results were collected: {result.skipped}"
            if result.skipped
            else "nothing was stored"
        )
        raise NotFound(f"{result.path} can't be opened, because {why}.")
    try:
        return cast("BinaryIO", default_storage.open(result.stored, "rb"))
    except FileNotFoundError:
        raise NotFound(f"{result.path} is not in the store any more.") from None
