"""Files from a vault of the owner's or of a team of theirs, and results into one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from jobs import safe_paths, vaults
from jobs.listing import Entry, Listing
from jobs.models import Vault
from jobs.safe_paths import PathRefused
from jobs.sources.base import Fields, Files, Kind, Seen, seen_of
from jobs.sources.names import Names
from jobs.sources.passage import PIECE_BYTES, Passage
from jobs.sources.paths import Chosen, choose, each_once, folder_path, for_job
from portal.errors import Conflict, NotFound
from portal.people.models import User

PAGE = 1000
DEPTH_MAX = 40


@dataclass(frozen=True)
class There:
    key: str  # its path in the vault
    size: int


@dataclass(frozen=True)
class FromVault:
    vault: Vault
    chosen: tuple[Chosen, ...]

    def fetch(self, into: Path, passage: Passage) -> list[str]:
        found = passage.steady(lambda: passage.gather(self._meant()))
        passage.expect(len(found), sum(one.size for one in found))
        names = Names()
        taken = []
        for one in found:
            name = names.take(one.key)
            passage.steady(lambda one=one, name=name: self._bring(one, into / name, passage))  # type: ignore[misc]
            passage.arrived()
            taken.append(name)
        return taken

    def _bring(self, one: There, place: Path, passage: Passage) -> None:
        with passage.anew(), closing(vaults.open_file(self.vault, one.key)) as file:
            passage.save(place, iter(lambda: file.read(PIECE_BYTES), b""))

    def look(self) -> Seen:
        return seen_of(self._meant(), f"the vault '{self.vault.name}'")

    def folder(self, path: str, *, search: str, offset: int, limit: int) -> Listing:
        return vaults.list_folder(self.vault, path, search=search, offset=offset, limit=limit)

    def _meant(self) -> Iterator[There]:
        """What is meant, each file once. Raises NotFound for a path that is nothing."""
        return each_once(self.chosen, self._files, self._nothing)

    def _nothing(self, one: Chosen) -> NotFound:
        folder = not one.wild and bool(one.name) and vaults.exists(self.vault, one.path)
        hint = f" It is a folder: write '{one.path}/'." if folder else " Check the path."
        place = f"the vault '{self.vault.name}'"
        said = f"There is no file '{one.path}' in {place}." if one.path else f"There is no file in {place}."
        return NotFound(said + hint)

    def _files(self, one: Chosen) -> Iterator[There]:
        if not one.name:
            yield from self._below(one.folder.rstrip("/"))
        elif one.wild:
            for entry in self._entries(one.folder.rstrip("/"), (one.name,)):
                if entry.kind == "file":
                    yield There(one.folder + entry.name, entry.size)
        else:
            with suppress(NotFound, PathRefused), closing(vaults.open_file(self.vault, one.path)) as file:
                yield There(one.path, file.seek(0, 2))

    def _below(self, folder: str, depth: int = 0) -> Iterator[There]:
        within = []
        for entry in self._entries(folder):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.kind == "file":
                yield There(path, entry.size)
            elif entry.kind == "folder" and depth < DEPTH_MAX:
                within.append(path)
        for path in within:
            yield from self._below(path, depth + 1)

    def _entries(self, folder: str, patterns: tuple[str, ...] = ()) -> Iterator[Entry]:
        offset, total = 0, 1
        while offset < total:
            try:
                page = vaults.list_folder(self.vault, folder, patterns=patterns, offset=offset, limit=PAGE)
            except NotFound:
                return
            yield from page.entries
            offset, total = offset + PAGE, page.total


@dataclass(frozen=True)
class ToVault:
    vault: Vault
    path: str
    trivial: ClassVar[bool] = False

    def deliver(self, files: Files, passage: Passage) -> None:
        below = for_job(self.path, passage.job_number)
        made: set[str] = set()
        for name, there in files:
            path = below + name
            self._make_folders(path, made)
            passage.steady(lambda path=path, there=there: self._save(path, there, passage))  # type: ignore[misc]
            passage.arrived()

    def _save(self, path: str, there: Path, passage: Passage) -> None:
        with passage.anew():
            vaults.save_file(self.vault, path, passage.pieces(there), replace=True)

    def _make_folders(self, path: str, made: set[str]) -> None:
        parts = path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            folder = "/".join(parts[:depth])
            if folder not in made:
                with suppress(Conflict):  # it is there
                    vaults.make_folder(self.vault, folder)
                made.add(folder)

    def look(self) -> str:
        vaults.list_folder(self.vault, limit=1)  # raises where its disk or service is away
        return f"The vault '{self.vault.name}' is there; its results go to {for_job(self.path, 0) or 'its top folder'}."

    def folder(self, path: str, *, search: str, offset: int, limit: int) -> Listing:
        return vaults.list_folder(self.vault, path, search=search, offset=offset, limit=limit)


def _vault(fields: Fields, owner: User) -> Vault:
    name = fields.text("vault", required="must name a vault of yours or of a team of yours", most=60)
    found = Vault.objects.visible_to(owner).filter(name=name).first() if name else None
    if name and found is None:
        fields.wrong("vault", "unknown_vault", f"There is no vault {name!r} among yours. Choose another.")
    elif found is not None and found.type == Vault.Type.NONE:
        fields.wrong("vault", "no_files", f"The vault {name!r} keeps no files. Choose another.")
    return found or Vault()


def _source(fields: Fields, owner: User) -> FromVault:
    vault, chosen = _vault(fields, owner), choose(fields)
    for index, one in enumerate(chosen):
        _check(fields, "paths", one.path.rstrip("/"), index)
    return FromVault(vault, tuple(chosen))


def _destination(fields: Fields, owner: User) -> ToVault:
    path = folder_path(fields)
    _check(fields, "path", for_job(path, 0).rstrip("/"), None)
    return ToVault(_vault(fields, owner), path)


def _check(fields: Fields, name: str, path: str, index: int | None) -> None:
    try:
        safe_paths.parts(path)
    except PathRefused as refused:
        fields.wrong(name, "path", refused.message, index)


SOURCE = Kind("vault", "A vault", ("vault", "paths"), _source)
DESTINATION = Kind("vault", "A vault", ("vault", "path"), _destination)
