"""One file out of an image, as the engine sends it: a tar stream that is read in memory and never extracted. Pure."""

from __future__ import annotations

import base64
import binascii
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

LINKS_MAX = 8
_LINK = 1 << 27
_OTHER = 1 << 31 | 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19  # folders, devices, pipes, sockets and the unknown
_SLACK_BYTES = 64 * 1024  # what the headers and the padding of a stream with one small file may take


@dataclass(frozen=True)
class Stat:
    """What the engine says of a path. `link` is where it leads, within the image; "" for what is no link."""

    regular: bool
    size: int
    link: str


Archive = Callable[[str], AbstractContextManager[tuple[str, Iterable[bytes]]]]


def read_within(archive: Archive, path: str, limit_bytes: int) -> bytes | None:
    """The regular file at `path`, by asking again where it is a link. `archive` gives what is said of a path, and its stream."""
    for _ in range(LINKS_MAX):
        with archive(path) as (header, blocks):
            stat = read_stat(header)
            if stat is None or (not stat.link and (not stat.regular or stat.size > limit_bytes)):
                return None
            if not stat.link:
                return only_file(blocks, limit_bytes)
            path = stat.link
    return None


def read_stat(header: str) -> Stat | None:
    """From the answer's X-Docker-Container-Path-Stat; None for what makes no sense."""
    try:
        found = json.loads(base64.b64decode(header, validate=True))
        mode, size, link = int(found["mode"]), int(found["size"]), str(found.get("linkTarget") or "")
    except (binascii.Error, ValueError, KeyError, TypeError):
        return None
    if mode & _LINK:
        return Stat(regular=False, size=0, link=link if link.startswith("/") else "")
    return Stat(regular=not mode & _OTHER, size=size, link="")


def only_file(blocks: Iterable[bytes], limit_bytes: int) -> bytes | None:
    """The content of the one regular file of a tar stream; None for anything else, and for what is larger than it says."""
    source = io.BufferedReader(_Bounded(iter(blocks), limit_bytes + _SLACK_BYTES))
    try:
        with tarfile.open(fileobj=source, mode="r|") as tar:
            member = tar.next()
            if member is None or not member.isreg() or not 0 <= member.size <= limit_bytes:
                return None
            reader = tar.extractfile(member)
            content = reader.read(limit_bytes + 1) if reader else b""
    except (tarfile.TarError, EOFError, ValueError):
        return None
    return content if len(content) == member.size else None


class _Bounded(io.RawIOBase):
    """The first `left` bytes of blocks, as a file: whatever the stream's headers claim, no more is read."""

    def __init__(self, blocks: Iterator[bytes], left: int) -> None:
        self._blocks, self._left, self._rest = blocks, left, b""

    def readable(self) -> bool:
        return True

    def readinto(self, into: object) -> int:
        view = memoryview(into)  # type: ignore[arg-type]
        if not self._rest:
            self._rest = next(self._blocks, b"")
        size = min(len(view), len(self._rest), self._left)
        view[:size] = self._rest[:size]
        self._rest, self._left = self._rest[size:], self._left - size
        return size
