"""What Docker Engine streams, decoded: log entries and statistics. Pure; bounded memory."""

from __future__ import annotations

import calendar
import itertools
import json
import re
import struct
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from jobs.runtimes.base import LogLine, Usage

_HEADER = struct.Struct(">BxxxL")
_ENTRY_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z ")
_ENTRY_STAMP_BYTES = 31
_PIECE_BYTES = 16_384
_STAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z")


def since_parameter(stamp: str) -> str:
    """The engine's form of a stamp: seconds.nanoseconds. Text all the way: a float would lose the nanoseconds."""
    match = _STAMP.fullmatch(stamp)
    if match is None:
        raise ValueError(f"{stamp!r} is not a stamp of follow(): write it as 2026-01-31T12:00:00.000000000Z.")
    *date, fraction = match.groups()
    seconds = calendar.timegm(tuple(int(part) for part in date))
    return f"{seconds}.{(fraction or '').ljust(9, '0')}"


def log_lines(blocks: Iterable[bytes]) -> Iterator[LogLine]:
    """Log entries from blocks that may end anywhere: frames, or the plain text of a container with a terminal.

    A frame begins with a stream's number below 3, and plain text with the digits of its first stamp.
    """
    blocks = iter(blocks)
    first = next((block for block in blocks if block), b"")
    decode = _plain if first[:1].isdigit() else _frames
    yield from decode(itertools.chain((first,), blocks))


def _frames(blocks: Iterable[bytes]) -> Iterator[LogLine]:
    """Each frame is one log entry: its stamp, a blank, at most 16 KiB."""
    buffer = bytearray()
    for block in blocks:
        buffer += block
        start = 0
        while len(buffer) - start >= _HEADER.size:
            kind, length = _HEADER.unpack_from(buffer, start)
            end = start + _HEADER.size + length
            if len(buffer) < end:
                break
            stamp, _, data = bytes(buffer[start + _HEADER.size : end]).partition(b" ")
            stream: Literal["stdout", "stderr"] = "stderr" if kind == 2 else "stdout"
            yield LogLine(stamp=stamp.decode("ascii", "replace"), stream=stream, data=data)
            start = end
        del buffer[:start]


def _plain(blocks: Iterable[bytes]) -> Iterator[LogLine]:
    """Stamp, blank and text, one after another with nothing between: an entry ends with its line, or, where a line is
    longer than 16 KiB, where the next stamp stands. (Bytes that are no text are three each by now.)"""
    buffer = bytearray()
    for block in blocks:
        buffer += block
        start = 0
        while (end := _end_of_entry(buffer, start)) is not None:
            yield from _entry(buffer[start:end])
            start = end
        del buffer[:start]
    if buffer:
        yield from _entry(buffer)


def _end_of_entry(buffer: bytearray, start: int) -> int | None:
    text = start + _ENTRY_STAMP_BYTES
    newline = buffer.find(b"\n", text, text + 3 * _PIECE_BYTES + 1)
    if newline >= 0 and newline - text <= _PIECE_BYTES:
        return newline + 1
    longest = text + 3 * _PIECE_BYTES
    stamp = _ENTRY_STAMP.search(buffer, text + _PIECE_BYTES, longest + _ENTRY_STAMP_BYTES)
    if stamp is not None and not 0 <= newline < stamp.start():
        return stamp.start()
    if newline >= 0:
        return newline + 1
    return longest if len(buffer) >= longest + _ENTRY_STAMP_BYTES else None


def _entry(raw: bytearray) -> Iterator[LogLine]:
    """The pieces of an entry, each of at most 16 KiB."""
    stamp = bytes(raw[: _ENTRY_STAMP_BYTES - 1]).decode("ascii", "replace")
    data = bytes(raw[_ENTRY_STAMP_BYTES:])
    for start in range(0, max(1, len(data)), _PIECE_BYTES):
        yield LogLine(stamp=stamp, stream="stdout", data=data[start : start + _PIECE_BYTES])


def usages(blocks: Iterable[bytes]) -> Iterator[Usage]:
    """Samples from the statistics stream (one JSON object a line), until the engine has no more figures."""
    buffer, peak = b"", 0
    for block in blocks:
        *lines, buffer = (buffer + block).split(b"\n")
        for line in filter(None, lines):
            sample: dict[str, Any] = json.loads(line)
            memory = sample.get("memory_stats") or {}
            if "usage" not in memory:  # the container has ended, and the engine goes on with empty samples
                return
            working_set = _working_set(memory)
            peak = max(peak, working_set)
            yield Usage(
                cpu_s=sample["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
                memory_bytes=working_set,
                memory_peak_bytes=peak,
                pids=int((sample.get("pids_stats") or {}).get("current", 0)),
            )


def _working_set(memory: dict[str, Any]) -> int:
    """Usage without the page cache that the kernel would drop at once. total_inactive_file is control groups v1."""
    details = memory.get("stats") or {}
    inactive = details.get("total_inactive_file", details.get("inactive_file", 0))
    return max(0, int(memory["usage"]) - int(inactive))
