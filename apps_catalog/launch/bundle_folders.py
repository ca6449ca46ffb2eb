"""Bundles as folders: on this computer, or as the files that a browser sends of one."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from apps_catalog.launch.bundle_files import PIECE_BYTES, BundleFiles
from apps_catalog.launch.bundle_paths import BundleFault, left_out, shown


def read_folder(root: Path, into: BundleFiles) -> None:
    """Take all files below a folder; links are refused, not followed. Raises BundleFault, OSError."""
    todo = [root]
    while todo:
        folder = todo.pop()
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            path = Path(entry.path)
            name = path.relative_to(root).as_posix()
            if left_out(name):
                into.skipped.append(name)
            elif entry.is_dir(follow_symlinks=False):
                into.folder(name)
                todo.append(path)
            elif not entry.is_file(follow_symlinks=False):
                what = "a symbolic link" if entry.is_symlink() else "no ordinary file"
                said = f"{shown(name)} is {what}. A bundle holds files only: put a copy in its place."
                raise BundleFault("no-file", said, name)
            else:
                into.add(name, _pieces(path), executable=bool(entry.stat().st_mode & stat.S_IXUSR))


def _pieces(path: Path) -> Iterator[bytes]:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb") as file:  # noqa: PTH123 - of a descriptor
        while piece := file.read(PIECE_BYTES):
            yield piece


def read_sent(files: Iterable[tuple[str, Iterable[bytes]]], into: BundleFiles) -> None:
    """Take the files that a browser sends of a folder: path and bytes of each. Raises BundleFault."""
    for name, pieces in files:
        into.add(name, pieces)
