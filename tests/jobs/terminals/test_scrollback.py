"""What a terminal has shown is kept as far back as was said, and begins as the terminal was there."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.terminals.scrollback import Scrollback

pytestmark = pytest.mark.slow


@given(st.lists(st.binary(max_size=300), max_size=30))
def test_offsets_count_all_bytes_and_what_is_kept_is_a_tail_of_them(pieces: list[bytes]) -> None:
    kept = Scrollback(kept_bytes=400)
    for piece in pieces:
        kept.add(piece)
    whole = b"".join(pieces)
    assert kept.end == len(whole)
    skipped, data = kept.read(kept.start, 10_000)
    assert (skipped, data) == (0, whole[kept.start :])
    assert len(data) <= 800 + 300
    assert len(whole) <= 800 or len(data) >= 400 - 1


def test_one_who_was_too_slow_goes_on_at_the_last_screens() -> None:
    kept = Scrollback(kept_bytes=256 * 1024)
    for number in range(60_000):
        kept.add(b"line %d of many\r\n" % number)
    skipped, data = kept.read(0, 10**9)
    assert skipped + len(data) == kept.end
    assert data.startswith(b"line ")
    assert len(data) <= 64 * 1024
    assert data.endswith(b"line 59999 of many\r\n")


def test_modes_that_were_set_before_the_kept_part_open_it() -> None:
    kept = Scrollback(kept_bytes=1000)
    kept.add(b"\x1b[?1049h\x1b[?25l\x1b[?2004h\x1b[?9999h\x1b[?25;1000h")
    kept.add(b"x\r\n" * 2000)
    assert kept.opening() == b"\x1b[?25h\x1b[?1000h\x1b[?1049h\x1b[?2004h"
    kept.add(b"\x1bc" + b"x\r\n" * 2000)
    assert kept.opening() == b""


def test_ten_gigabytes_would_take_no_more_memory_than_two() -> None:
    kept, block = Scrollback(), b"y\r\n" * 10_000
    tracemalloc.start()
    try:
        for _ in range(2_000):
            kept.add(block)
        assert tracemalloc.get_traced_memory()[1] < 2 * 2**20
    finally:
        tracemalloc.stop()
    assert kept.end == 2_000 * len(block)
