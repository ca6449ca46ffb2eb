"""Use cases: submit, preview, cancel, pause, run again, share. Each validates, writes in one transaction and rings a doorbell."""

from __future__ import annotations

from jobs.services.acting import cancel, keep_running, may_change, pause, rerun, resume, share
from jobs.services.submitting import Preview, Submitted, preview, submit

__all__ = [
    "Preview",
    "Submitted",
    "cancel",
    "keep_running",
    "may_change",
    "pause",
    "preview",
    "rerun",
    "resume",
    "share",
    "submit",
]
