"""A disk without room, in words for people."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from portal.errors import Full

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def disk_faults() -> Iterator[None]:
    """Turn the operating system's "no room" into what to tell a person."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise Full(
            "The disk is full, so the file was not kept. Delete files you no longer need, or ask an operator."
        ) from error
