"""Taking the chunks that a partitioner left into the store: data_0.bin, data_1.bin, ... and nothing else."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from django.core.files.storage import FileSystemStorage

from apps_catalog.launch.parameters.files import in_bytes
from jobs import identity, safe_paths, store
from jobs.collect import SKIPPED
from jobs.listing import printable
from jobs.outcomes import Chunk
from jobs.safe_paths import Found
from portal.errors import Invalid, TooLarge

NAME = re.compile(r"data_(0|[1-9][0-9]{0,8})\.bin")
HOW = "A partitioner writes data_0.bin, data_1.bin, ... into CHUNKS_DIR, and nothing else."
PIECE_BYTES = 2**20


class ChunksRefused(Invalid):
    """Raised for what a partitioner left in place of chunks: the file, and how it should be."""

    code = "chunks"


def take(root: Path, *, storage: FileSystemStorage, prefix: str, most: int, bytes_max: int) -> list[Chunk]:
    """The chunks below `root`, in the order of their numbers, put into the store as `prefix`/<number>.

    Call it when the container has stopped; called again after a crash it gives the same. Files are linked where the
    store is on the same file system, else copied, so 10,000 of them cost no second. Nothing is opened that is a link, a
    pipe or a device. Raises ChunksRefused; then none of them is kept.
    """
    with safe_paths.opened(root) as top:
        found = _numbered(top, most)
        if not found:
            raise ChunksRefused(
                "The partitioner wrote no chunk. It must write data_0.bin, data_1.bin, ... into CHUNKS_DIR."
            )
        _demand_all(found)
        total = sum(found.values())
        if total > bytes_max:
            raise ChunksRefused(f"The chunks have {in_bytes(total)} together; the most is {in_bytes(bytes_max)}.")
        place = Path(storage.path(prefix))
        place.mkdir(mode=0o750, parents=True, exist_ok=True)
        try:
            with safe_paths.opened(place) as target:
                for number in range(len(found)):
                    _take_one(top, target, number, storage, prefix, bytes_max)
        except ChunksRefused:
            shutil.rmtree(place)
            raise
        return [Chunk(f"{prefix}/{number}", found[number]) for number in range(len(found))]


def take_file(root: Path, name: str, *, storage: FileSystemStorage, prefix: str, number: int) -> Chunk:
    """One file of a source as a chunk: what a passthrough partitioner does."""
    place = Path(storage.path(prefix))
    place.mkdir(mode=0o750, parents=True, exist_ok=True)
    with safe_paths.opened(root) as top, safe_paths.opened(place) as target:
        size = os.stat(name, dir_fd=top, follow_symlinks=False).st_size
        if not size:
            raise ChunksRefused(f"The source file '{printable(name)[:80]}' is empty. A chunk has at least one byte.")
        _link_or_copy(top, name, target, number, storage, prefix, size)
    return Chunk(f"{prefix}/{number}", size)


def _numbered(top: int, most: int) -> dict[int, int]:
    """Sizes by number. At most one more than may be is looked at, whatever lies there."""
    sizes: dict[int, int] = {}
    for found in _flat(top):
        shown = printable(found.name)[:80]
        match = NAME.fullmatch(found.name)
        if match is None:
            what = "the folder" if found.kind == "folder" else "the file"
            raise ChunksRefused(f"The partitioner left {what} '{shown}' in CHUNKS_DIR, which is no chunk. {HOW}")
        if found.kind != "file":
            kind = SKIPPED.get(found.kind, found.kind)
            raise ChunksRefused(
                f"The chunk {shown} is no file but a {kind}, which is not followed. Write the bytes themselves."
            )
        if found.stat.st_nlink > 2:
            raise ChunksRefused(f"The chunk {shown} is a hard link. Write each chunk as a file of its own.")
        if not found.stat.st_size:
            raise ChunksRefused(f"The chunk {shown} is empty. A chunk has at least one byte; leave out what has none.")
        sizes[int(match[1])] = found.stat.st_size
        if len(sizes) > most:
            raise ChunksRefused(
                f"The partitioner wrote more than {most:,} chunks, which is the most. Make larger ones."
            )
    return sizes


def _flat(top: int) -> Iterator[Found]:
    with os.scandir(top) as entries:
        for entry in entries:
            seen = entry.stat(follow_symlinks=False)
            yield Found(entry.name, entry.name, top, safe_paths.kind_of(seen.st_mode), seen)


def _demand_all(found: dict[int, int]) -> None:
    missing = next((number for number in range(len(found)) if number not in found), None)
    if missing is not None:
        said = f"The chunk data_{missing}.bin is missing, though there is a data_{max(found)}.bin. Number them from 0, without a gap."
        raise ChunksRefused(said)


def _take_one(top: int, target: int, number: int, storage: FileSystemStorage, prefix: str, most: int) -> None:
    name = f"data_{number}.bin"
    seen, there = safe_paths.look(name, within=top), safe_paths.look(str(number), within=target)
    if seen is None or not stat.S_ISREG(seen.st_mode):
        raise ChunksRefused(f"The chunk {name} went away while it was taken. {HOW}")
    if there is not None and (there.st_dev, there.st_ino) == (seen.st_dev, seen.st_ino):
        return  # taken before the process that did it ended
    if seen.st_nlink > 1:
        raise ChunksRefused(f"The chunk {name} is a hard link. Write each chunk as a file of its own.")
    _link_or_copy(top, name, target, number, storage, prefix, most)


def _link_or_copy(
    top: int, name: str, target: int, number: int, storage: FileSystemStorage, prefix: str, most: int
) -> None:
    with safe_paths.open_file(name, within=top) as file:
        try:
            if safe_paths.look(str(number), within=target) is not None:
                os.unlink(str(number), dir_fd=target)
            os.link(name, str(number), src_dir_fd=top, dst_dir_fd=target, follow_symlinks=False)
            linked = os.stat(str(number), dir_fd=target, follow_symlinks=False)
            opened = os.fstat(file.fileno())
            if (linked.st_dev, linked.st_ino) != (opened.st_dev, opened.st_ino):
                raise ChunksRefused(f"The chunk {name} changed while it was taken. {HOW}")
            identity.share_file(file.fileno())
            return
        except OSError:  # another file system, or one without links, or a file of another user
            pass
        try:
            store.put(storage, f"{prefix}/{number}", iter(lambda: file.read(PIECE_BYTES), b""), limit_bytes=most)
        except TooLarge as error:
            raise ChunksRefused(f"The chunk {name}: {error}") from None
    with safe_paths.open_file(str(number), within=target) as copy:
        identity.share_file(copy.fileno())
