"""What a program wrote, out of its attempt's log, which opens with lines of ours."""

from __future__ import annotations

from jobs import logs
from jobs.models import Attempt
from jobs.preface import RULE


def whole_log(attempt: Attempt) -> bytes:
    return b"".join(logs.pieces(attempt))


def program_output(attempt: Attempt) -> bytes:
    """The bytes after the rule. Fails where the log does not open with our lines and one rule."""
    before, rule, after = whole_log(attempt).partition(f"{RULE}\n".encode())
    assert rule, f"no rule in {before[:300]!r}"
    assert before.startswith(b"INIT[1]: "), before[:300]
    assert f"\n{RULE}\n".encode() not in after
    return after
