"""Whom containers run as, and how the portal's own files are made theirs to use."""

from __future__ import annotations

import os

from django.conf import settings

DEFAULT_ID = 505  # the JARVICE run user; what a portal that runs as root gives its containers


def run_ids() -> tuple[int, int]:
    """(uid, gid) of every container: the operator's choice, else the portal's own user, and never root."""
    if settings.RUN_UID:
        return settings.RUN_UID, settings.RUN_GID
    if os.geteuid():
        return os.geteuid(), os.getegid()
    return DEFAULT_ID, DEFAULT_ID


def share_file(fd: int) -> None:
    """Let the run user read and write the open file, and nobody else who is not the portal."""
    _share(fd, 0o660, 0o666)


def share_folder(fd: int) -> None:
    """Let the run user read and write in the open folder, and nobody else who is not the portal."""
    _share(fd, 0o770, 0o777)


def _share(fd: int, ours: int, anyones: int) -> None:
    uid, gid = run_ids()
    if os.geteuid() == 0:
        os.fchown(fd, uid, gid)
    elif os.geteuid() != uid:
        # Another user's by the operator's choice, and we may not give files away. The folder above is closed to others.
        ours = anyones
    os.fchmod(fd, ours)
