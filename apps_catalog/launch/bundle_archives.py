"""Bundles as zip or tar (plain, gz, bz2, xz): read member by member into BundleFiles, with bounds on all that they claim.

Nothing is ever extracted to a path that an archive names.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
import struct
import time
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Final

from apps_catalog.launch.bundle_files import PIECE_BYTES, BundleFiles, too_large
from apps_catalog.launch.bundle_paths import BundleFault, shown
from portal import tar_stream
from portal.tar_stream import Budget, Exhausted, Stream, TarFault

ZIP_STARTS: Final = (b"PK\3\4", b"PK\5\6")
DIRECTORY_BYTES_MAX: Final = 2 * 2**20
XZ_MEMORY_BYTES: Final = 128 * 2**20
READING_S: Final = 20.0
# Programs and data pack to a tenth, zeros to a thousandth.
RATIO_MAX: Final = 200
RATIO_FREE_BYTES: Final = 8 * 2**20
END_OF_DIRECTORY: Final = struct.Struct("<4s4H2LH")
BOMB = "The archive unpacks to {0:,} times its size and more, as only a bomb does. Pack the bundle again."
NO_ARCHIVE = "This is neither a zip nor a tar archive (plain, .gz, .bz2 or .xz). Choose one, or the bundle's folder."
KINDS = {tar_stream.LINK: "a hard link", tar_stream.SYMLINK: "a symbolic link"}


def read_archive(file: IO[bytes], into: BundleFiles) -> None:
    """Take all files of an archive. `file` can seek. Raises BundleFault."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(512)
    file.seek(0)
    if size == 0:
        raise BundleFault("empty", "The file is empty. Choose the bundle's archive again.")
    if start.startswith(ZIP_STARTS):
        _read_zip(file, size, into)
    elif opened := _tar_pieces(file, start, into.bytes_max):
        _read_tar(opened, into)
    else:
        raise BundleFault("not-an-archive", NO_ARCHIVE)


def _read_zip(file: IO[bytes], size: int, into: BundleFiles) -> None:
    _bound_directory(file, size)
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > into.bytes_max:
                raise too_large(into.bytes_max)
            for member in members:
                _take(archive, member, into)
    except UnicodeDecodeError as error:
        raise BundleFault(
            "name-encoding", "A name in the zip is not UTF-8. Rename the file, and pack it again."
        ) from error
    except (zipfile.BadZipFile, EOFError, zlib.error, OSError, ValueError, struct.error) as error:
        raise BundleFault(
            "broken-archive", f"The zip can't be read: {_words(error)}. Pack the bundle again."
        ) from error
    except (NotImplementedError, RuntimeError) as error:
        raise BundleFault("zip-method", f"The zip can't be read: {_words(error)}. Pack it with deflate.") from error


def _words(error: Exception) -> str:
    return str(error).rstrip(".")[:160] or type(error).__name__


def _bound_directory(file: IO[bytes], size: int) -> None:
    """The list of files stands at the end, and is read whole: its size is looked at first."""
    tail_bytes = min(size, 65_536 + END_OF_DIRECTORY.size)
    file.seek(size - tail_bytes)
    tail = file.read(tail_bytes)
    at = tail.rfind(b"PK\5\6")
    file.seek(0)
    if at < 0 or len(tail) - at < END_OF_DIRECTORY.size:
        raise BundleFault("broken-archive", "The zip has no end: it may be cut. Upload it again.")
    directory_bytes = END_OF_DIRECTORY.unpack_from(tail, at)[5]
    if directory_bytes > DIRECTORY_BYTES_MAX:  # of a zip64 too: there it says 0xffffffff
        raise BundleFault("too-many-files", "The zip lists more files than a bundle may have. Pack fewer.")


def _take(archive: zipfile.ZipFile, member: zipfile.ZipInfo, into: BundleFiles) -> None:
    name = _zip_name(member)
    mode = member.external_attr >> 16 if member.create_system == 3 else 0
    if member.flag_bits & 1:
        said = f"{shown(name)} is encrypted. Pack the bundle without a password."
        raise BundleFault("encrypted", said, name)
    if name.endswith("/"):
        into.folder(name)
        return
    if stat.S_IFMT(mode) and not stat.S_ISREG(mode):
        raise _no_file(name, "a symbolic link" if stat.S_ISLNK(mode) else "no ordinary file")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
        said = f"{shown(name)} is packed by a method that is not read here. Pack the bundle with deflate."
        raise BundleFault("zip-method", said, name)
    most = max(RATIO_FREE_BYTES, member.compress_size * RATIO_MAX)
    if member.file_size > most:
        raise BundleFault("bomb", BOMB.format(RATIO_MAX))
    with archive.open(member) as source:
        into.add(name, _counted(source, most), executable=bool(mode & 0o111))


