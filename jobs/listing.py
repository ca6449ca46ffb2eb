"""Listings: one folder, a page of it at a time, sorted and chosen from as a person or a picker asks."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Literal

from jobs import safe_paths
from jobs.safe_paths import OWN_PREFIX, Kind

LISTED_MAX = 100_000  # names of one folder that are read; where there are more, the listing says so

Sort = Literal["name", "-name", "size", "-size", "time", "-time"]
SORTS: tuple[Sort, ...] = ("name", "-name", "size", "-size", "time", "-time")
SKIPPED: dict[Kind, str] = {
    "link": "link",
    "pipe": "named pipe",
    "socket": "socket",
    "device": "device",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a listing. `skipped` says why it can't be opened ("" = it can); `fixed`: not even renamed or deleted."""

    name: str
    kind: Literal["file", "folder", "skipped"]
    size: int
    mtime: datetime
    skipped: str = ""
    fixed: bool = False


@dataclass(frozen=True)
class Listing:
    """A page of a folder. `total` counts what fits pattern and search; `cut`: the folder has more names than are read."""

    path: str
    entries: tuple[Entry, ...]
    total: int
    cut: bool


def read_folder(
    fd: int,
    path: str,
    *,
    patterns: Sequence[str] = (),
    search: str = "",
    sort: Sort = "name",
    offset: int = 0,
    limit: int = 200,
) -> Listing:
    """A page of the open folder `fd`, folders first. Sorted by name only the page's own files are looked at."""
    needle = search.casefold()
    with os.scandir(fd) as found:
        read = list(islice(found, LISTED_MAX + 1))
    kept = [
        one
        for one in read[:LISTED_MAX]
        if needle in one.name.casefold() and _wanted(one, patterns) and (path or not one.name.startswith(OWN_PREFIX))
    ]
    if sort in ("name", "-name"):
        kept.sort(key=lambda one: (one.name.casefold(), one.name), reverse=sort == "-name")
        kept.sort(key=lambda one: not one.is_dir(follow_symlinks=False))
        entries = _entries(kept[offset : offset + limit])
    else:
        entries = _entries(kept)
        entries.sort(key=lambda one: one.name.casefold())
        entries.sort(key=lambda one: one.size if "size" in sort else one.mtime, reverse=sort.startswith("-"))
        entries.sort(key=lambda one: one.kind != "folder")
        entries = entries[offset : offset + limit]
    return Listing(path, tuple(entries), len(kept), len(read) > LISTED_MAX)


def select(
    entries: Iterable[Entry],
    path: str,
    *,
    patterns: Sequence[str] = (),
    search: str = "",
    sort: Sort = "name",
    offset: int = 0,
    limit: int = 200,
    cut: bool = False,
) -> Listing:
    """The same page from entries that are all known already."""
    needle = search.casefold()
    kept = [
        one
        for one in entries
        if needle in one.name.casefold() and (not patterns or one.kind == "folder" or matches(one.name, patterns))
    ]
    kept.sort(key=lambda one: (one.name.casefold(), one.name), reverse=sort == "-name")
    if sort not in ("name", "-name"):
        kept.sort(key=lambda one: one.size if "size" in sort else one.mtime, reverse=sort.startswith("-"))
    kept.sort(key=lambda one: one.kind != "folder")
    return Listing(path, tuple(kept[offset : offset + limit]), len(kept), cut)


def _wanted(entry: os.DirEntry[str], patterns: Sequence[str]) -> bool:
    return not patterns or entry.is_dir(follow_symlinks=False) or matches(entry.name, patterns)


def matches(name: str, patterns: Sequence[str]) -> bool:
    """As a shell does it: case counts, and a hidden name is only matched by a pattern that begins with a dot."""
    return any(
        fnmatch.fnmatchcase(name, pattern.replace("[^", "[!"))
        for pattern in patterns
        if not name.startswith(".") or pattern.startswith(".")
    )


def _entries(found: Iterable[os.DirEntry[str]]) -> list[Entry]:
    return [entry for entry in map(_entry, found) if entry]


def _entry(found: os.DirEntry[str]) -> Entry | None:
    try:
        seen = found.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return entry_of(found.name, seen)


def entry_of(name: str, seen: os.stat_result) -> Entry:
    kind = safe_paths.kind_of(seen.st_mode)
    size = seen.st_size if kind == "file" else 0
    shown = printable(name)
    if shown != name:
        return Entry(shown, "skipped", size, _time(seen), "name is not UTF-8", fixed=True)
    if kind == "file" or kind == "folder":
        return Entry(name, kind, size, _time(seen))
    return Entry(name, "skipped", size, _time(seen), SKIPPED.get(kind, "device"))


def printable(name: str) -> str:
    """The name, or where it is not UTF-8 the name with those bytes as \\xNN."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("utf-8", "backslashreplace")
    return name


def _time(seen: os.stat_result) -> datetime:
    """When it was written; a job may have set any time, also one that no calendar has."""
    try:
        return datetime.fromtimestamp(seen.st_mtime, tz=UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, tz=UTC)
