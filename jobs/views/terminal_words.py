"""What pages say about a terminal: where its socket is, and whether there is anything at the other end (yet)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from django.urls import reverse

from jobs.models import Job, Shell
from jobs.proxy.gate import may_connect
from jobs.states import JobState
from jobs.terminals.programs import has_terminal
from portal.people.models import User


@dataclass(frozen=True)
class Shown:
    """A terminal as a page draws it."""

    socket: str
    state: Literal["waiting", "live", "ended"]
    page: str  # of its own
    words: str = ""  # of one that has ended


def terminal_of(job: Job, user: User) -> Shown | None:
    """The terminal of the job's program, to those who may look on; None where it has none."""
    if not has_terminal(job) or not may_connect(user, job):
        return None
    state: Literal["waiting", "live", "ended"] = "live"
    words = ""
    if job.terminal:
        state, words = "ended", _how_it_ended(job.exit_code, job.reason)
    elif job.state != JobState.RUNNING:
        state = "waiting"
    page = reverse("jobs:job-terminal", args=[job.number])
    return Shown(f"{page}ws", state, page, words)


def shell_of(shell: Shell) -> Shown:
    page = shell.get_absolute_url()
    if shell.ended_at is not None:
        return Shown(f"{page}ws", "ended", page, _how_it_ended(shell.exit_code, shell.reason))
    return Shown(f"{page}ws", "live", page)


def _how_it_ended(exit_code: int | None, reason: str) -> str:
    return f"It has ended with exit code {exit_code}." if exit_code is not None else f"It has ended. {reason}".strip()