def _zip_name(member: zipfile.ZipInfo) -> str:
    """Names without the UTF-8 mark are UTF-8 all the same where packers of today made them."""
    if member.flag_bits & 0x800 or member.orig_filename.isascii():
        return member.orig_filename
    try:
        return member.orig_filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        raw = member.orig_filename.encode("utf-8", "replace").decode()
        said = f"The name {shown(raw)} is not UTF-8. Rename the file, and pack the bundle again."
        raise BundleFault("name-encoding", said) from None


def _no_file(name: str, what: str) -> BundleFault:
    return BundleFault("no-file", f"{shown(name)} is {what}. A bundle holds files only: put a copy in its place.", name)


def _counted(source: IO[bytes], most: int) -> Iterator[bytes]:
    size = 0
    while piece := source.read(PIECE_BYTES):
        size += len(piece)
        if size > most:
            raise BundleFault("bomb", BOMB.format(RATIO_MAX))
        yield piece


def _tar_pieces(file: IO[bytes], start: bytes, bytes_max: int) -> Iterator[bytes] | None:
    """The bytes of a tar archive, unpacked as they are asked for; None where it is none."""
    if start.startswith(b"\x1f\x8b"):
        return _bounded(file, gzip.GzipFile(fileobj=file), bytes_max)
    if start.startswith(b"BZh"):
        return _bounded(file, bz2.BZ2File(file), bytes_max)
    if start.startswith(b"\xfd7zXZ\0"):
        return _bounded(file, _Xz(file), bytes_max)
    if tar_stream.is_header(start):
        return iter(lambda: file.read(PIECE_BYTES), b"")
    return None


class _Xz:
    """An xz stream, with a bound on the memory that it may claim."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES)

    def read(self, size: int) -> bytes:
        while not self.decompressor.eof:
            fresh = self.file.read(65_536) if self.decompressor.needs_input else b""
            if self.decompressor.needs_input and not fresh:
                raise EOFError("it ends in the middle")
            if piece := self.decompressor.decompress(fresh, size):
                return piece
        return b""


def _bounded(file: IO[bytes], source: gzip.GzipFile | bz2.BZ2File | _Xz, bytes_max: int) -> Iterator[bytes]:
    """Pieces of what is unpacked, no more than a bundle may have, and no more than its size lets one believe."""
    size = 0
    while True:
        try:
            piece = source.read(65_536)
        except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
            said = f"The archive can't be unpacked: {_words(error)}. Pack the bundle again."
            raise BundleFault("broken-archive", said) from error
        if not piece:
            return
        size += len(piece)
        if size > max(RATIO_FREE_BYTES, file.tell() * RATIO_MAX):
            raise BundleFault("bomb", BOMB.format(RATIO_MAX))
        if size > 2 * bytes_max + RATIO_FREE_BYTES:  # the headers of many small files are as much again
            raise too_large(bytes_max)
        yield piece


def _read_tar(pieces: Iterator[bytes], into: BundleFiles) -> None:
    budget = Budget(
        bytes_left=2 * into.bytes_max + 2 * RATIO_FREE_BYTES,
        entries_left=8 * into.files_max,
        kept_left=into.bytes_max,
        ends_at=time.monotonic() + READING_S,
    )
    found = 0
    try:
        for entry in tar_stream.entries(Stream(pieces, budget)):
            found += 1
            if entry.kind == tar_stream.FOLDER:
                into.folder(entry.name)
            elif entry.kind != tar_stream.FILE:
                raise _no_file(entry.name, KINDS.get(entry.kind, "no ordinary file"))
            else:
                if entry.size > into.bytes_max:
                    raise too_large(into.bytes_max)
                into.add(entry.name, entry.pieces(), executable=entry.executable)
    except Exhausted as error:
        raise BundleFault(
            "too-large", "The archive is larger than a bundle may be, or takes too long to read."
        ) from error
    except TarFault as error:
        raise BundleFault("broken-archive", f"The archive can't be read: {error}. Pack the bundle again.") from error
    if not found:
        raise BundleFault("not-an-archive", NO_ARCHIVE)
