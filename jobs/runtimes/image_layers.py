"""The five small files of /etc/NAE out of the stream of `docker save`: bounded, in memory, nothing extracted, nothing run.

The layers of an image come in any order, and before the manifest that says which lies over which. So of each layer only
what concerns these files is kept: their bytes, what hides those of the layers below (whiteouts, folders that became
something else), and what is put together when the manifest is known.
"""

from __future__ import annotations

import json
import posixpath
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import zstandard

from portal.tar_stream import BLOCK, FILE, FOLDER, Budget, Entry, Exhausted, Stream, TarFault, entries, is_header

FOLDER_OF_FILES = "etc/NAE"
LIMITS: Mapping[str, int] = {
    "AppDef.json": 8 * 2**20,
    "screenshot.png": 4 * 2**20,
    "license.txt": 2**20,
    "url.txt": 64 * 2**10,
    "help.html": 2**20,
}
OURS = {f"{FOLDER_OF_FILES}/{name}": name for name in LIMITS}
FOLDERS = ("etc", FOLDER_OF_FILES)
WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"
DOCUMENT_MAX = 2**20
NOTES_MAX = 20
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
PIECE = 1 << 16


class ImageFault(Exception):
    """The image can't be looked through. str = what happened and what to do."""


@dataclass(frozen=True)
class ImageFiles:
    """What was found: file name to bytes; `notes` say what was passed over, and why."""

    files: Mapping[str, bytes]
    notes: tuple[str, ...] = ()


@dataclass
class _Layer:
    """What one layer says of our files. `found`: bytes, or why there are none; `gone`: paths hidden in those below."""

    found: dict[str, bytes | str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def note(self, words: str) -> None:
        if len(self.notes) < NOTES_MAX:
            self.notes.append(words)


@dataclass
class _Saved:
    """What the stream of `docker save` held, by the names of its members."""

    documents: dict[str, Any] = field(default_factory=dict)
    layers: dict[str, _Layer] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)


def read_image(chunks: Iterable[bytes], budget: Budget | None = None) -> ImageFiles:
    """The files of /etc/NAE in the image that `docker save` gives. Raises ImageFault."""
    stream = Stream(iter(chunks), budget or Budget())
    saved = _Saved()
    try:
        for member in entries(stream):
            _look_at(member, saved)
    except TarFault as fault:
        raise ImageFault(f"The image can't be looked through: {fault}.") from fault
    return _put_together([_layer(saved, name) for name in _order(saved)])


def _look_at(member: Entry, saved: _Saved) -> None:
    name = posixpath.normpath(member.name.lstrip("/"))
    if member.kind != FILE:
        if member.target:
            saved.links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.target))
        return
    head = member.head(BLOCK)
    packed = head.startswith((GZIP, ZSTD))
    if packed or is_header(head) or not head.strip(b"\0"):
        try:
            saved.layers[name] = _read_layer(member, head, member._stream.budget)
        except _LayerError as fault:
            saved.broken[name] = str(fault)
    elif member.size <= DOCUMENT_MAX:
        try:
            saved.documents[name] = json.loads(member.read())
        except (ValueError, RecursionError):
            return


# One layer


class _LayerError(Exception):
    """One layer can't be read; others can."""


def _read_layer(member: Entry, head: bytes, budget: Budget) -> _Layer:
    """A layer as it streams by. What is unpacked counts, too, so that a bomb runs into the same bound."""
    plain: Iterator[bytes] = member.pieces()
    inner = replace(budget)
    if head.startswith(GZIP):
        plain = _gunzipped(plain)
    elif head.startswith(ZSTD):
        plain = _unzstd(plain)
    else:
        inner.bytes_left = 2**62  # its bytes are counted as part of the whole
    layer = _Layer()
    try:
        for entry in entries(Stream(plain, inner)):
            _take(entry, layer)
    except Exhausted:
        raise
    except TarFault as fault:
        raise _LayerError(str(fault)) from fault
    budget.entries_left, budget.kept_left = inner.entries_left, inner.kept_left
    budget.bytes_left = min(budget.bytes_left, inner.bytes_left)
    return layer


def _gunzipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    worker = zlib.decompressobj(31)
    for piece in pieces:
        while piece:
            try:
                yield worker.decompress(piece, PIECE)
            except zlib.error as fault:
                raise TarFault(f"a compressed layer is broken ({fault})") from fault
            piece = worker.unconsumed_tail
            if worker.eof:
                piece, worker = worker.unused_data, zlib.decompressobj(31)
    if tail := worker.flush():
        yield tail


