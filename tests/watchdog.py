"""For tests of what could go on for ever (a pipe that is opened, a pattern without end): they fail, and the rest goes on.

No measure of speed, which is bench/'s: a machine that is busy takes nothing near this long.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

FOR_EVER_S = 60


@contextmanager
def ends(within_s: int = FOR_EVER_S) -> Iterator[None]:
    """Raise AssertionError in the main thread where what is inside has not ended after `within_s` seconds."""

    def give_up(_signal: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"It had not ended after {within_s} s.")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(within_s)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
