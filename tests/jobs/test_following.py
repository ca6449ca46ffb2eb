"""Following a container's output where the engine's stream misbehaves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs import execute, folders, logs
from jobs.models import Attempt, LogChunk
from jobs.nodes import Nodes
from jobs.runtimes.base import Handle, LogLine
from jobs.runtimes.fake import FakeRuntime
from jobs.stage_work import Whole
from jobs.states import JobState
from jobs.tended import Here, Tended
from jobs.terminals.desk import Desk
from portal.people.models import User
from tests.factories import make_job

# The follower gives its connection back as it reads, which no open transaction survives.
pytestmark = pytest.mark.django_db(transaction=True)


def line(number: int) -> LogLine:
    return LogLine(f"2026-01-31T12:00:00.{number:09}Z", "stdout", (b"line %d " % number).ljust(100_000) + b"\n")


class Rotating(FakeRuntime):
    """Each stream ends after a hundred lines, though the log goes on; it begins with the line of `since`."""

    def follow(self, handle: Handle, since: str = "") -> Iterator[LogLine]:
        start = int(since[20:29]) if since else 0
        return (line(number) for number in range(start, min(start + 100, 250)))


def test_a_stream_that_ends_early_is_asked_again(owner: User) -> None:
    job = make_job(owner, state=JobState.RUNNING)
    attempt = Attempt.objects.get(task__job=job)
    folder = folders.Folder(Path("/nowhere"))
    work = Whole(attempt, job, folder, attempt.host.name, None, job.machine_type.name, disk_mib=0)
    tended = Tended(attempt, job, work, Nodes(attempt.name, 1), writer=logs.LogWriter(attempt))
    here = Here(
        host=attempt.host,
        runtime=Rotating(),
        labels={},
        tend=lambda _: None,
        release=lambda _: None,
        leaving=threading.Event(),
        desk=Desk(Rotating()),
    )
    execute._follow(tended, Handle("any"), here)
    assert tended.writer is not None
    tended.writer.finish()
    tended.writer.add(line(999))  # what comes after the end is not taken
    tended.writer.flush(force=True)
    kept = b"".join(bytes(data) for data in LogChunk.objects.order_by("sequence").values_list("data", flat=True))
    assert kept == b"".join(line(number).data for number in range(250))
