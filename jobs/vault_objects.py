"""Vaults of type OBJECT: a bucket browsed and changed as if it had folders, with the messages and limits of a disk.

A key's parts between "/" are its folders. An empty folder is an empty object whose key ends with "/", as other tools
make it. What can't be a path on a disk is listed as skipped, and is neither opened nor changed.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, BinaryIO, cast

from jobs import listing, safe_paths, vault_levels, vault_s3, vault_transfer
from jobs.listing import Entry, Listing, Sort
from jobs.models import Vault
from jobs.safe_paths import PathRefused
from jobs.vault_s3 import Found, ObjectsAway
from jobs.vault_transfer import Reader, Writer
from jobs.vault_usage import over_quota, reserved, room, stale
from portal.errors import Conflict, NotFound, PortalError

MOVED_AT_ONCE = 1000
BUFFER_BYTES = 2**18
AWAY_S = 10  # a service that did not answer is not asked again so soon: a form asks at every change
_away: dict[int, tuple[float, str]] = {}


def _asked(vault: Vault, act: Callable[[], Any]) -> Any:
    """Ask the service, unless it did not answer a moment ago."""
    until, said = _away.get(vault.pk, (0.0, ""))
    if time.monotonic() < until:
        raise ObjectsAway(said)
    try:
        answer = act()
    except ObjectsAway as away:
        _away[vault.pk] = (time.monotonic() + AWAY_S, away.message)
        raise
    _away.pop(vault.pk, None)
    return answer


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
    """A page of a folder, folders first; the same choices as on a disk. Names are read once for several questions."""
    names = safe_paths.parts(path)
    folder = "/".join(names)
    level = _asked(vault, lambda: vault_levels.level(vault, f"{folder}/" if folder else ""))
    if folder and not level.exists:
        if _asked(vault, lambda: vault_s3.head(vault, folder)):
            raise PathRefused(f"'{names[-1]}' is no folder.")
        raise NotFound(f"There is no folder '{names[-1]}' here. It may have been moved or deleted.")
    return listing.select(
        level.entries,
        folder,
        patterns=patterns,
        search=search,
        sort=sort,
        offset=offset,
        limit=limit,
        cut=level.cut,
    )


def exists(vault: Vault, path: str) -> bool:
    """Whether a job would find a file or folder there. Bad paths are not there. Raises where the service can't say."""
    try:
        names = safe_paths.parts(path)
    except PathRefused:
        return False
    if not names:
        return True
    found: bool = _asked(vault, lambda: vault_levels.holds(vault, "/".join(names)))
    return found


def open_file(vault: Vault, path: str) -> BinaryIO:
    """A file, for reading from anywhere in it. Raises NotFound or PathRefused."""
    name = _path(path)
    found = _asked(vault, lambda: vault_s3.head(vault, name))
    if found is None:
        raise _missing(name)
    return cast("BinaryIO", io.BufferedReader(Reader(vault, found), BUFFER_BYTES))


def _path(path: str) -> str:
    names = safe_paths.parts(path)
    if not names:
        raise PathRefused("The path names the vault itself. Name a file or folder in it.")
    name = "/".join(names)
    if len(name) > vault_s3.KEY_MAX:
        raise PathRefused(f"The path has more than {vault_s3.KEY_MAX} characters. Use shorter names.")
    return name


def _fresh_path(path: str) -> str:
    """The path, if it is fit for something new and what it lies in is no file."""
    name = _path(path)
    safe_paths.fresh_name(name.rsplit("/", 1)[-1])
    return name


def _missing(name: str) -> NotFound:
    return NotFound(f"There is no file '{name.rsplit('/', 1)[-1]}' here. It may have been moved or deleted.")


def _taken(name: str) -> Conflict:
    last = name.rsplit("/", 1)[-1]
    return Conflict(f"'{last}' is there already. Choose another name, or remove that one first.", code="exists")


def _is_folder(vault: Vault, name: str) -> bool:
    return any(page.get("KeyCount", 0) > 0 for page in vault_s3.pages(vault, f"{name}/", most=1))


def save_file(vault: Vault, path: str, chunks: Iterable[bytes], *, replace: bool = False) -> Entry:
    """Write a file: whole or not at all, whatever fails. Raises Conflict where one is and `replace` is false, and Full.

    The folders above come with it. Two who save the same new name at once both succeed, and the later one stays: not
    every service takes a condition with a write.
    """
    name = _fresh_path(path)
    there: Found | None = _asked(vault, lambda: vault_s3.head(vault, name))
    if there and not replace:
        raise _taken(name)
    if _is_folder(vault, name):
        raise Conflict(f"'{name.rsplit('/', 1)[-1]}' is a folder. Choose another name.", code="exists")
    _no_file_above(vault, name)
    before = there.size if there else 0
    writer = Writer(vault, name)
    try:
        writer.send(_within(vault, chunks, room(vault) + before))
        with reserved(vault, writer.size - before):
            writer.finish()
    except BaseException:
        writer.abort()
        raise
    vault_levels.changed(vault)
    seen = vault_s3.head(vault, name)
    if seen is None:
        raise Conflict(f"'{name}' was removed as soon as it was written, by a job or another person. Send it again.")
    return Entry(name.rsplit("/", 1)[-1], "file", seen.size, seen.changed)


