"""A look into a result: as text, table, JSON or image. Only its head is read; nothing of it is ever active content."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO, Literal

HEAD_BYTES = 256 * 1024
JSON_BYTES = 1024 * 1024
IMAGE_BYTES = 32 * 1024 * 1024
ROWS = 200
COLUMNS = 50
CELL = 500
IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}


@dataclass(frozen=True)
class Preview:
    """What to show. `cut`: there is more than is shown."""

    kind: Literal["text", "table", "image", "none"]
    text: str = ""
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    cut: bool = False


def image_type(head: bytes) -> str:
    """The media type of an image that may be shown, told by its first bytes and by nothing else; "" for all else."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((media_type for magic, media_type in IMAGES if head.startswith(magic)), "")


def preview(stream: BinaryIO, path: str, size: int) -> Preview:
    """A look into the open file. Anything that does not read as text, and is no known image, has none."""
    head = stream.read(HEAD_BYTES)
    if image_type(head):
        return Preview("image") if size <= IMAGE_BYTES else Preview("none")
    ending = PurePosixPath(path).suffix.lower()
    cut = size > len(head)
    if ending in (".json", ".geojson", ".ipynb") and size <= JSON_BYTES:
        return _json(head + stream.read(JSON_BYTES))
    if b"\0" in head:
        return Preview("none")
    text = head.decode("utf-8", "replace")
    if cut:
        text = text[: text.rfind("\n") + 1] or text
    if ending in DELIMITERS:
        return _table(text, DELIMITERS[ending], cut)
    return Preview("text", text, cut=cut)


def _json(data: bytes) -> Preview:
    text = data.decode("utf-8", "replace")
    try:
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        pass  # shown as it is: a broken file is worth a look too
    return Preview("text", text[:JSON_BYTES], cut=len(text) > JSON_BYTES)


def _table(text: str, delimiter: str, cut: bool) -> Preview:
    rows: list[tuple[str, ...]] = []
    try:
        for row in csv.reader(io.StringIO(text), delimiter=delimiter):
            if len(rows) > ROWS:
                cut = True
                break
            cut = cut or len(row) > COLUMNS
            rows.append(tuple(cell[:CELL] for cell in row[:COLUMNS]))
    except csv.Error:
        return Preview("text", text, cut=cut)
    if not rows:
        return Preview("text", text, cut=cut)
    return Preview("table", header=rows[0], rows=tuple(rows[1:]), cut=cut)
