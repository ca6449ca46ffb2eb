"""Vaults that are folders (FILE, BLOCK, BLOCK_ARRAY), which people and jobs share. The only code that touches what is in them."""

from __future__ import annotations

import errno
import functools
import logging
import os
import stat
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, TypeVar, cast

from jobs import identity, listing, safe_paths
from jobs.listing import Entry, Listing, Sort, entry_of
from jobs.models import Vault
from jobs.safe_paths import OWN_PREFIX, PathRefused
from jobs.vault_locations import MARKER, VaultAway
from jobs.vault_roots import ON_DISK, root_of
from jobs.vault_usage import WALKED_MAX, bytes_of, over_quota, reserved, room, stale
from portal.disk import disk_faults
from portal.errors import Conflict, Forbidden, NotFound, PortalError

logger = logging.getLogger(__name__)
Act = TypeVar("Act", bound=Callable[..., Any])
REMOVED_AT_ONCE = 20_000
LEFTOVER_AFTER_S = 24 * 3600
# What a file system answers to something that it has no notion of: links, owners, modes, folders written through.
NOT_OFFERED = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EMLINK})
AWAY = frozenset({errno.ESTALE, errno.EIO, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EREMOTEIO})


def _answering(act: Act) -> Act:
    """Say in words that a file system does not answer, or takes no change, whatever was asked of it."""

    @functools.wraps(act)
    def told(vault: Vault, *args: Any, **asked: Any) -> Any:
        try:
            return act(vault, *args, **asked)
        except OSError as error:
            if error.errno in AWAY:
                said = f"The disk of the vault '{vault.name}' does not answer ({error.strerror}). Try again later."
                raise VaultAway(said) from error
            if error.errno == errno.EROFS:
                said = f"The disk of the vault '{vault.name}' is mounted read-only: nothing in it can be changed."
                raise Forbidden(said) from error
            raise

    return cast("Act", told)


@_answering
def list_folder(
    vault: Vault,
    path: str = "",
    *,
    patterns: Sequence[str] = (),
    search: str = "",
    sort: Sort = "name",
    offset: int = 0,
    limit: int = 200,
) -> Listing:
    """A page of a folder, folders first. `patterns` (as a shell reads them) choose among files; `search` among all."""
    names = safe_paths.parts(path)
    with safe_paths.opened(root_of(vault), names) as fd:
        return listing.read_folder(
            fd, "/".join(names), patterns=patterns, search=search, sort=sort, offset=offset, limit=limit
        )


@_answering
def exists(vault: Vault, path: str) -> bool:
    """Whether a job would find a file or folder of its own there. Links do not count, and bad paths are not there."""
    try:
        *folders, name = safe_paths.parts(path) or (".",)
        with safe_paths.opened(root_of(vault), folders) as fd:
            there = safe_paths.look(name, within=fd)
    except (NotFound, PathRefused):
        return False
    return there is not None and safe_paths.kind_of(there.st_mode) in ("file", "folder")


@_answering
def open_file(vault: Vault, path: str) -> BinaryIO:
    """A regular file, for reading. Raises NotFound or PathRefused."""
    with _parent(vault, path) as (fd, name):
        return safe_paths.open_file(name, within=fd)


@contextmanager
def _parent(vault: Vault, path: str) -> Iterator[tuple[int, str]]:
    """The open folder that a path's last name lies in, and that name."""
    names = safe_paths.parts(path)
    if not names:
        raise PathRefused("The path names the vault itself. Name a file or folder in it.")
    if names == (MARKER,):
        raise NotFound(f"'{MARKER}' is the portal's own. It says on every host that this folder is the vault.")
    with safe_paths.opened(root_of(vault), names[:-1]) as fd:
        yield fd, names[-1]


@_answering
def save_file(vault: Vault, path: str, chunks: Iterable[bytes], *, replace: bool = False) -> Entry:
    """Write a file: whole or not at all, whatever fails. Raises Conflict where one is and `replace` is false, and Full."""
    with _parent(vault, path) as (folder, name), safe_paths.opened(root_of(vault)) as top:
        safe_paths.fresh_name(name)
        before = _replaceable(name, folder, replace)
        allowed = room(vault) + before
        temporary = f"{OWN_PREFIX}{uuid.uuid4().hex}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with _plain_faults(name):
            fd = os.open(temporary, flags, 0o600, dir_fd=top)
        try:
            with os.fdopen(fd, "wb", buffering=0) as file:
                size = _write(vault, file.fileno(), chunks, allowed)
            with reserved(vault, size - before), _plain_faults(name):
                _show(temporary, top, name, folder, replace)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=top)
        seen = safe_paths.look(name, within=folder)
    if seen is None:
        raise Conflict(f"'{name}' was removed as soon as it was written, by a job or another person. Send it again.")
    return entry_of(name, seen)


