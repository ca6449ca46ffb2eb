"""The code of bundles on a host: each unpacked once, by its digest, read-only, and mounted by every task that runs it."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import stat
import uuid
import zipfile
from contextlib import suppress
from pathlib import Path

from jobs.runtimes.base import RuntimeFault

logger = logging.getLogger(__name__)
FOLDER = "bundles"
CODE = "app"
FILES_MAX = 20_000
BYTES_MAX = 4 * 2**30
KEPT = 40  # the least used go first
PIECE_BYTES = 2**20


def unpacked(archive: Path, digest: str, root: Path) -> Path:
    """The folder app/ of a bundle below `root`, made now if no task of this host has run it yet.

    Raises RuntimeFault(start_refused) where the archive is gone, is not what its digest says, or holds what no bundle of
    ours holds: links, devices, paths that lead out, more than FILES_MAX files or BYTES_MAX bytes.
    """
    home = root / FOLDER
    ready = home / digest
    if not ready.is_dir():
        home.mkdir(mode=0o711, parents=True, exist_ok=True)
        draft = home / f".{digest[:16]}-{uuid.uuid4().hex}"
        try:
            _unpack(archive, digest, draft)
            _settle(draft, ready)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        _forget(home, ready)
    os.utime(ready)
    return ready / CODE


def _settle(draft: Path, ready: Path) -> None:
    try:
        draft.rename(ready)
    except OSError:
        if not ready.is_dir():  # else another slot was first, with the same bytes
            raise


def _forget(home: Path, kept: Path) -> None:
    """Remove the least used beyond KEPT. A container that has one mounted keeps what it has opened."""
    folders = sorted((path for path in home.iterdir() if path.name[0] != "."), key=_used_at)
    for path in folders[: max(len(folders) - KEPT, 0)]:
        if path != kept:
            logger.info("Forgetting the unpacked bundle %s.", path.name[:12])
            gone = home / f".{uuid.uuid4().hex}"
            with suppress(FileNotFoundError):  # another slot forgets it too
                path.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)


def _used_at(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _unpack(archive: Path, digest: str, into: Path) -> None:
    try:
        with archive.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise _refused("is not what was imported: its sha256 differs")
            file.seek(0)
            with zipfile.ZipFile(file) as bundle:
                _write(bundle, into)
    except FileNotFoundError:
        raise _refused("is not in the store any more") from None
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise _refused(f"can't be read: {error}") from error


def _write(bundle: zipfile.ZipFile, into: Path) -> None:
    members = bundle.infolist()
    if len(members) > FILES_MAX or sum(member.file_size for member in members) > BYTES_MAX:
        raise _refused("is larger than a bundle may be")
    (into / CODE).mkdir(parents=True)
    left = BYTES_MAX
    for member in members:
        names = member.filename.split("/")
        mode = member.external_attr >> 16
        if names[0] != CODE or member.is_dir():
            continue
        if any(name in ("", ".", "..") or "\0" in name or "\\" in name for name in names):
            raise _refused(f"holds the path {member.filename[:80]!r}")
        if mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
            raise _refused(f"holds {member.filename[:80]!r}, which is no file")
        target = into.joinpath(*names)
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        left -= _copy(bundle, member, target, left)
        target.chmod(0o755 if mode & 0o111 else 0o644)
    for folder in (into, *(path for path in into.rglob("*") if path.is_dir())):
        folder.chmod(0o755)


def _copy(bundle: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, left: int) -> int:
    """Bytes are counted as they come: what an archive says of itself is no promise."""
    size = 0
    with bundle.open(member) as source, target.open("xb") as out:
        while piece := source.read(PIECE_BYTES):
            size += len(piece)
            if size > left:
                raise _refused("is larger than a bundle may be")
            out.write(piece)
    return size


def _refused(what: str) -> RuntimeFault:
    return RuntimeFault(
        f"The code of this bundle {what}. Ask its author to push it again.", code="start_refused", retry=False
    )
