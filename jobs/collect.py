"""Taking what a job left in its results folder into the store, and measuring how much it has written."""

from __future__ import annotations

import hashlib
import mimetypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from django.core.files.storage import Storage

from apps_catalog.launch.parameters.files import in_bytes
from jobs import safe_paths, store
from jobs.listing import printable
from jobs.safe_paths import Found, Kind, PathRefused
from portal.errors import NotFound, TooLarge

DEPTH_MAX = 32
PATH_MAX = 1000
PIECE_BYTES = 2**20
LOOKED_AT_EACH = 10  # things looked at for each file that may be taken: folders and their names cost time too
BLOCK_BYTES = 4096
SKIPPED: dict[Kind, str] = {
    "link": "link",
    "pipe": "named pipe",
    "socket": "socket",
    "device": "device",
    "deep": f"more than {DEPTH_MAX} folders deep",
    "closed": "its permissions do not allow reading it",
}
MEDIA_TYPES = mimetypes.MimeTypes()


@dataclass(frozen=True)
class Item:
    """A file of /results. Taken: `stored` names it in the store. Not taken: `skipped` says why."""

    path: str
    size: int
    sha256: str = ""
    media_type: str = ""
    stored: str = ""
    skipped: str = ""


@dataclass(frozen=True)
class Collected:
    """`truncated` is "" or a sentence that says what was left out for want of room."""

    items: list[Item]
    truncated: str


@dataclass
class _Take:
    store: Storage
    prefix: str
    files_max: int
    bytes_max: int
    items: list[Item] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)
    bytes: int = 0
    too_large: int = 0


def collect(root: Path, *, store: Storage, prefix: str, files_max: int, bytes_max: int) -> Collected:
    """Everything below `root` that is a file of its own, streamed into the store under `prefix`.

    Call it when the container has stopped; call it again after a crash, and the same names are written again. Nothing
    outside `root` is read, nothing that could wait or has a second name is opened, and at most `files_max` things are
    listed and `bytes_max` bytes taken: time and memory are bounded whatever the job has left.
    """
    take = _Take(store, prefix, files_max, bytes_max)
    more = False
    with _all_or_nothing(take), safe_paths.opened(root) as top:
        for looked_at, found in enumerate(safe_paths.walk(top, depth_max=DEPTH_MAX)):
            more = looked_at >= files_max * LOOKED_AT_EACH or (found.kind != "folder" and len(take.items) >= files_max)
            if more:
                break
            if found.kind != "folder":
                take.items.append(_item(found, take))
    take.items.sort(key=lambda item: item.path)
    return Collected(take.items, _left_out(take, more))


@contextmanager
def _all_or_nothing(take: _Take) -> Iterator[None]:
    """What was put into the store before a fault is in no row, so nobody would ever remove it."""
    try:
        yield
    except BaseException:
        for item in take.items:
            if item.stored:
                take.store.delete(item.stored)
        raise


def _left_out(take: _Take, more: bool) -> str:
    said = []
    if more:
        said.append(f"Of the results only {len(take.items):,} files were looked at; there are more.")
    if take.too_large:
        files = "1 result was" if take.too_large == 1 else f"{take.too_large:,} results were"
        said.append(f"{files} left out: together they may have {in_bytes(take.bytes_max)}.")
    return " ".join(said)


def _item(found: Found, take: _Take) -> Item:
    path = _path(found, take)
    size = found.stat.st_size if found.kind == "file" else 0
    reason = _unfit(found, take)
    if reason:
        return Item(path, size, skipped=reason)
    name = f"{take.prefix}/{hashlib.sha256(os.fsencode(found.path)).hexdigest()[:40]}"
    try:
        with safe_paths.open_file(found.name, within=found.folder) as file:
            if os.fstat(file.fileno()).st_nlink > 1:
                return Item(path, size, skipped="hard link")
            put = store.put(take.store, name, _pieces(file.fileno(), size), limit_bytes=take.bytes_max - take.bytes)
    except (PathRefused, NotFound) as refused:
        return Item(path, size, skipped=str(refused)[:200])
    except TooLarge:
        take.too_large += 1
        return Item(path, size, skipped="too large for the room left")
    take.bytes += put.size
    media_type = MEDIA_TYPES.guess_type(path)[0] or "application/octet-stream"
    return Item(path, put.size, put.sha256, media_type[:120], put.name)


def _unfit(found: Found, take: _Take) -> str:
    """Why the thing is not even opened; "" for a file to be taken."""
    if found.kind != "file":
        return SKIPPED.get(found.kind, "device")
    if found.stat.st_nlink > 1:
        return "hard link"
    if printable(found.path) != found.path:
        return "name is not UTF-8"
    if len(found.path) > PATH_MAX:
        return f"path of more than {PATH_MAX} characters"
    if found.stat.st_size > take.bytes_max - take.bytes:
        take.too_large += 1
        return f"too large for the room left ({in_bytes(found.stat.st_size)})"
    return ""


def _path(found: Found, take: _Take) -> str:
    """The path as it is listed: readable, not too long, and no other item's."""
    shown = printable(found.path)
    if len(shown) > PATH_MAX or shown in take.paths:
        mark = hashlib.sha256(os.fsencode(found.path)).hexdigest()[:16]
        shown = f"{shown[:PATH_MAX]}~{mark}"
    take.paths.add(shown)
    return shown


def _pieces(fd: int, size: int) -> Iterator[bytes]:
    """At most the bytes that the file had when it was looked at, should something still write to it."""
    left = size
    while left > 0 and (piece := os.read(fd, min(PIECE_BYTES, left))):
        left -= len(piece)
        yield piece


def measure(root: Path, limit: int) -> int:
    """Bytes that everything below `root` takes on disk, as soon as they pass `limit` no more is counted.

    Each file, folder and link takes a block at least, so that endless empty files reach the limit too; a file with
    several names counts once. A tree too deep to walk could hide anything and counts as past the limit.
    """
    total = 0
    seen: set[tuple[int, int]] = set()
    try:
        with safe_paths.opened(root) as top:
            for found in safe_paths.walk(top):
                if found.stat.st_nlink > 1 and found.kind == "file":
                    inode = (found.stat.st_dev, found.stat.st_ino)
                    total += 0 if inode in seen else found.stat.st_blocks * 512
                    seen.add(inode)
                else:
                    total += max(found.stat.st_blocks * 512, BLOCK_BYTES)
                if found.kind == "deep":
                    total += limit
                if total > limit:
                    break
    except FileNotFoundError:
        return 0
    return total
