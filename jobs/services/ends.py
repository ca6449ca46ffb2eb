"""Trying a source or a destination before a job does: whether it can be reached, and looking through its folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from apps_catalog.launch.parameters.files import in_bytes
from apps_catalog.launch.spec import Fault, Json
from jobs.listing import Listing
from jobs.sources import SOURCES, destination_of, source_of
from jobs.sources.base import SHOWN_NAMES, Listed
from portal.errors import Conflict, Invalid, PortalError
from portal.people.models import User

T = TypeVar("T")
NO_FOLDERS = "Only vaults and buckets can be looked through."


@dataclass(frozen=True)
class Verdict:
    """What a test found, in a sentence. `code` says why it is not `ok`; `files` and `size` are of a source."""

    ok: bool
    message: str
    code: str = ""
    files: int | None = None
    size: int | None = None
    names: tuple[str, ...] = ()


def test_source(given: Json, owner: User) -> Verdict:
    """Ask the other side, now. Raises Invalid where the source itself has faults."""
    source = _good(source_of(given, owner))
    try:
        seen = source.look()
    except PortalError as refused:
        return Verdict(False, refused.message, refused.code)
    count = "1 file" if seen.files == 1 else f"{seen.files:,} files"
    more = "more than " if seen.more else ""
    size = "" if seen.size is None else f", {in_bytes(seen.size)}"
    named = ", ".join(seen.names[:SHOWN_NAMES])
    rest = f" and {seen.files - SHOWN_NAMES:,} more" if seen.files > SHOWN_NAMES else ""
    message = f"It can be read: {more}{count}{size} ({named}{rest})."
    return Verdict(True, message, "", seen.files, seen.size, seen.names)


def test_destination(given: Json, owner: User) -> Verdict:
    """The same for a destination."""
    destination = _good(destination_of(given, owner))
    try:
        return Verdict(True, destination.look())
    except PortalError as refused:
        return Verdict(False, refused.message, refused.code)


def folder(given: Json, owner: User, *, path: str, search: str, offset: int, limit: int) -> Listing:
    """A page of a folder of a vault or a bucket, from what a source says of it but its paths. Raises Invalid, PortalError."""
    kind = given.get("kind") if isinstance(given, Mapping) else None
    known = SOURCES.get(kind) if isinstance(kind, str) else None
    if known is not None and "paths" not in known.fields:
        raise Conflict(NO_FOLDERS, code="no_folders")
    source = _good(source_of({**given, "paths": ["/"]} if known else given, owner))
    if not isinstance(source, Listed):
        raise Conflict(NO_FOLDERS, code="no_folders")
    return source.folder(path, search=search, offset=offset, limit=limit)


def _good(found: T | list[Fault]) -> T:
    if isinstance(found, list):
        raise Invalid.of(found, "this can be tried")
    return found
