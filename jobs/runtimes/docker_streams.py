"""What Docker Engine streams, decoded: multiplexed log frames and statistics. Pure; bounded memory."""

from __future__ import annotations

import calendar
import json
import re
import struct
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from jobs.runtimes.base import LogLine, Usage

_HEADER = struct.Struct(">BxxxL")
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
    """Frames from blocks that may end anywhere. Each frame is one log entry: its stamp, a blank, at most 16 KiB."""
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
