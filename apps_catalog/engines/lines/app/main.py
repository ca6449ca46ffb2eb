"""Splits texts at the ends of records: chunks of so many records, or of about so many bytes. CSV keeps its header.

Nothing is read whole: a record may be larger than memory. A CSV record ends at a line's end outside quotes.
"""

from __future__ import annotations

import codecs
import fnmatch
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

CHUNKS_MAX = 100_000
PIECE_BYTES = 2**20  # of one line that is read at once
HEADER_BYTES_MAX = 2**20
CSV_ENDINGS = (".csv", ".tsv")
WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def main() -> None:
    params = json.loads(os.environ["PARTITIONER_PARAMS"])
    by = choice(params, "by", ("records", "size"))
    records = whole(params, "records", 10_000, 1, 10**9)
    size = whole(params, "size_kib", 16 * 1024, 1, 10**9) * 1024
    cut = Cut(Path(os.environ["CHUNKS_DIR"]), records if by == "records" else None, size if by == "size" else None)
    for path in sources(Path(os.environ["SOURCE_DIR"]), text(params, "pattern", "*")):
        is_csv = {"csv": True, "text": False}.get(
            choice(params, "format", ("auto", "csv", "text")), path.suffix.lower() in CSV_ENDINGS
        )
        header = {"yes": True, "no": False}.get(choice(params, "header", ("auto", "yes", "no")), is_csv)
        quote = text(params, "quote", '"').encode() if is_csv else b""
        if is_csv and len(quote) != 1:
            raise SystemExit("'quote' must be one ASCII character: the one that encloses fields.")
        before = cut.chunks
        with path.open("rb") as file:
            split(file, path.name, cut, header=header, quote=quote)
        print(f"{path.name}: {cut.chunks - before} chunks", file=sys.stderr)
    if not cut.chunks:
        raise SystemExit("The source has no record, so there is nothing to split. Choose a file that has lines.")
    print(f"{cut.records} records in {cut.chunks} chunks")


class Cut:
    """Writes data_0.bin, data_1.bin, ...; a new one begins where a record ends and the chunk is full."""

    def __init__(self, folder: Path, records_max: int | None, bytes_max: int | None) -> None:
        self.folder, self.records_max, self.bytes_max = folder, records_max, bytes_max
        self.chunks = self.records = 0
        self.header = b""
        self._file: BinaryIO | None = None
        self._records = self._bytes = 0

    def write(self, piece: bytes, *, ends: bool) -> None:
        """A piece of a record; `ends`: its last one."""
        file = self._file or self._begin()
        file.write(piece)
        self._bytes += len(piece)
        if ends:
            self.records += 1
            self._records += 1
            if self._records == self.records_max or (self.bytes_max is not None and self._bytes >= self.bytes_max):
                self.close()

    def _begin(self) -> BinaryIO:
        if self.chunks >= CHUNKS_MAX:
            raise SystemExit(f"This would make more than {CHUNKS_MAX:,} chunks. Ask for more records or bytes in each.")
        self._file = (self.folder / f"data_{self.chunks}.bin").open("wb", buffering=PIECE_BYTES)
        self._file.write(self.header)
        self.chunks += 1
        self._records = self._bytes = 0
        return self._file

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def split(file: BinaryIO, name: str, cut: Cut, *, header: bool, quote: bytes) -> None:
    cut.header = b""
    if header:
        cut.header = b"".join(piece for piece, _ in one_record(file, name, quote))
        if cut.header and not cut.header.endswith(b"\n"):
            return  # a header and nothing below it
    within, ends, first = False, True, not header
    while piece := file.readline(PIECE_BYTES):
        if first:
            refuse_wide(piece, name)
            first = False
        if quote and piece.count(quote) % 2:
            within = not within
        ends = piece.endswith(b"\n") and not within
        cut.write(piece, ends=ends)
    if within:
        raise SystemExit(
            f"'{name}' ends within quotes: a quote ({quote.decode()}) is opened and never closed. Mend the file, or set "
            "'format' to text."
        )
    if not ends:  # a last line without its end
        cut.write(b"", ends=True)
    cut.close()


def one_record(file: BinaryIO, name: str, quote: bytes) -> Iterator[tuple[bytes, bool]]:
    """The first record, which is small: it is written into every chunk."""
    size, within, first = 0, False, True
    while piece := file.readline(PIECE_BYTES):
        if first:
            refuse_wide(piece, name)
            first = False
        size += len(piece)
        if size > HEADER_BYTES_MAX:
            raise SystemExit(f"The header of '{name}' has more than 1 MiB. Set 'header' to no if it has none.")
        if quote and piece.count(quote) % 2:
            within = not within
        ends = piece.endswith(b"\n") and not within
        yield piece, ends
        if ends:
            return


def refuse_wide(piece: bytes, name: str) -> None:
    if piece.startswith(WIDE):
        raise SystemExit(f"'{name}' is UTF-16, whose lines can't be told apart by bytes. Save it as UTF-8.")


def sources(folder: Path, pattern: str) -> list[Path]:
    names = sorted(path.name for path in folder.iterdir())
    found = [folder / name for name in names if fnmatch.fnmatchcase(name, pattern)]
    if not found:
        raise SystemExit(f"No file of the source matches {pattern!r}. It has: {', '.join(names[:8]) or 'no file'}.")
    return found


def whole(params: dict[str, Any], key: str, default: int, least: int, most: int) -> int:
    value = params.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise SystemExit(f"'{key}' is {value!r}. Give a whole number from {least:,} to {most:,}.")
    return value


def text(params: dict[str, Any], key: str, default: str) -> str:
    value = params.get(key, default)
    if not isinstance(value, str) or not value:
        raise SystemExit(f"'{key}' is {value!r}. Give a text.")
    return value


def choice(params: dict[str, Any], key: str, allowed: tuple[str, ...]) -> str:
    value = params.get(key, allowed[0])
    if value not in allowed:
        raise SystemExit(f"'{key}' is {value!r}. Choose one of: {', '.join(allowed)}.")
    return str(value)


if __name__ == "__main__":
    main()
