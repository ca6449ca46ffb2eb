"""Putting streams into the store: counted, hashed, all or nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, cast

from django.conf import settings
from django.core.files.storage import Storage

from apps_catalog.launch.parameters.files import in_bytes
from portal.disk import disk_faults
from portal.errors import TooLarge


@dataclass(frozen=True)
class Stored:
    name: str
    size: int
    sha256: str


class _Counted:
    """What a storage reads from. Counts and hashes what passes, and stops it at the limit."""

    def __init__(self, chunks: Iterable[bytes], limit_bytes: int) -> None:
        self.source, self.limit_bytes = chunks, limit_bytes
        self.size = 0
        self.hash = hashlib.sha256()

    def chunks(self) -> Iterator[bytes]:
        for chunk in self.source:
            self.size += len(chunk)
            if self.size > self.limit_bytes:
                raise TooLarge(f"The file has more than {in_bytes(self.limit_bytes)}, which is the most allowed here.")
            self.hash.update(chunk)
            yield chunk


def put(storage: Storage, name: str, chunks: Iterable[bytes], *, limit_bytes: int) -> Stored:
    """Store the stream under exactly `name`, in place of what is there. On any failure nothing of it stays.

    Raises TooLarge past the limit and Full where the disk is.
    """
    settings.STORE_ROOT.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = _Counted(chunks, limit_bytes)
    storage.delete(name)
    try:
        with disk_faults():
            storage.save(name, cast("IO[bytes]", content))
    except BaseException:
        storage.delete(name)
        raise
    return Stored(name, content.size, content.hash.hexdigest())
