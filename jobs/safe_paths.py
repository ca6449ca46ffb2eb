"""Paths below a root that others write to: every step is opened from the one before, and no link is ever followed."""

from __future__ import annotations

import errno
import os
import stat
import unicodedata
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Literal

from portal.errors import NotFound, PortalError

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a named pipe put there since we looked must not hold us.
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
DEPTH_MAX = 100
NAME_MAX_BYTES = 255
PATH_MAX_BYTES = 4000
OWN_PREFIX = ".slipway-"  # of what is not finished or already deleted; never listed

Kind = Literal["file", "folder", "link", "pipe", "socket", "device", "deep", "closed"]
KINDS: dict[int, Kind] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
}


class PathRefused(PortalError):
    """Raised for a path that can't be meant or must not be followed. The message names it and says why."""

    code = "path_refused"
    status = 400


def parts(path: str) -> tuple[str, ...]:
    """The names in a relative path; () is the root. Empty and `.` steps say nothing and are left out."""
    if path.startswith("/"):
        raise PathRefused("The path starts with '/'. Write it from the top of the vault, such as folder/file.")
    names = tuple(name for name in path.split("/") if name not in ("", "."))
    if ".." in names:
        raise PathRefused("The path holds '..', which could lead out of the vault. Write it without.")
    if "\0" in path:
        raise PathRefused("The path holds a NUL character. Write it without.")
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        raise PathRefused("The path is not valid Unicode text.") from None
    if size > PATH_MAX_BYTES or len(names) > DEPTH_MAX:
        raise PathRefused(
            f"The path is too long: at most {PATH_MAX_BYTES} bytes and {DEPTH_MAX} folders deep. Use shorter names."
        )
    if any(len(name.encode()) > NAME_MAX_BYTES for name in names):
        raise PathRefused(f"A name in the path has more than {NAME_MAX_BYTES} bytes. Use a shorter one.")
    return names


def fresh_name(name: str) -> str:
    """The name, if it is fit for something new. What jobs made may be called anything; what people make may not."""
    if len(parts(name)) != 1 or "/" in name:
        raise PathRefused("A name can't be empty, '.' or hold '/'. Choose another.")
    if "\\" in name or any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in name):
        raise PathRefused("A name can't hold a backslash, a line break or a control character. Choose another.")
    if name.startswith(OWN_PREFIX):
        raise PathRefused(f"Names that start with {OWN_PREFIX} are kept for the portal. Choose another.")
    if name != name.strip():
        raise PathRefused("A name can't start or end with a blank. Choose another.")
    return name


def kind_of(mode: int) -> Kind:
    return KINDS.get(stat.S_IFMT(mode), "device")


@contextmanager
def opened(root: Path, names: Sequence[str] = ()) -> Iterator[int]:
    """A descriptor of the folder `names` below `root`, opened step by step. Raises NotFound or PathRefused."""
    fd = os.open(root, FOLDER)
    try:
        for name in names:
            below = open_folder(name, within=fd)
            os.close(fd)
            fd = below
        yield fd
    finally:
        os.close(fd)


def open_folder(name: str, *, within: int) -> int:
    """A descriptor of the folder; the caller closes it."""
    try:
        return os.open(name, FOLDER, dir_fd=within)
    except OSError as error:
        raise _plain(error, name, "folder") from error


def open_file(name: str, *, within: int) -> BinaryIO:
    """The regular file `name` of an open folder, for reading. Links, pipes and devices are refused unopened."""
    try:
        before = os.stat(name, dir_fd=within, follow_symlinks=False)
        if not stat.S_ISREG(before.st_mode):
            raise PathRefused(f"'{name}' is no file but a {kind_of(before.st_mode)}, which is not opened.")
        fd = os.open(name, FILE, dir_fd=within)
    except OSError as error:
        raise _plain(error, name, "file") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise PathRefused(f"'{name}' changed while it was opened, and is no file now.")
    return os.fdopen(fd, "rb", buffering=0)


