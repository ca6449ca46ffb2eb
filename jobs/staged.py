"""The folder in which an object vault's files lie for one attempt, and the journal of what is known of each.

The journal lies beside the folder, where the job can't reach it. A line a file, in order; the last one about a path counts.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from jobs import safe_paths
from jobs.safe_paths import FOLDER, Found

JOURNAL = "staged.jsonl"
PIECE_BYTES = 2**20
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Known:
    """A file as the bucket has it: when nothing of this differs, nobody has written to it."""

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    sha256: str

    @classmethod
    def of(cls, path: str, seen: os.stat_result, sha256: str) -> Known:
        return cls(path, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, sha256)


class Staged:
    """`root` is the attempt's folder. `uid` and `gid` are the job's user, to whom the files belong."""

    def __init__(self, root: Path, uid: int, gid: int) -> None:
        self.root, self.data = root, root / "data"
        self._ids = (uid, gid)
        self._journal = root / JOURNAL

    # Bringing

    def clear(self) -> None:
        """Begin anew: what an earlier process had brought before it ended half way is no longer trusted."""
        shutil.rmtree(self.data, ignore_errors=True)
        self._journal.unlink(missing_ok=True)
        self.data.mkdir()
        self._give(self.data, 0o700, 0o2770)

    def _give(self, path: Path | int, ours: int, shared: int) -> None:
        if os.geteuid() == 0:
            os.chown(path, *self._ids)
        os.chmod(path, ours if os.geteuid() == 0 else shared)  # noqa: PTH101 - a descriptor as well

    def make_folder(self, path: str) -> None:
        """With all above it."""
        below = self.data
        for name in path.split("/"):
            below /= name
            try:
                below.mkdir()
            except FileExistsError:
                continue
            self._give(below, 0o700, 0o2770)

    def write(self, path: str, pieces: Iterable[bytes], written_at: float) -> Known:
        """A file with these bytes; the folders above it are there. What was half written before is written anew."""
        target = self.data / path
        target.unlink(missing_ok=True)
        digest = hashlib.sha256()
        fd = os.open(target, NEW_FILE, 0o600)
        with os.fdopen(fd, "wb", buffering=0) as file:
            for piece in pieces:
                digest.update(piece)
                rest = memoryview(piece)
                while rest:
                    rest = rest[file.write(rest) :]
            self._give(fd, 0o600, 0o660)
            os.utime(fd, (written_at, written_at))
            return Known.of(path, os.fstat(fd), digest.hexdigest())

    # The journal

    def note(self, lines: Iterable[Known], **said: Any) -> None:
        """Add to the journal; `said` is a line about the whole: complete, fault."""
        with self._journal.open("a", encoding="utf-8") as journal:
            for known in lines:
                journal.write(json.dumps(asdict(known)) + "\n")
            if said:
                journal.write(json.dumps(said) + "\n")

    def _lines(self) -> Iterator[dict[str, Any]]:
        try:
            with self._journal.open(encoding="utf-8") as journal:
                for line in journal:
                    if line.endswith("\n"):  # the last one may have been cut off by a crash
                        yield json.loads(line)
        except FileNotFoundError:
            return

    @property
    def complete(self) -> bool:
        return any(line.get("complete") for line in self._lines())

    @property
    def fault(self) -> str:
        """What has been said of files that could not be put back, or ""."""
        return next((str(line["fault"]) for line in self._lines() if "fault" in line), "")

    def known(self) -> dict[str, Known]:
        return {line["path"]: Known(**line) for line in self._lines() if "path" in line}

    # Putting back


def unchanged(found: Found, known: Known | None, open_file: Callable[[], BinaryIO]) -> bool:
    """Whether the bucket has this file as it is. Its bytes are only read where size alone does not tell."""
    if known is None or known.size != found.stat.st_size:
        return False
    if (known.mtime_ns, known.ctime_ns) == (found.stat.st_mtime_ns, found.stat.st_ctime_ns):
        return True
    digest = hashlib.sha256()
    with open_file() as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest() == known.sha256


def rescue(found: Found, into: int) -> None:
    """Move a file, from where a walk has met it, to the same path below the open folder `into`."""
    fd = os.dup(into)
    try:
        for name in found.path.split("/")[:-1]:
            try:
                os.mkdir(name, 0o700, dir_fd=fd)
            except FileExistsError:
                pass
            below = os.open(name, FOLDER, dir_fd=fd)
            os.close(fd)
            fd = below
        os.rename(found.name, found.name, src_dir_fd=found.folder, dst_dir_fd=fd)
    finally:
        os.close(fd)


def fresh_folder(within: int, name: str) -> int:
    """Make a folder, under a name that is free, in an open one; its descriptor, which the caller closes."""
    for number in range(1000):
        tried = f"{name}-{number}" if number else name
        if safe_paths.look(tried, within=within) is None:
            os.mkdir(tried, 0o700, dir_fd=within)
            return os.open(tried, FOLDER, dir_fd=within)
    raise FileExistsError(name)
