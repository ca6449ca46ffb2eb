"""The files of all tasks in one flat folder, for an assembler to read: links into the store where possible, else copies."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage

from apps_catalog.launch.container import start
from jobs import identity
from jobs.models import Job, Result, Task
from jobs.states import Stage, TaskState
from portal.errors import NotFound

LOOK_EVERY = 500
Files = Iterable[tuple[str, Path]]


def files_of(job: Job) -> Iterator[tuple[str, Path]]:
    """The flat names of the tasks' files, and where they lie in the store."""
    rows = Result.objects.filter(job=job, task__stage=Stage.RUN).exclude(flat_name="").order_by("flat_name")
    for name, stored in rows.values_list("flat_name", "stored").iterator(chunk_size=2000):
        yield name, Path(default_storage.path(stored))


def gather(job: Job, into: Path, stopping: Callable[[], bool]) -> int:
    """Fill the folder anew; how many files it has. Raises NotFound where one is not in the store any more."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(mode=0o755, parents=True)
    count = 0
    for name, stored in files_of(job):
        if count % LOOK_EVERY == 0 and stopping():
            break
        try:
            link_or_copy(stored, into / name)
        except FileNotFoundError:
            raise NotFound(
                f"The result '{name}' of a task is not in the store any more, so nothing is assembled."
            ) from None
        count += 1
    return count


def tasks_of(job: Job) -> Iterator[dict[str, Any]]:
    """Of each task that finished, in the order of chunks: chunk, files (their flat names), and parameters where its chunk
    is a point of a sweep."""
    rows = Task.objects.filter(job=job, stage=Stage.RUN, state=TaskState.SUCCEEDED).order_by("index")
    names = Result.objects.filter(job=job, task__stage=Stage.RUN).exclude(flat_name="").order_by("task__index", "path")
    files: dict[int, list[str]] = {}
    for index, name in names.values_list("task__index", "flat_name").iterator(chunk_size=2000):
        files.setdefault(index, []).append(name)
    for index, chunk, size in rows.values_list("index", "chunk", "chunk_bytes").iterator(chunk_size=2000):
        point = _point_of(Path(default_storage.path(chunk)), size)
        yield {"chunk": index, "files": files.pop(index, []), **({"parameters": point} if point else {})}


def _point_of(chunk: Path, size: int | None) -> dict[str, Any]:
    """A chunk that is not in the store any more has told its task what it was."""
    if (size or 0) > start.POINT_BYTES_MAX:
        return {}
    try:
        return start.point_of(str(chunk))
    except FileNotFoundError:
        return {}


def missing_chunks(job: Job) -> list[int]:
    """The numbers of chunks whose tasks failed, where the job allows that."""
    rows = Task.objects.filter(job=job, stage=Stage.RUN).exclude(state=TaskState.SUCCEEDED)
    return list(rows.order_by("index").values_list("index", flat=True))


def link_or_copy(stored: Path, place: Path) -> None:
    """A file of the store, for the run user to read. Raises FileNotFoundError."""
    fd = os.open(stored, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        identity.share_file(fd)  # the run user reads it; it is mounted read-only
    finally:
        os.close(fd)
    try:
        os.link(stored, place)
    except OSError:
        shutil.copyfile(stored, place)
        place.chmod(0o644)