class _Pieces:
    """Bytes that come in pieces, as a file to read from."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        if not self._rest:
            self._rest = next(self._pieces, b"")
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


def _unzstd(pieces: Iterator[bytes]) -> Iterator[bytes]:
    # A frame may ask for a window of gigabytes; engines use at most some megabytes.
    worker = zstandard.ZstdDecompressor(max_window_size=2**27)
    try:
        with worker.stream_reader(_Pieces(pieces), read_across_frames=True) as plain:  # type: ignore[arg-type]
            while piece := plain.read(PIECE):
                yield piece
    except zstandard.ZstdError as fault:
        raise TarFault(f"a compressed layer is broken ({fault})") from fault


def _take(entry: Entry, layer: _Layer) -> None:
    """Keep what an entry of a layer says of our files."""
    parts = [part for part in entry.name.split("/") if part not in ("", ".")]
    if ".." in parts:
        if "NAE" in parts:
            layer.note(f"{entry.name[:200]!a} leads out of its folder and was passed over.")
        return
    path = "/".join(parts)
    folder, _, last = path.rpartition("/")
    if last.startswith(WHITEOUT):
        gone = f"{folder}/*" if last == OPAQUE else posixpath.join(folder, last.removeprefix(WHITEOUT))
        if any(_hides(gone, ours) for ours in OURS):
            layer.gone.add(gone)
    elif path in FOLDERS and entry.kind != FOLDER:
        layer.gone.add(path)
        layer.found = {name: one for name, one in layer.found.items() if not name.startswith(f"{path}/")}
        layer.note(f"/{path} is a {entry.kind} in the image. Links are not followed: put the files into the folder.")
    elif path in OURS:
        layer.found[path] = _content(entry, path)


def _content(entry: Entry, path: str) -> bytes | str:
    if entry.kind != FILE:
        return f"/{path} is a {entry.kind} in the image, and was passed over. Copy the file itself to that place."
    limit = LIMITS[OURS[path]]
    if entry.size > limit:
        return f"/{path} has {entry.size} bytes; at most {limit} are read."
    return entry.read()


# All layers


def _order(saved: _Saved) -> list[str]:
    """The names of the layers, the lowest first."""
    manifest = saved.documents.get("manifest.json")
    if isinstance(manifest, list) and manifest and isinstance(manifest[0], dict):
        names = manifest[0].get("Layers")
    else:
        names = _oci_layers(saved, saved.documents.get("index.json"), depth=0)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ImageFault("The image can't be looked through: it holds no manifest that names its layers.")
    return [posixpath.normpath(name) for name in names]


def _oci_layers(saved: _Saved, document: Any, depth: int) -> list[str] | None:
    """Through index and manifest, as the OCI image layout says, to the first image for a machine."""
    if not isinstance(document, dict) or depth > 4:
        return None
    layers = document.get("layers")
    if isinstance(layers, list):
        return [_blob(one) for one in layers]
    manifests = document.get("manifests")
    for one in manifests if isinstance(manifests, list) else ():
        found = _oci_layers(saved, saved.documents.get(_blob(one)), depth + 1)
        if found is not None and not _is_attestation(one):
            return found
    return None


def _is_attestation(descriptor: Any) -> bool:
    platform = descriptor.get("platform")
    return isinstance(platform, dict) and platform.get("os") == "unknown"


def _blob(descriptor: Any) -> str:
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    return f"blobs/{str(digest).replace(':', '/', 1)}"


def _layer(saved: _Saved, name: str) -> _Layer:
    for _ in range(8):  # engines before 25 save a layer that two images share once, with links to it
        if name in saved.layers:
            return saved.layers[name]
        if name in saved.broken:
            raise ImageFault(f"The image can't be looked through: {saved.broken[name]}.")
        if name not in saved.links:
            break
        name = saved.links[name]
    raise ImageFault(f"The image can't be looked through: its layer {name[:100]!a} is not there.")


def _put_together(layers: list[_Layer]) -> ImageFiles:
    """Layer over layer. What hides, hides in the layers below; a file of the same layer stays."""
    top: dict[str, bytes | str] = {}
    notes: list[str] = []
    for layer in layers:
        hidden = [path for path in top if any(_hides(gone, path) for gone in layer.gone)]
        for path in hidden:
            del top[path]
        top |= layer.found
        notes += layer.notes
    notes += [reason for reason in top.values() if isinstance(reason, str)]
    files = {OURS[path]: content for path, content in top.items() if isinstance(content, bytes)}
    return ImageFiles(files, tuple(dict.fromkeys(notes))[:NOTES_MAX])


def _hides(gone: str, path: str) -> bool:
    if gone.endswith("/*"):
        folder = gone.removesuffix("/*")
        return not folder or path.startswith(f"{folder}/")
    return path == gone or path.startswith(f"{gone}/")
