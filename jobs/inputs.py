"""Where a job in stages takes its files from and brings them to, as its worker sees it.

Kinds here are `bypass` (none; one dummy chunk) and `file` (uploads of the owner's). Others come from jobs.sources.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from apps_catalog.launch.spec import Fault, Json
from jobs import uploads
from jobs.models import Upload
from portal.errors import NotFound
from portal.people.models import User

BYPASS = "bypass"
DUMMY_NAME, DUMMY = "bypass.bin", b"bypass\n"


class Source(Protocol):
    """`fetch` streams the files into a folder, and gives their names; called again after a crash, it writes the same.

    Raises PortalError for what is not there, refuses or is cut; `stopping` says when to give up.
    """

    def fetch(self, into: Path, *, bytes_max: int, stopping: Callable[[], bool]) -> list[str]: ...


class Destination(Protocol):
    """`deliver` streams named files to where they belong. `trivial`: there is nothing to deliver to."""

    @property
    def trivial(self) -> bool: ...

    def deliver(self, files: Iterable[tuple[str, Path]], *, stopping: Callable[[], bool]) -> None: ...


@dataclass(frozen=True)
class Bypass:
    """No source: the partitioner finds one dummy file. No destination: the results stay with the job."""

    trivial: bool = True

    def fetch(self, into: Path, *, bytes_max: int, stopping: Callable[[], bool]) -> list[str]:
        (into / DUMMY_NAME).write_bytes(DUMMY)
        return [DUMMY_NAME]

    def deliver(self, files: Iterable[tuple[str, Path]], *, stopping: Callable[[], bool]) -> None:
        return


@dataclass(frozen=True)
class Files:
    """Uploaded files of the owner's."""

    rows: tuple[Upload, ...]

    def fetch(self, into: Path, *, bytes_max: int, stopping: Callable[[], bool]) -> list[str]:
        names: list[str] = []
        for row in self.rows:
            if not uploads.path_of(row).is_file():
                raise NotFound(f"The uploaded file '{row.name}' is not in the store any more. Upload it again.")
            name = row.name if row.name not in names else f"{len(names)}_{row.name}"
            shutil.copyfile(uploads.path_of(row), into / name)
            names.append(name)
        return names


def source_of(given: Json, owner: User) -> Source | list[Fault]:
    """The source, or faults at /dataSource/.... Nothing said is `bypass`."""
    if not isinstance(given, Mapping):
        return [Fault("/dataSource", "type", "must be an object")]
    kind = given.get("kind", BYPASS)
    if kind == BYPASS:
        return Bypass()
    if kind != "file":
        return [
            Fault(
                "/dataSource/kind", "unknown", f"{str(kind)[:40]!r} is not a kind of source. Known are: bypass, file."
            )
        ]
    return _files(given, owner)


def _files(given: Mapping[str, Json], owner: User) -> Files | list[Fault]:
    ids = given.get("uploads")
    if not isinstance(ids, list) or not ids or not all(isinstance(one, str) for one in ids):
        return [Fault("/dataSource/uploads", "required", "must list the ids of uploaded files")]
    found: dict[str, Upload] = {}
    for one in ids:
        try:
            row = Upload.objects.usable_by(owner).filter(pk=uuid.UUID(one)).first()
        except ValueError:
            row = None
        if row is None:
            said = "This upload is not there any more. Upload the file again."
            return [Fault(f"/dataSource/uploads/{ids.index(one)}", "unknown_upload", said)]
        found[one] = row
    return Files(tuple(found.values()))


def destination_of(given: Json, owner: User) -> Destination | list[Fault]:
    """The destination, or faults at /dataDestination/.... Nothing said is `bypass`."""
    if not isinstance(given, Mapping):
        return [Fault("/dataDestination", "type", "must be an object")]
    kind = given.get("kind", BYPASS)
    if kind == BYPASS:
        return Bypass()
    said = f"{str(kind)[:40]!r} is not a kind of destination. Known is: bypass."
    return [Fault("/dataDestination/kind", "unknown", said)]
