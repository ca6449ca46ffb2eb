"""An attempt's log: rows of at most 64 KiB while it runs, one zstd file in the store afterwards.

Offsets count the bytes of the first lines (see preface) and those the program wrote, so they stay true when the
middle of a huge log is left out. What is kept
of a log over LOG_LIMIT_MIB is its head and its tail, with a mark between; nothing is cut silently.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import zstandard
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Min
from tenacity import Retrying, retry_if_exception_type, wait_fixed

from jobs import store
from jobs.events import CHANNEL
from jobs.models import Attempt, LogChunk
from jobs.runtimes.base import LogLine

CHUNK_BYTES = 64 * 1024
SMALL_BYTES = 16 * 1024
FLUSH_S = 0.2
CUT_STEP_BYTES = 2**20
# Rows, their total and the notice in one statement, which is a transaction of its own: every attempt writes a log.
WRITE = """
WITH written AS (
  INSERT INTO jobs_logchunk (attempt_id, sequence, "offset", data, stamp, repeats)
  SELECT %(attempt)s, %(sequence)s + made.number - 1, %(offset)s + (made.number - 1) * %(step)s, made.data, %(stamp)s, %(repeats)s
  FROM unnest(%(pieces)s::bytea[]) WITH ORDINALITY AS made(data, number)),