def _within(vault: Vault, chunks: Iterable[bytes], allowed: int) -> Iterable[bytes]:
    passed = 0
    for chunk in chunks:
        passed += len(chunk)
        if passed > allowed:
            raise over_quota(vault)
        yield chunk


def _no_file_above(vault: Vault, name: str) -> None:
    """A disk has no file that is a folder too; a bucket could, and a job would then find only one of them."""
    above = name.rpartition("/")[0]
    if above and not _is_folder(vault, above) and vault_s3.head(vault, above):
        raise PathRefused(f"'{above.rsplit('/', 1)[-1]}' is no folder.")


def make_folder(vault: Vault, path: str) -> None:
    """Raises Conflict where there is something of that name, NotFound where the folder above is missing."""
    name = _fresh_path(path)
    if _asked(vault, lambda: vault_levels.holds(vault, name)):
        raise _taken(name)
    _demand_folder(vault, name.rpartition("/")[0])
    _mark_folder(vault, name)
    vault_levels.changed(vault)


def _demand_folder(vault: Vault, name: str) -> None:
    if name and not _is_folder(vault, name):
        if vault_s3.head(vault, name):
            raise PathRefused(f"'{name.rsplit('/', 1)[-1]}' is no folder.")
        last = name.rsplit("/", 1)[-1]
        raise NotFound(f"There is no folder '{last}' here. It may have been moved or deleted.")


def _mark_folder(vault: Vault, name: str) -> None:
    Writer(vault, f"{name}/").finish()


def rename(vault: Vault, path: str, name: str) -> None:
    """Give a file or a folder another name in the same folder. Raises Conflict where it is taken."""
    safe_paths.fresh_name(name)
    old = _path(path)
    above = old.rpartition("/")[0]
    _relocate(vault, old, f"{above}/{name}" if above else name)


def move(vault: Vault, path: str, folder: str) -> None:
    """Move a file or folder, under its own name, into another folder of the vault."""
    old = _path(path)
    into = "/".join(safe_paths.parts(folder))
    if f"{into}/".startswith(f"{old}/"):
        last = old.rsplit("/", 1)[-1]
        raise Conflict(f"'{last}' can't be moved into itself. Choose another folder.", code="into_itself")
    _demand_folder(vault, into)
    last = old.rsplit("/", 1)[-1]
    _relocate(vault, old, f"{into}/{last}" if into else last)


def _relocate(vault: Vault, old: str, new: str) -> None:
    """Copy all of it, then remove what it was copied from: what fails half way leaves the old whole, and no copies."""
    if len(new) > vault_s3.KEY_MAX:
        raise PathRefused(f"The path has more than {vault_s3.KEY_MAX} characters. Use shorter names.")
    sources = list(islice(_all_of(vault, old), MOVED_AT_ONCE + 1))
    if not sources:
        raise _missing(old)
    if vault_levels.holds(vault, new):
        raise _taken(new)
    if len(sources) > MOVED_AT_ONCE:
        said = f"'{old.rsplit('/', 1)[-1]}' holds more than {MOVED_AT_ONCE:,} files, and a bucket moves each by itself."
        raise Conflict(f"{said} Move it in smaller parts.", code="too_many")
    copied: list[str] = []
    try:
        for source in sources:
            to = new + source.key[len(old) :]
            vault_transfer.copy(vault, source, to)
            copied.append(to)
    except PortalError:
        with suppress(PortalError):
            vault_transfer.remove(vault, copied)
        raise
    vault_transfer.remove(vault, [source.key for source in sources])
    _keep_folder(vault, old.rpartition("/")[0])
    vault_levels.changed(vault)


def _all_of(vault: Vault, name: str) -> Iterable[Found]:
    """The object of this path, and all below it as a folder."""
    found = _asked(vault, lambda: vault_s3.head(vault, name))
    if found:
        yield found
    yield from vault_s3.objects(vault, f"{name}/")


def _keep_folder(vault: Vault, name: str) -> None:
    """A folder whose last file has left stays, as on a disk."""
    if name and not _is_folder(vault, name):
        _mark_folder(vault, name)


def delete(vault: Vault, path: str) -> None:
    """Remove a file, or a folder with all it holds."""
    name = _path(path)
    gone = vault_transfer.remove(vault, (found.key for found in _all_of(vault, name)))
    if not gone:
        raise _missing(name)
    _keep_folder(vault, name.rpartition("/")[0])
    vault_levels.changed(vault)
    stale(vault)
