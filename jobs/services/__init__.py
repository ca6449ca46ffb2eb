"""Use cases: submit, preview, cancel, pause, run again, share, open a shell. Each validates, writes in one transaction and rings a doorbell."""

from __future__ import annotations

from jobs.services import fan_out
from jobs.services.acting import cancel, discard, keep_running, pause, rerun, resume, share
from jobs.services.rights import may_change
from jobs.services.shells import may_open_shell, open_shell, why_no_shell
from jobs.services.submitting import Preview, Submitted, preview, submit

__all__ = [
    "Preview",
    "Submitted",
    "cancel",
    "discard",
    "fan_out",
    "keep_running",
    "may_change",
    "may_open_shell",
    "open_shell",
    "pause",
    "preview",
    "rerun",
    "resume",
    "share",
    "submit",
    "why_no_shell",
]
