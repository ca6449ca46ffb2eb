"""Files that their owner has uploaded: by the form's drop zone, or to a one-time address."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

from apps_catalog.launch.parameters.files import in_bytes
from jobs import uploads
from jobs.gathering import link_or_copy
from jobs.models import Upload
from jobs.sources.base import SHOWN_NAMES, Fields, Kind, Refused, Seen
from jobs.sources.names import Names
from jobs.sources.passage import Passage
from jobs.store import disk_faults
from portal.errors import NotFound
from portal.people.models import User

GONE = "This upload is not there any more. Upload the file again."


@dataclass(frozen=True)
class Uploads:
    rows: tuple[Upload, ...]

    def fetch(self, into: Path, passage: Passage) -> list[str]:
        passage.expect(len(self.rows), sum(row.size for row in self.rows))
        names = Names()
        found = []
        for row in self.rows:
            name = names.take(row.name)
            try:
                with disk_faults():
                    link_or_copy(uploads.path_of(row), into / name)
            except FileNotFoundError:
                raise _gone(row) from None
            passage.count(row.size)
            passage.arrived()
            found.append(name)
        return found

    def look(self) -> Seen:
        for row in self.rows:
            if not uploads.path_of(row).is_file():
                raise _gone(row)
        size = sum(row.size for row in self.rows)
        if not size:
            raise Refused(f"The uploaded file '{self.rows[0].name}' is empty. Choose another.")
        return Seen(len(self.rows), size, tuple(row.name for row in self.rows[:SHOWN_NAMES]))


def _gone(row: Upload) -> NotFound:
    return NotFound(f"The uploaded file '{row.name}' is not in the store any more. Upload it again.")


def ids_of(given: object) -> list[uuid.UUID]:
    """The uploads that a source names, for a job to keep them."""
    if not isinstance(given, dict) or given.get("kind") != SOURCE.kind:
        return []
    found = given.get("uploads")
    return [uuid.UUID(one) for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _read(fields: Fields, owner: User) -> Uploads:
    rows = []
    for index, text in enumerate(fields.texts("uploads", required="must list at least one uploaded file")):
        try:
            key = uuid.UUID(text)
        except ValueError:
            fields.wrong("uploads", "unknown_upload", GONE, index)
            continue
        row = Upload.objects.usable_by(owner).filter(pk=key).first()
        if row is not None:
            rows.append(row)
            continue
        begun = Upload.objects.filter(pk=key, owner=owner, complete=False).first()
        if begun is None:
            fields.wrong("uploads", "unknown_upload", GONE, index)
        else:
            of = f" of {in_bytes(begun.awaited_bytes)}" if begun.awaited_bytes else ""
            said = f"'{begun.name}' is not all here yet: {in_bytes(uploads.arrived(begun))}{of}. Send the rest first."
            fields.wrong("uploads", "incomplete_upload", said, index)
    return Uploads(tuple(dict.fromkeys(rows)))


SOURCE = Kind("file", "Uploaded files", ("uploads",), _read)
