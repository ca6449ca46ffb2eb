"""The disk that files are kept on: whose it is, and what is said where it has no room."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
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


_claims: list[Callable[[], None]] = []


def claimed_by(claim: Callable[[], None]) -> None:
    """Have `claim` called before a file is stored: whoever knows the installation proves that the folders are its own."""
    if claim not in _claims:
        _claims.append(claim)


def claim_folders() -> None:
    """Before a file of one's own goes into the store. Raises PortalError where the store is another installation's."""
    for claim in _claims:
        claim()
