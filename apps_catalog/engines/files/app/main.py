"""Makes each file of the source a chunk, in the order of their names; the files in an archive too, if asked for."""

from __future__ import annotations

import fnmatch
import json
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

CHUNKS_MAX = 100_000
PIECE_BYTES = 2**20
UNREADABLE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)


def main() -> None:
    params = json.loads(os.environ["PARTITIONER_PARAMS"])
    pattern = params.get("pattern", "*")
    unpack = params.get("unpack", False)
    if not isinstance(pattern, str) or not pattern:
        raise SystemExit(f"'pattern' is {pattern!r}. Give a text such as *.csv.")
    if not isinstance(unpack, bool):
        raise SystemExit(f"'unpack' is {unpack!r}. Choose true or false.")
    chunks, seen = Path(os.environ["CHUNKS_DIR"]), []
    number = 0
    for name, file in files(Path(os.environ["SOURCE_DIR"]), unpack=unpack):
        seen.append(name)
        if not fnmatch.fnmatchcase(name.rpartition("/")[2], pattern):
            continue
        found = pieces(name, file)
        first = next(found, b"")
        if not first:
            print(f"{name} is empty and is left out")
            continue
        if number >= CHUNKS_MAX:
            raise SystemExit(f"This would make more than {CHUNKS_MAX:,} chunks. Choose fewer files by 'pattern'.")
        with (chunks / f"data_{number}.bin").open("wb") as out:
            out.write(first)
            out.writelines(found)
        print(f"chunk {number}: {name}")
        number += 1
    if not number:
        there = ", ".join(seen[:8]) or "no file"
        raise SystemExit(f"No file of the source that matches {pattern!r} has a byte. The source has: {there}.")


def files(folder: Path, *, unpack: bool) -> Iterator[tuple[str, IO[Any]]]:
    for path in sorted(folder.iterdir()):
        if unpack and zipfile.is_zipfile(path):
            yield from of_archive(path, zip_members(path))
        elif unpack and tarfile.is_tarfile(path):
            yield from of_archive(path, tar_members(path))
        else:
            with path.open("rb") as file:
                yield path.name, file


def pieces(name: str, file: IO[Any]) -> Iterator[bytes]:
    try:
        while piece := file.read(PIECE_BYTES):
            yield piece
    except UNREADABLE as fault:
        raise SystemExit(f"'{name}' can't be read: {fault}. Pack its archive anew.") from None


def of_archive(path: Path, members: Iterator[tuple[str, IO[Any]]]) -> Iterator[tuple[str, IO[Any]]]:
    try:
        yield from members
    except UNREADABLE as fault:
        raise SystemExit(
            f"The archive '{path.name}' can't be read: {fault}. Pack it anew, without a password."
        ) from None


def zip_members(path: Path) -> Iterator[tuple[str, IO[Any]]]:
    with zipfile.ZipFile(path) as archive:
        for member in sorted(archive.infolist(), key=lambda one: one.filename):
            if not member.is_dir():
                with archive.open(member) as file:
                    yield member.filename, file


def tar_members(path: Path) -> Iterator[tuple[str, IO[Any]]]:
    """In the archive's own order, for it is a stream; links and devices have no bytes of their own."""
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() else None
            if file is not None:
                with file:
                    yield member.name, file


if __name__ == "__main__":
    main()
