"""Logs: rows, resuming without gap or repeat, the cut of a huge one, the file in the store, reading by offset."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage, default_storage

from jobs import logs
from jobs.models import Attempt, LogChunk
from jobs.runtimes.base import LogLine
from jobs.states import JobState
from portal.errors import Full
from portal.people.models import User
from tests.factories import make_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def attempt(owner: User) -> Attempt:
    return Attempt.objects.get(task__job=make_job(owner, state=JobState.RUNNING))


def line(second: float, data: bytes) -> LogLine:
    return LogLine(f"2026-01-01T00:00:{second:012.9f}Z", "stdout", data)


def whole(attempt: Attempt) -> bytes:
    attempt.refresh_from_db()
    return b"".join(logs.pieces(attempt))


def test_what_is_written_is_read_back_by_offset(attempt: Attempt) -> None:
    writer = logs.LogWriter(attempt)
    text = b"".join(b"line %d\n" % n for n in range(20_000))
    writer.add(line(1, text))
    writer.flush(force=True)
    assert whole(attempt) == text
    piece = logs.read(attempt, 100_000, 50)
    assert (piece.data, piece.next_offset, piece.total) == (text[100_000:100_050], 100_050, len(text))
    assert all(len(row.data) <= logs.CHUNK_BYTES for row in LogChunk.objects.all())


def test_a_successor_skips_what_is_kept_and_loses_nothing(attempt: Attempt) -> None:
    stream = [line(1, b"a\n"), line(2, b"b\n"), line(2, b"b\n"), line(2, b"c\n"), line(3, b"d\n")]
    first = logs.LogWriter(attempt)
    for item in stream[:3]:
        first.add(item)
    first.flush(force=True)
    second = logs.LogWriter(attempt)
    assert second.since == stream[1].stamp
    for item in stream[1:]:
        second.add(item)
    second.flush(force=True)
    assert whole(attempt) == b"a\nb\nb\nc\nd\n"


def test_output_that_the_engine_has_dropped_is_marked(attempt: Attempt) -> None:
    first = logs.LogWriter(attempt)
    first.add(line(1, b"a\n"))
    first.flush(force=True)
    second = logs.LogWriter(attempt)
    second.add(line(5, b"z\n"))
    second.flush(force=True)
    assert whole(attempt) == b"a\n" + logs.GAP_MARK + b"z\n"


@pytest.mark.parametrize("size", [10, logs.SMALL_BYTES + 1, 300_000])
def test_closing_makes_one_file_and_says_the_same(attempt: Attempt, size: int) -> None:
    writer = logs.LogWriter(attempt)
    data = os.urandom(size)
    writer.add(line(1, data))
    writer.flush(force=True)
    logs.close(attempt)
    logs.close(Attempt.objects.get(pk=attempt.pk))
    assert whole(attempt) == data
    small = size <= logs.SMALL_BYTES
    assert attempt.log_state == ("rows" if small else "file")
    assert LogChunk.objects.exists() is small
    assert logs.read(attempt, size - 5, 3).data == data[-5:-2]


def test_a_huge_log_keeps_head_and_tail_with_a_mark_between(attempt: Attempt, settings: Any) -> None:
    settings.LOG_LIMIT_MIB = 2
    writer = logs.LogWriter(attempt)
    total = 0
    for number in range(100):
        piece = (b"%06d\n" % number) * 10_000
        writer.add(line(number / 10, piece))
        writer.flush(force=True)
        total += len(piece)
    for closed in (False, True):
        if closed:
            logs.close(attempt)
        text = whole(attempt)
        assert text.startswith(b"000000\n")
        assert text.endswith(b"000099\n")
        assert b"MiB left out" in text
        assert len(text) < 4 * 2**20
        assert logs.read(attempt, total - 7).data == b"000099\n"
        middle = logs.read(attempt, total // 2)
        assert middle.cut
        assert middle.next_offset > total // 2


def test_only_a_line_that_fills_the_buffer_is_written_by_who_adds_it(attempt: Attempt) -> None:
    writer = logs.LogWriter(attempt)
    assert writer.add(line(1, b"a\n")) is False
    assert writer.add(line(2, b"b" * 16 * logs.CHUNK_BYTES)) is True
    assert logs.read(attempt, 0, 3).data == b"a\nb"


def test_a_store_that_is_full_leaves_no_half_file_and_the_rows(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = logs.LogWriter(attempt)
    data = os.urandom(300_000)
    writer.add(line(1, data))
    writer.flush(force=True)

    def full(store: FileSystemStorage, name: str, content: Any) -> str:
        half = Path(store.path(name))
        half.parent.mkdir(parents=True)
        half.write_bytes(next(content.chunks()))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FileSystemStorage, "save", full)
    with pytest.raises(Full):
        logs.close(attempt)
    assert not default_storage.exists(f"logs/{attempt.task.job_id}/{attempt.name}.zst")
    assert whole(attempt) == data


def test_an_empty_log_is_empty(attempt: Attempt) -> None:
    logs.close(attempt)
    piece = logs.read(attempt, 0)
    assert (piece.data, piece.total, piece.closed) == (b"", 0, False)


def test_the_opening_is_written_once_by_whoever_comes_first(attempt: Attempt) -> None:
    killed = logs.LogWriter(attempt)
    killed.begin(b"opening\n")  # and never written
    first = logs.LogWriter(attempt)
    first.begin(b"opening\n")
    assert (first.since, first.total) == ("", 8)
    first.flush(force=True)
    second = logs.LogWriter(attempt)
    second.begin(b"opening\n")
    assert second.since == ""  # none of the program's lines is kept: it follows from the start
    second.add(line(1, b"a\n"))
    second.flush(force=True)
    third = logs.LogWriter(attempt)
    third.begin(b"opening\n")
    for item in (line(1, b"a\n"), line(2, b"b\n")):
        third.add(item)
    third.flush(force=True)
    assert whole(attempt) == b"opening\na\nb\n"
    assert attempt.log_bytes == 12
