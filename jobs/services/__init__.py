"""Use cases: submit, preview, cancel, run again, share. Each validates, writes in one transaction and rings a doorbell."""

from __future__ import annotations

from jobs.services.acting import cancel, may_change, rerun, share
from jobs.services.submitting import Preview, Submitted, preview, submit

__all__ = ["Preview", "Submitted", "cancel", "may_change", "preview", "rerun", "share", "submit"]
