"""The files of a bundle while it is looked over: bounded, spooled to disk past a few MiB, and packed always the same way."""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO, Final, Self

from apps_catalog.launch.bundle_paths import BundleFault, clean_path, left_out, same_elsewhere, shown

FILES_MAX: Final = 5_000
IN_MEMORY_BYTES: Final = 8 * 2**20
PIECE_BYTES: Final = 2**20
# Any time before would do; this is the first that a zip can say.
STAMP: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Place:
    """Where a file lies in the spool."""

    offset: int
    size: int
    executable: bool


@dataclass(frozen=True)
class Packed:
    """A bundle as it is kept: a zip that is the same for the same files. Close it when it is stored."""

    file: IO[bytes]
    digest: str
    size: int


class BundleFiles:
    """Files by path, in no order: `size_bytes` together, of `looked_at` names. Use it in a `with`, which gives the room back."""

    def __init__(self, bytes_max: int, files_max: int = FILES_MAX) -> None:
        self.bytes_max, self.files_max = bytes_max, files_max
        self.places: dict[str, Place] = {}
        self.skipped: list[str] = []
        self._spool = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115 - closed by __exit__
        self.size_bytes = 0
        self._seen: dict[str, str] = {}
        self._folders: set[str] = set()
        self.looked_at = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._spool.close()

    def folder(self, written: str) -> None:
        """Note a folder, which is made by what lies in it; its path must be one all the same."""
        clean_path(written)
        self._counted()

    def add(self, written: str, pieces: Iterable[bytes], *, executable: bool = False) -> None:
        """Take one file. Raises BundleFault: a path that leads out, one that is there already, too much or too many."""
        path = clean_path(written)
        self._counted()
        if not path:
            raise BundleFault("unsafe-path", "A file of the archive has no name. Pack the bundle again.")
        if left_out(path):
            self.skipped.append(path)
            return
        self._demand_room_for(path)
        offset = self.size_bytes
        self._spool.seek(offset)
        for piece in pieces:
            self.size_bytes += len(piece)
            if self.size_bytes > self.bytes_max:
                raise too_large(self.bytes_max)
            self._spool.write(piece)
        self.places[path] = Place(offset, self.size_bytes - offset, executable)

    def _counted(self) -> None:
        self.looked_at += 1
        if self.looked_at > 4 * self.files_max or len(self.places) >= self.files_max:
            raise BundleFault(
                "too-many-files",
                f"The bundle has more than {self.files_max:,} files. Put libraries into the container image, and data "
                "into the job's source.",
            )

    def _demand_room_for(self, path: str) -> None:
        if path in self.places:
            raise BundleFault("duplicate-name", f"The file {shown(path)} is there twice. Pack the bundle again.", path)
        same = same_elsewhere(path)
        if same in self._seen:
            said = f"{shown(self._seen[same])} and {shown(path)} differ in case or accents only, which not every computer can keep apart. Rename one."
            raise BundleFault("case-collision", said, path)
        above = [same.rsplit("/", count)[0] for count in range(1, same.count("/") + 1)]
        if same in self._folders or any(folder in self._seen for folder in above):
            raise BundleFault("duplicate-name", f"{shown(path)} is both a file and a folder. Rename one.", path)
        self._seen[same] = path
        self._folders.update(above)

    def read(self, path: str, most: int) -> bytes | None:
        """The bytes of a file, at most one more than `most`; None where there is none."""
        place = self.places.get(path)
        if place is None:
            return None
        self._spool.seek(place.offset)
        return self._spool.read(min(place.size, most + 1))

    def replace(self, path: str, data: bytes) -> None:
        """Put other bytes in the place of a file."""
        place = self.places[path]
        self._spool.seek(self.size_bytes)
        self._spool.write(data)
        self.places[path] = Place(self.size_bytes, len(data), place.executable)
        self.size_bytes += len(data)

    def move_up(self, folder: str) -> None:
        """Leave away the folder that all files lie in."""
        start = f"{folder}/"
        self.places = {path.removeprefix(start): place for path, place in self.places.items()}

    def packed(self) -> Packed:
        """The zip: files in the order of their names, without their times and owners."""
        made = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115 - whoever stores it closes it
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for path in sorted(self.places):
                place = self.places[path]
                member = zipfile.ZipInfo(path, STAMP)
                member.compress_type = zipfile.ZIP_DEFLATED
                member.create_system = 3
                member.external_attr = (0o100755 if place.executable else 0o100644) << 16
                member.file_size = place.size
                with archive.open(member, "w") as out:
                    self._copy(place, out)
        made.seek(0)
        digest = hashlib.sha256()
        size = 0
        while piece := made.read(PIECE_BYTES):
            digest.update(piece)
            size += len(piece)
        made.seek(0)
        return Packed(made, digest.hexdigest(), size)

    def _copy(self, place: Place, out: IO[bytes]) -> None:
        self._spool.seek(place.offset)
        left = place.size
        while left > 0 and (piece := self._spool.read(min(left, PIECE_BYTES))):
            out.write(piece)
            left -= len(piece)


def too_large(bytes_max: int) -> BundleFault:
    return BundleFault(
        "too-large",
        f"The bundle has more than {bytes_max / 2**20:.0f} MiB when it is unpacked. Put libraries into the container "
        "image, and data into the job's source.",
    )
