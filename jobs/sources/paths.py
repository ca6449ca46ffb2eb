"""Which files of a bucket or a vault are meant: a file, a folder with all below it, or a wildcard in one folder. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from jobs.sources.base import Fields, File
from portal.errors import NotFound

F = TypeVar("F", bound=File)
WILD = frozenset("*?[")


@dataclass(frozen=True)
class Chosen:
    """`folder` is "" or ends with "/". `name` "": all below the folder, at any depth; with `wild`: files in it that match."""

    folder: str
    name: str
    wild: bool

    @property
    def path(self) -> str:
        return self.folder + self.name


def choose(fields: Fields) -> list[Chosen]:
    """The field `paths`."""
    said = "must name at least one file, folder (with / at its end) or wildcard; / alone is everything"
    found = []
    for index, text in enumerate(fields.texts("paths", required=said)):
        path = text.lstrip("/")
        folder, slash, name = path.rpartition("/")
        parts = folder.split("/") if folder else []
        if "" in parts or "." in parts or ".." in (*parts, name):
            fields.wrong("paths", "path", "must not hold '//', '.' or '..' as a folder", index)
        elif WILD & set(folder):
            fields.wrong("paths", "wildcard", "may have wildcards in its last part only: data/*.csv", index)
        else:
            found.append(Chosen(folder + slash, name, bool(WILD & set(name))))
    return found


def each_once(
    chosen: Iterable[Chosen], files: Callable[[Chosen], Iterable[F]], nothing: Callable[[Chosen], NotFound]
) -> Iterator[F]:
    """The files that are meant, each once. Raises what `nothing` says of a path that is none."""
    seen = set()
    for one in chosen:
        none = True
        for found in files(one):
            none = False
            if found.key not in seen:
                seen.add(found.key)
                yield found
        if none:
            raise nothing(one)


def folder_path(fields: Fields) -> str:
    """The field `path` of a destination: "" or a folder with "/" at its end."""
    path = fields.text("path", most=600).strip("/")
    if path and any(part in ("", ".", "..") for part in path.split("/")):
        fields.wrong("path", "path", "must not hold '//', '.' or '..' as a folder")
    return f"{path}/" if path else ""


def for_job(path: str, number: int) -> str:
    """The folder with {job} filled in, so that runs of one template lie side by side."""
    return path.replace("{job}", str(number))