counted AS (UPDATE jobs_attempt SET log_bytes = %(total)s WHERE id = %(attempt)s)
SELECT pg_notify(%(channel)s, %(notice)s)
"""
GAP_MARK = b"\n[output was lost here while nobody could follow it]\n"


@dataclass(frozen=True)
class LogPiece:
    """Bytes of a log from `offset`; `next_offset` is where to go on. `cut`: this piece is the mark for a part left out."""

    data: bytes
    offset: int
    next_offset: int
    total: int
    closed: bool
    cut: bool = False


def cut_mark(size: int) -> bytes:
    return f"\n[{size / 2**20:.1f} MiB left out: the log is over {settings.LOG_LIMIT_MIB} MiB]\n".encode()


@dataclass
class LogWriter:
    """Takes an attempt's lines and writes them as rows. `add` is called by its follower, `flush` by the process's flusher."""

    attempt: Attempt
    limit_bytes: int = field(default_factory=lambda: settings.LOG_LIMIT_MIB * 2**20)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._buffer = bytearray()
        self._stamp, self._repeats = "", 0
        rows = LogChunk.objects.filter(attempt=self.attempt).order_by("-sequence")
        last = None if self.attempt.fresh else rows.first()
        self._sequence = last.sequence + 1 if last else 0
        self._offset = last.offset + len(last.data) if last else 0
        if last:
            self._stamp, self._repeats = last.stamp, last.repeats
        self._pending_since = 0.0
        self._finished = False
        self.resume()

    def begin(self, text: bytes) -> None:
        """What the log opens with. Nothing where it has begun: an adopted attempt has it already, in the first row or not at all."""
        with self._lock:
            if not self._sequence and not self._buffer:
                self._buffer += text
                self._pending_since = time.monotonic()

    def resume(self) -> None:
        """Be ready for a stream that begins again at `since`: what is kept of it is skipped."""
        with self._lock:
            self._resume, self._skip = self._stamp, self._repeats

    @property
    def since(self) -> str:
        """The stamp to follow from: of the last line that is kept."""
        return self._resume

    @property
    def total(self) -> int:
        return self._offset + len(self._buffer)

    def add(self, line: LogLine) -> bool:
        """Take a line, unless it is one that is kept already (the engine repeats from the stamp on). True: it wrote."""
        with self._lock:
            if self._finished:
                return False
            if self._resume:
                if line.stamp < self._resume:
                    return False
                if line.stamp == self._resume and self._skip:
                    self._skip -= 1
                    return False
                if self._skip == self._repeats and line.stamp > self._resume and self._sequence:
                    self._buffer += GAP_MARK  # the engine has rotated away what we would have gone on from
                self._resume = ""
            self._repeats = self._repeats + 1 if line.stamp == self._stamp else 1
            self._stamp = line.stamp
            self._buffer += line.data
            self._pending_since = self._pending_since or time.monotonic()
            full = len(self._buffer) >= 16 * CHUNK_BYTES
        if full:  # while the database is away the program's output waits in the engine, not in our memory
            Retrying(retry=retry_if_exception_type((OperationalError, InterfaceError)), wait=wait_fixed(1))(
                self.flush, force=True
            )
        return full

    def finish(self) -> None:
        """Write what waits, and take no more: the log is about to be closed."""
        self.flush(force=True)
        self._finished = True

    def flush(self, *, force: bool = False) -> bool:
        """Write what has waited for FLUSH_S (or all of it). True when something was written."""
        with self._lock:
            if not self._buffer or not (force or time.monotonic() - self._pending_since >= FLUSH_S):
                return False
            data = bytes(self._buffer)
            pieces = [data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES)]
            with connection.cursor() as cursor:
                cursor.execute(
                    WRITE,
                    {
                        "attempt": self.attempt.pk,
                        "sequence": self._sequence,
                        "offset": self._offset,
                        "step": CHUNK_BYTES,
                        "pieces": pieces,
                        "stamp": self._stamp,
                        "repeats": self._repeats,
                        "total": self._offset + len(data),
                        "channel": CHANNEL,
                        "notice": f"{self.attempt.task.job_id} log",
                    },
                )
            self._sequence += len(pieces)
            self._offset += len(data)
            self._buffer.clear()
            self._pending_since = 0.0
            self._cut_middle()
            return True

    def _cut_middle(self) -> None:
        """Keep the first and the last half of the limit; drop rows between, a step at a time."""
        half = self.limit_bytes // 2
        if self._offset <= self.limit_bytes + CUT_STEP_BYTES:
            return
        LogChunk.objects.filter(
            attempt=self.attempt, offset__gte=half, offset__lt=self._offset - half - CHUNK_BYTES
        ).delete()


def _runs(attempt: Attempt) -> list[tuple[int, int]]:
    """The kept ranges [from, to) of a log that is in rows: one, or two with a cut between."""
    if attempt.log_state != Attempt.LogState.ROWS:
        if attempt.log_cut_bytes:
            return [
                (0, attempt.log_cut_at),
                (attempt.log_cut_at + attempt.log_cut_bytes, attempt.log_bytes),
            ]
        return [(0, attempt.log_bytes)]
    half = settings.LOG_LIMIT_MIB * 2**20 // 2
    rows = LogChunk.objects.filter(attempt=attempt)
    head_end = _end(rows.filter(offset__lt=half))
    tail_start = rows.filter(offset__gte=half).aggregate(n=Min("offset"))["n"]
    if tail_start is None or tail_start == head_end:
        return [(0, max(head_end, _end(rows)))]
    return [(0, head_end), (tail_start, _end(rows))]


def _end(rows: object) -> int:
    last = rows.order_by("-sequence").first()  # type: ignore[attr-defined]
    return last.offset + len(last.data) if last else 0


def read(attempt: Attempt, offset: int, limit: int = 256 * 1024) -> LogPiece:
    """At most `limit` bytes from `offset`; where the middle is left out, the piece is the mark and goes past it."""
    closed = attempt.ended_at is not None
    runs = _runs(attempt)
    total = runs[-1][1]
    offset = max(offset, 0)
    for index, (start, end) in enumerate(runs):
        if offset < start:
            mark = cut_mark(start - runs[index - 1][1])
            return LogPiece(mark, offset, start, total, closed, cut=True)
        if offset < end:
            data = _bytes(attempt, offset, min(end, offset + limit), runs)
            return LogPiece(data, offset, offset + len(data), total, closed)
    return LogPiece(b"", total, total, total, closed)


def _bytes(attempt: Attempt, start: int, end: int, runs: list[tuple[int, int]]) -> bytes:
    if attempt.log_state == Attempt.LogState.GONE:
        return b""
    if attempt.log_state == Attempt.LogState.FILE:
        physical = start if start < runs[0][1] or len(runs) == 1 else start - (runs[1][0] - runs[0][1])
        with (
            default_storage.open(attempt.log_file) as packed,
            zstandard.ZstdDecompressor().stream_reader(packed) as plain,
        ):
            _skip(plain, physical)
            return _read_fully(plain, end - start)
    out = bytearray()
    rows = LogChunk.objects.filter(attempt=attempt, offset__gt=start - CHUNK_BYTES, offset__lt=end).order_by("sequence")
    for row in rows:
        data, first = bytes(row.data), row.offset
        out += data[max(start - first, 0) : max(end - first, 0)]
    return bytes(out)


def _skip(stream: Readable, size: int) -> None:
    while size > 0:
        got = len(stream.read(min(size, 2**20)) or b"")
        if not got:
            return
        size -= got


def _read_fully(stream: Readable, size: int) -> bytes:
    out = bytearray()
    while len(out) < size:
        data = stream.read(size - len(out))
        if not data:
            break
        out += data
    return bytes(out)


def pieces(attempt: Attempt) -> Iterator[bytes]:
    """The whole log as kept, marks included, a piece at a time: for a download."""
    if attempt.log_state == Attempt.LogState.FILE:
        yield from _unpacked(attempt)
        return
    offset = 0
    while True:
        piece = read(attempt, offset)
        if not piece.data:
            return
        yield piece.data
        offset = piece.next_offset


def _unpacked(attempt: Attempt) -> Iterator[bytes]:
    """A packed log in one pass: `read` would unpack it from its start for every piece."""
    runs = _runs(attempt)
    with default_storage.open(attempt.log_file) as packed, zstandard.ZstdDecompressor().stream_reader(packed) as plain:
        for index, (start, end) in enumerate(runs):
            if index:
                yield cut_mark(start - runs[index - 1][1])
            left = end - start
            while left and (data := plain.read(min(left, 256 * 1024))):
                left -= len(data)
                yield data


class Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class _Chunks(io.RawIOBase):
    """Rows read as one stream, so that a log is packed without being in memory."""

    def __init__(self, rows: Iterable[bytes]) -> None:
        self._rows, self._rest = iter(rows), b""

    def readable(self) -> bool:
        return True

    def readinto(self, into: object) -> int:
        view = memoryview(into)  # type: ignore[arg-type]
        if not self._rest:
            self._rest = next(self._rows, b"")
        size = min(len(view), len(self._rest))
        view[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def close(attempt: Attempt, writer: LogWriter | None = None) -> None:
    """Make one zstd file in the store of a finished log, and delete its rows (below 16 KiB it stays a row). Safe to repeat.

    `writer`, where there is one, has finished: what it has written is the whole log.
    """
    if writer is not None and writer.total <= SMALL_BYTES:
        return
    runs = _runs(attempt)
    total = runs[-1][1]
    if attempt.log_state != Attempt.LogState.ROWS or total <= SMALL_BYTES:
        return
    rows = LogChunk.objects.filter(attempt=attempt).order_by("sequence").values_list("data", flat=True)
    name = f"logs/{attempt.task.job_id}/{attempt.name}.zst"
    plain = io.BufferedReader(_Chunks(bytes(data) for data in rows.iterator(chunk_size=16)), CHUNK_BYTES)
    packed = zstandard.ZstdCompressor(level=3).stream_reader(plain)
    store.put(default_storage, name, iter(lambda: packed.read(CHUNK_BYTES), b""), limit_bytes=2 * total + SMALL_BYTES)
    cut = {"log_cut_at": runs[0][1], "log_cut_bytes": runs[1][0] - runs[0][1]} if len(runs) == 2 else {}
    with transaction.atomic():
        Attempt.objects.filter(pk=attempt.pk).update(
            log_state=Attempt.LogState.FILE, log_file=name, log_bytes=total, **cut
        )
        LogChunk.objects.filter(attempt=attempt).delete()
