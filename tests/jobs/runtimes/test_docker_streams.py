"""What the engine streams is read right wherever its blocks end, and in bounded memory."""

from __future__ import annotations

import json
import struct
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.runtimes.base import LogLine
from jobs.runtimes.docker_streams import log_lines, since_parameter, usages

STAMP = "2026-01-31T12:00:00.000000001Z"


def frame(line: LogLine) -> bytes:
    payload = line.stamp.encode() + b" " + line.data
    return struct.pack(">BxxxL", 2 if line.stream == "stderr" else 1, len(payload)) + payload


@given(
    st.lists(
        st.builds(LogLine, st.just(STAMP), st.sampled_from(["stdout", "stderr"]), st.binary(max_size=60)), max_size=8
    ),
    st.integers(1, 40),
)
def test_frames_are_whole_wherever_blocks_end(lines: list[LogLine], size: int) -> None:
    stream = b"".join(frame(line) for line in lines)
    assert list(log_lines(stream[at : at + size] for at in range(0, len(stream), size))) == lines


def test_a_line_of_200_mb_takes_no_memory() -> None:
    piece = frame(LogLine(STAMP, "stdout", b"x" * 16_384))

    def blocks() -> Iterator[bytes]:
        for _ in range(200_000_000 // 16_384):
            yield piece[:9_000]
            yield piece[9_000:]

    tracemalloc.start()
    try:
        total = sum(len(line.data) for line in log_lines(blocks()))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert total == 200_000_000 // 16_384 * 16_384


@pytest.mark.parametrize(
    ("stamp", "parameter"),
    [
        ("1970-01-01T00:00:00.000000000Z", "0.000000000"),
        ("2026-01-31T12:00:00.123456789Z", "1769860800.123456789"),
        ("2026-01-31T12:00:00.5Z", "1769860800.500000000"),
        ("2026-01-31T12:00:00Z", "1769860800.000000000"),
    ],
)
def test_a_stamp_keeps_its_nanoseconds(stamp: str, parameter: str) -> None:
    assert since_parameter(stamp) == parameter


@pytest.mark.parametrize("stamp", ["yesterday", "2026-01-31", "2026-01-31T12:00:00+01:00", "1769860800"])
def test_what_is_no_stamp_is_said(stamp: str) -> None:
    with pytest.raises(ValueError, match="not a stamp"):
        since_parameter(stamp)


def sample(memory: dict[str, object], cpu_ns: int = 1_500_000_000) -> bytes:
    figures = {
        "cpu_stats": {"cpu_usage": {"total_usage": cpu_ns}},
        "memory_stats": memory,
        "pids_stats": {"current": 3},
    }
    return json.dumps(figures).encode() + b"\n"


def test_usage_is_the_working_set_in_both_control_group_versions() -> None:
    first = sample({"usage": 900, "stats": {"total_inactive_file": 200, "inactive_file": 1}})
    second = sample({"usage": 800, "stats": {"inactive_file": 300}})
    found = list(usages([first[:20], first[20:] + second, sample({}), sample({"usage": 1})]))
    assert [(one.cpu_s, one.memory_bytes, one.memory_peak_bytes, one.pids) for one in found] == [
        (1.5, 700, 700, 3),
        (1.5, 500, 700, 3),
    ]


def plain(line: LogLine) -> bytes:
    return line.stamp.encode() + b" " + line.data


@given(st.lists(st.binary(max_size=60) | st.none(), max_size=6), st.integers(1000, 20_000), st.booleans())
def test_the_text_of_a_terminal_is_read_wherever_blocks_end(
    texts: list[bytes | None], size: int, unended: bool
) -> None:
    """None stands for a piece of a longer line, which has no end of its own; the last line of a program need not end."""
    whole = [b"x" * 16_384 if text is None else text.replace(b"\n", b"") + b"\n" for text in texts]
    lines = [LogLine(f"2026-01-31T12:00:00.{number:09d}Z", "stdout", text) for number, text in enumerate(whole)]
    if unended and lines:
        lines[-1] = LogLine(lines[-1].stamp, "stdout", lines[-1].data[:-1])
    stream = b"".join(plain(line) for line in lines)
    assert list(log_lines(stream[at : at + size] for at in range(0, len(stream), size))) == lines


def test_a_line_of_a_terminal_that_is_no_text_is_three_times_as_long() -> None:
    worst = "\ufffd".encode() * 16_384
    stream = b"".join(plain(LogLine(STAMP, "stdout", data)) for data in (worst, worst, b"\n", b"after\n"))
    lines = list(log_lines(stream[at : at + 4096] for at in range(0, len(stream), 4096)))
    assert b"".join(line.data for line in lines) == worst + worst + b"\nafter\n"
    assert {line.stamp for line in lines} == {STAMP}
    assert max(len(line.data) for line in lines) <= 16_384
