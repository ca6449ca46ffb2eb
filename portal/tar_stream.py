"""Reading a tar archive as it streams by: names, kinds and sizes, and the bytes that are asked for. Nothing is extracted.

Our own reader, because what an image or a bundle holds is a stranger's: every size that it claims is bounded before a
byte is kept.
Formats: POSIX ustar and pax, GNU (long names, sparse files), and the first tar.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

BLOCK = 512
NAME_MAX = 16 * 1024  # of a long name, and of a pax header with all that it holds
FILE, LINK, SYMLINK, FOLDER = "file", "hard link", "symbolic link", "folder"
KINDS = {"0": FILE, "\0": FILE, "7": FILE, "S": FILE, "1": LINK, "2": SYMLINK, "5": FOLDER}


class TarFault(Exception):
    """The stream can't be read on. str = what is wrong with it."""


class Exhausted(TarFault):
    """A bound is used up: nothing more of this image is looked at."""


@dataclass
class Budget:
    """What looking at one image may cost, over all its layers together. `kept_left` are bytes held in memory."""

    bytes_left: int = 256 * 2**30
    entries_left: int = 5_000_000
    kept_left: int = 64 * 2**20
    ends_at: float = field(default_factory=lambda: time.monotonic() + 1500)

    def spend(self, size: int) -> None:
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise Exhausted("the image is larger than is looked through")
        if time.monotonic() > self.ends_at:
            raise Exhausted("looking through the image took too long")

    def count(self) -> None:
        self.entries_left -= 1
        if self.entries_left < 0:
            raise Exhausted("the image has more files than are looked through")

    def keep(self, size: int) -> None:
        self.kept_left -= size
        if self.kept_left < 0:
            raise Exhausted("the files in its layers are larger together than is kept in memory")


class Stream:
    """Bytes that come in chunks, read in order. `head` looks ahead without taking."""

    def __init__(self, chunks: Iterator[bytes], budget: Budget) -> None:
        self._chunks = chunks
        self._buffer = bytearray()
        self.budget = budget

    def _fill(self, size: int) -> None:
        while len(self._buffer) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                return
            self.budget.spend(len(chunk))
            self._buffer += chunk

    def head(self, size: int) -> bytes:
        self._fill(size)
        return bytes(self._buffer[:size])

    def take(self, size: int) -> bytes:
        """Exactly so many bytes; raises TarFault where the stream ends before. For sizes that may be held in memory."""
        self._fill(size)
        if len(self._buffer) < size:
            raise TarFault("the stream ends in the middle of a file")
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def pieces(self, size: int) -> Iterator[bytes]:
        """So many bytes, as they come."""
        while size > 0:
            if not self._buffer:
                self._fill(1)
            if not self._buffer:
                raise TarFault("the stream ends in the middle of a file")
            piece = bytes(self._buffer[:size])
            del self._buffer[:size]
            size -= len(piece)
            yield piece

    def skip(self, size: int) -> None:
        for _ in self.pieces(size):
            pass


@dataclass
class Entry:
    """One member. Its bytes stand next in the stream until the following one is asked for."""

    name: str
    kind: str
    size: int
    target: str
    executable: bool
    _stream: Stream
    _left: int

    def read(self) -> bytes:
        """All its bytes; whoever calls has looked at `size`."""
        size, self._left = self._left, 0
        self._stream.budget.keep(size)
        return self._stream.take(size)

    def head(self, size: int) -> bytes:
        return self._stream.head(min(size, self._left))

    def pieces(self) -> Iterator[bytes]:
        """Its bytes as they come; what is not fetched is skipped later."""
        while self._left > 0:
            for piece in self._stream.pieces(min(self._left, 1 << 20)):
                self._left -= len(piece)
                yield piece

    def leave(self) -> None:
        size, self._left = self._left, 0
        self._stream.skip(size)


def entries(stream: Stream) -> Iterator[Entry]:
    """The members of an archive in their order. Raises TarFault for what is no tar, or breaks off."""
    said: dict[str, str] = {}
    while True:
        block = stream.head(BLOCK)
        if not block or not block.strip(b"\0"):
            return  # the end, or an archive without one
        block = stream.take(BLOCK)
        stream.budget.count()
        if not is_header(block):
            raise TarFault("it is no tar archive, or a broken one")
        kind, size = chr(block[156]), _number(block[124:136])
        padding = -size % BLOCK
        if kind in "LKxg":
            text = stream.take(_small(size))
            stream.skip(padding)
            if kind != "g":
                said |= _long(kind, text)
            continue
        if kind == "S":
            _skip_sparse_map(block, stream)
        size = _pax_size(said, size)
        entry = Entry(
            name=said.get("path") or _name(block),
            kind=KINDS.get(kind, "special file"),
            size=size,
            target=said.get("linkpath") or _text(block[157:257]),
            executable=bool(_number(block[100:108]) & 0o111),
            _stream=stream,
            _left=size if kind in KINDS and KINDS[kind] == FILE else 0,
        )
        has_bytes = entry._left > 0
        said = {}
        yield entry
        entry.leave()
        if has_bytes:
            stream.skip(-size % BLOCK)


def is_header(block: bytes) -> bool:
    """Whether the checksum of a block is that of a header."""
    if len(block) < BLOCK:
        return False
    try:
        claimed = _number(block[148:156])
    except TarFault:
        return False
    plain = block[:148] + b" " * 8 + block[156:]
    return claimed in (sum(plain), sum(byte - 256 if byte > 127 else byte for byte in plain))


def _number(raw: bytes) -> int:
    if raw[0] == 0x80:  # GNU: a large number in binary
        number = int.from_bytes(raw[1:], "big")
    else:
        text = raw.split(b"\0")[0].strip()
        if not all(48 <= digit < 56 for digit in text):
            raise TarFault("a header of the archive has a size that is no number")
        number = int(text or b"0", 8)
    if number > 2**60:
        raise TarFault("a header of the archive claims an impossible size")
    return number


def _small(size: int) -> int:
    if size > NAME_MAX:
        raise TarFault("a header of the archive is longer than any name")
    return size


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("utf-8", "surrogateescape")


def _name(block: bytes) -> str:
    name = _text(block[:100])
    prefix = _text(block[345:500]) if block[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _long(kind: str, text: bytes) -> dict[str, str]:
    """What the header before a member says of it: GNU's long names, or the records of pax ("27 path=...\\n")."""
    if kind in "LK":
        return {"path" if kind == "L" else "linkpath": _text(text)}
    said: dict[str, str] = {}
    while text:
        length, blank, _ = text.partition(b" ")
        size = int(length) if blank and length.isdigit() and len(length) < 7 else 0
        if not len(length) + 2 < size <= len(text):
            break
        key, _, value = text[len(length) + 1 : size - 1].partition(b"=")
        said[key.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
        text = text[size:]
    return said


def _pax_size(said: dict[str, str], size: int) -> int:
    written = said.get("size", "")
    if not written:
        return size
    if not (written.isascii() and written.isdigit() and len(written) < 19):
        raise TarFault("a header of the archive has a size that is no number")
    return int(written)


def _skip_sparse_map(block: bytes, stream: Stream) -> None:
    more = block[482]
    while more:
        stream.budget.count()
        more = stream.take(BLOCK)[504]