def look(name: str, *, within: int) -> os.stat_result | None:
    """What lies there, itself and not what it points to; None where there is nothing."""
    try:
        return os.stat(name, dir_fd=within, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _plain(error: OSError, name: str, wanted: str) -> Exception:
    match error.errno:
        case errno.ENOENT:
            return NotFound(f"There is no {wanted} '{name}' here. It may have been moved or deleted.")
        case errno.ELOOP:
            return PathRefused(f"'{name}' is a link. Links are not followed; open what it points to instead.")
        case errno.ENOTDIR:
            return PathRefused(f"'{name}' is no folder (or a link to one, and links are not followed).")
        case errno.EACCES | errno.EPERM | errno.ENXIO:
            return PathRefused(f"'{name}' can't be read: its permissions do not allow it.")
        case _:
            return error


@dataclass(frozen=True, slots=True)
class Found:
    """One thing met on a walk. `folder` is the descriptor of where it lies, good until the walk goes on.

    Names that are not UTF-8 hold surrogates, as the operating system's calls want them. Kind "deep" is a folder too
    far down, "closed" one that could not be opened (after it was given as "folder").
    """

    path: str
    name: str
    folder: int
    kind: Kind
    stat: os.stat_result


def walk(top: int, *, depth_max: int = DEPTH_MAX) -> Iterator[Found]:
    """Everything below an open folder, unsorted, in flat memory: at most two descriptors a level are open at a time."""
    fd = os.dup(top)
    levels = [(fd, os.scandir(fd), "")]
    try:
        while levels:
            fd, entries, prefix = levels[-1]
            entry = next(entries, None)
            if entry is None:
                levels.pop()
                entries.close()
                os.close(fd)
                continue
            try:
                seen = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            kind = kind_of(seen.st_mode)
            if kind == "folder" and len(levels) >= depth_max:
                kind = "deep"
            yield Found(prefix + entry.name, entry.name, fd, kind, seen)
            if kind != "folder":
                continue
            try:
                below = os.open(entry.name, FOLDER, dir_fd=fd)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):  # gone or swapped meanwhile
                    yield Found(prefix + entry.name, entry.name, fd, "closed", seen)
                continue
            levels.append((below, os.scandir(below), f"{prefix}{entry.name}/"))
    finally:
        for fd, entries, _ in levels:
            entries.close()
            os.close(fd)


def remove(name: str, *, within: int, entries_max: int) -> bool:
    """Remove a file, a link itself, or a folder with all that is in it. False: `entries_max` was reached, go on later.

    Any depth with two descriptors: a folder's own folders are moved up beside it before it goes.
    """
    there = look(name, within=within)
    if there is None:
        return True
    if not stat.S_ISDIR(there.st_mode):
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=within)
        return True
    top = _open_own(name, within)
    try:
        left = entries_max
        while left > 0:
            batch = _entries(top)
            if not batch:
                os.rmdir(name, dir_fd=within)
                return True
            for entry in batch:
                left -= 1
                with suppress(
                    FileNotFoundError, NotADirectoryError, IsADirectoryError
                ):  # swapped: the next round looks
                    left -= _remove_one(entry, top)
        return False
    finally:
        os.close(top)


def _entries(fd: int, most: int = 1000) -> list[os.DirEntry[str]]:
    with os.scandir(fd) as entries:
        return list(islice(entries, most))


def _remove_one(entry: os.DirEntry[str], top: int) -> int:
    """Remove an entry of `top`, or empty it by one level; gives how many things more were touched."""
    if not entry.is_dir(follow_symlinks=False):
        os.unlink(entry.name, dir_fd=top)
        return 0
    folder = _open_own(entry.name, top)
    try:
        inside = _entries(folder)
        for below in inside:
            if below.is_dir(follow_symlinks=False):
                os.rename(below.name, uuid.uuid4().hex, src_dir_fd=folder, dst_dir_fd=top)
            else:
                with suppress(FileNotFoundError):
                    os.unlink(below.name, dir_fd=folder)
    finally:
        os.close(folder)
    with suppress(OSError):  # not empty yet: the next round goes on
        os.rmdir(entry.name, dir_fd=top)
    return len(inside)


def unlock(name: str, *, within: int) -> None:
    """Let us move a folder that is to go: moving one to another place writes in it."""
    there = look(name, within=within)
    if there is not None and stat.S_ISDIR(there.st_mode):
        with suppress(PermissionError):
            os.close(_open_own(name, within))


def _open_own(name: str, within: int) -> int:
    """Open a folder that is to go, whatever its mode: a job may have closed its own folders."""
    try:
        fd = os.open(name, FOLDER, dir_fd=within)
    except PermissionError:
        handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
        try:
            os.chmod(f"/proc/self/fd/{handle}", 0o700)  # noqa: PTH101 - the descriptor, which no swap can redirect
        finally:
            os.close(handle)
        fd = os.open(name, FOLDER, dir_fd=within)
    with suppress(PermissionError):
        os.fchmod(fd, 0o700)
    return fd
