"""What is in the bundle of a version: its files by name and size, and one of them as text."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from apps_catalog.models import Version
from apps_catalog.services.bundle_store import opened
from portal.errors import Conflict, NotFound

SHOWN_BYTES = 512 * 1024


@dataclass(frozen=True)
class BundleFile:
    path: str
    size: int


@dataclass(frozen=True)
class BundleText:
    """A file as text. `left_out` are its bytes beyond SHOWN_BYTES; `text` is None where it is none."""

    path: str
    size: int
    text: str | None
    left_out: int = 0


def contents(version: Version) -> list[BundleFile]:
    """The files, the code first; [] where the bundle is gone."""
    try:
        with _archive(version) as archive:
            found = [BundleFile(one.filename, one.file_size) for one in archive.infolist()]
    except (NotFound, Conflict):
        return []
    return sorted(found, key=lambda one: ("/" not in one.path, one.path))


def text_of(version: Version, path: str) -> BundleText:
    """One file of a bundle. Raises NotFound, Conflict."""
    with _archive(version) as archive:
        try:
            member = archive.getinfo(path)
        except KeyError:
            raise NotFound(f"Version {version.label} of {version.app.slug} has no file of this name.") from None
        with archive.open(member) as file:
            raw = file.read(SHOWN_BYTES)
    left = member.file_size - len(raw)
    if b"\0" in raw:
        return BundleText(path, member.file_size, None)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as fault:
        if not left or fault.start < len(raw) - 3:  # else the cut goes through a character
            return BundleText(path, member.file_size, None)
        text = raw[: fault.start].decode("utf-8")
    return BundleText(path, member.file_size, text, left)


@contextmanager
def _archive(version: Version) -> Iterator[zipfile.ZipFile]:
    with opened(version) as file:
        try:
            archive = zipfile.ZipFile(file)
        except zipfile.BadZipFile:
            said = f"The bundle of version {version.label} of {version.app.slug} can't be read any more. Push it again."
            raise Conflict(said, code="bundle_broken") from None
        with archive:
            yield archive
