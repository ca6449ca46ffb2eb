"""Hostile trees for tests: links out, pipes, sockets, devices, and a thread that swaps a folder for a link."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SECRET = b"outside: nobody may read this"


def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.txt").write_bytes(SECRET)
    return folder


def plant_traps(root: Path, secret: Path) -> set[str]:
    """One of each thing that must not be opened, in `root`; gives their names."""
    (root / "link").symlink_to(secret)
    (root / "folder-link").symlink_to(secret.parent)
    (root / "dangling").symlink_to(root / "nothing")
    os.mkfifo(root / "pipe")
    os.mknod(root / "socket", 0o600 | stat.S_IFSOCK)  # bind() takes short paths only
    names = {"link", "folder-link", "dangling", "pipe", "socket"}
    with suppress(PermissionError):
        os.mknod(root / "device", 0o20666, os.makedev(1, 5))  # /dev/zero never ends
        names.add("device")
    return names


@contextmanager
def swapping(place: Path, target: Path) -> Iterator[None]:
    """While inside, `place` is by turns a folder with a harmless secret.txt and a link to `target`."""
    aside = place.with_name("aside")
    aside.mkdir()
    (aside / "secret.txt").write_bytes(b"inside")
    link = place.with_name("link-aside")
    link.symlink_to(target)
    stop = threading.Event()

    def swap() -> None:
        with suppress(FileNotFoundError, NotADirectoryError):  # what it swaps may be removed by the test
            while not stop.is_set():
                aside.rename(place)
                place.rename(aside)
                link.rename(place)
                place.rename(link)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