def _show(temporary: str, top: int, name: str, folder: int, replace: bool) -> None:
    """Give the finished file its name, in one step; never over another one unless asked."""
    try:
        if not replace:
            os.link(temporary, name, src_dir_fd=top, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in NOT_OFFERED:
            raise
        replace = safe_paths.look(name, within=folder) is None  # a file system without hard links
        if not replace:
            raise FileExistsError from None
    if replace:
        os.rename(temporary, name, src_dir_fd=top, dst_dir_fd=folder)
    with _as_offered():
        os.fsync(folder)


@contextmanager
def _as_offered() -> Iterator[None]:
    """Do without what this file system does not offer. Where it has no owners or modes, its mount options say them."""
    try:
        yield
    except OSError as error:
        if error.errno not in NOT_OFFERED:
            raise


def _replaceable(name: str, folder: int, replace: bool) -> int:
    """How many bytes the new file takes the place of."""
    there = safe_paths.look(name, within=folder)
    if there is None:
        return 0
    if safe_paths.kind_of(there.st_mode) == "folder":
        raise Conflict(f"'{name}' is a folder. Choose another name.", code="exists")
    if not replace:
        raise _taken(name)
    return bytes_of(there)


def _taken(name: str) -> Conflict:
    return Conflict(f"'{name}' is there already. Choose another name, or remove that one first.", code="exists")


def _write(vault: Vault, fd: int, chunks: Iterable[bytes], allowed: int) -> int:
    written = 0
    for chunk in chunks:
        written += len(chunk)
        if written > allowed:
            raise over_quota(vault)
        with disk_faults():
            rest = memoryview(chunk)
            while rest:
                rest = rest[os.write(fd, rest) :]
    with disk_faults():
        _share(vault, identity.share_file, fd)
        os.fsync(fd)
    return written


def _share(vault: Vault, act: Callable[[int], None], fd: int) -> None:
    """Let jobs use it. At a location of an operator's the file system may have no owners, or not let us give it away."""
    if not vault.location:
        act(fd)
        return
    with _as_offered():
        act(fd)


@contextmanager
def _plain_faults(name: str, *, moving: bool = False) -> Iterator[None]:
    """Turn the operating system's answers to a change into ours."""
    try:
        with disk_faults():
            yield
    except FileExistsError:
        raise _taken(name) from None
    except FileNotFoundError:
        raise NotFound(f"There is no '{name}' here. It may have been moved or deleted.") from None
    except PermissionError:
        raise Forbidden(f"'{name}' can't be changed: its permissions do not allow it.") from None
    except OSError as error:
        if error.errno == errno.EINVAL and moving:
            raise Conflict(f"'{name}' can't be moved into itself. Choose another folder.", code="into_itself") from None
        if error.errno == errno.EINVAL:
            raise PathRefused(f"The disk of this vault takes no name like '{name}'. Choose a plainer one.") from None
        raise


@_answering
def make_folder(vault: Vault, path: str) -> None:
    """Raises Conflict where there is something of that name, NotFound where the folder above is missing."""
    with _parent(vault, path) as (fd, name), _plain_faults(name):
        safe_paths.fresh_name(name)
        os.mkdir(name, 0o700, dir_fd=fd)
        made = safe_paths.open_folder(name, within=fd)
        try:
            _share(vault, identity.share_folder, made)
        finally:
            os.close(made)


@_answering
def rename(vault: Vault, path: str, name: str) -> None:
    """Give a file, a folder or a link itself another name in the same folder. Raises Conflict where it is taken."""
    safe_paths.fresh_name(name)
    with _parent(vault, path) as (fd, old):
        _relocate(old, fd, name, fd)


@_answering
def move(vault: Vault, path: str, folder: str) -> None:
    """Move a file or folder, under its own name, into another folder of the vault."""
    with _parent(vault, path) as (fd, name), safe_paths.opened(root_of(vault), safe_paths.parts(folder)) as target:
        _relocate(name, fd, name, target)


def _relocate(old: str, source: int, new: str, target: int) -> None:
    with _plain_faults(old, moving=old == new):
        if safe_paths.look(old, within=source) is None:
            raise FileNotFoundError
        there = safe_paths.look(new, within=target)
        if there is not None and not _same_but_for_case(old, source, new, there):
            raise _taken(new)
        os.rename(old, new, src_dir_fd=source, dst_dir_fd=target)


def _same_but_for_case(old: str, source: int, new: str, there: os.stat_result) -> bool:
    """Whether the name that seems taken is the thing itself, on a file system that tells no `a` from `A`."""
    itself = safe_paths.look(old, within=source)
    if itself is None or old == new or old.casefold() != new.casefold() or not os.path.samestat(itself, there):
        return False
    return stat.S_ISDIR(there.st_mode) or there.st_nlink == 1


@_answering
def delete(vault: Vault, path: str) -> None:
    """Remove a file, a link itself, or a folder with all it holds. It vanishes at once; what is very large is freed later."""
    gone = f"{OWN_PREFIX}{uuid.uuid4().hex}"
    with _parent(vault, path) as (fd, name), safe_paths.opened(root_of(vault)) as top, _plain_faults(name):
        safe_paths.unlock(name, within=fd)
        os.rename(name, gone, src_dir_fd=fd, dst_dir_fd=top)
        safe_paths.remove(gone, within=top, entries_max=REMOVED_AT_ONCE)
    stale(vault)


def sweep() -> int:
    """Free what deletes left and uploads abandoned, a day old, in every vault; gives how many such things are gone."""
    swept = 0
    for vault in Vault.objects.filter(type__in=ON_DISK).iterator():
        try:
            swept += _sweep(vault)
        except (OSError, PortalError):
            logger.exception("The vault %s could not be swept; the others are.", vault.name)
    return swept


def _sweep(vault: Vault) -> int:
    swept = 0
    with safe_paths.opened(root_of(vault)) as top:
        with os.scandir(top) as entries:
            names = [entry.name for entry in entries if entry.name.startswith(OWN_PREFIX) and entry.name != MARKER]
        for name in names:
            there = safe_paths.look(name, within=top)
            if there and time.time() - there.st_ctime > LEFTOVER_AFTER_S:
                swept += safe_paths.remove(name, within=top, entries_max=WALKED_MAX)
    return swept
