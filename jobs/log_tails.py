"""The last lines of a log, however long it is, without reading more of it than is needed or keeping more than is asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from jobs import logs
from jobs.models import Attempt, LogChunk

NEWLINE = b"\n"


def last_lines(attempt: Attempt, lines: int) -> bytes:
    """At most `lines` (1 or more) lines from the end, as they were written; one that has not ended yet counts."""
    if attempt.log_state == Attempt.LogState.ROWS:
        found = _from_the_end(attempt, lines)
        if found is not None:
            return found
    return _tail(logs.pieces(attempt), lines)


def _from_the_end(attempt: Attempt, lines: int) -> bytes | None:
    """From rows, the newest first. None where that reaches a part that was left out: then its mark belongs there too."""
    rows = LogChunk.objects.filter(attempt=attempt).order_by("-sequence")
    kept: deque[bytes] = deque()
    seen, begins = 0, None
    for row in rows.iterator(chunk_size=4):
        data = bytes(row.data)
        if begins is not None and row.offset + len(data) != begins:
            return None
        begins = row.offset
        kept.appendleft(data)
        seen += data.count(NEWLINE)
        if seen > lines:
            break
    else:
        if begins not in (None, 0):
            return None
    return _cut(b"".join(kept), lines)


def _tail(pieces: Iterable[bytes], lines: int) -> bytes:
    """In one pass, holding no more than the pieces that the last lines lie in."""
    kept: deque[tuple[bytes, int]] = deque()
    seen = 0
    for piece in pieces:
        count = piece.count(NEWLINE)
        kept.append((piece, count))
        seen += count
        while seen - kept[0][1] > lines:
            seen -= kept.popleft()[1]
    return _cut(b"".join(piece for piece, _ in kept), lines)


def _cut(data: bytes, lines: int) -> bytes:
    end = len(data) - 1 if data.endswith(NEWLINE) else len(data)
    for _ in range(lines):
        end = data.rfind(NEWLINE, 0, end)
        if end < 0:
            return data
    return data[end + 1 :]
