"""Files that leave the portal: always as attachments, never as something a browser would run or draw on our origin."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO

from django.utils.http import content_disposition_header

from jobs.uploads import shown_name
from portal.downloads import Streamed

PIECE_BYTES = 2**18
SANDBOX = "sandbox; default-src 'none'"


class Attachment(Streamed):
    """An open file, whole, in pieces; closed at the end. One that grows meanwhile is sent as long as it was."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        super().__init__(_pieces(file, size), content_type="application/octet-stream")
        self._file = file
        self["Content-Length"] = str(size)
        self["Content-Disposition"] = content_disposition_header(True, shown_name(name)) or "attachment"
        self["Content-Security-Policy"] = SANDBOX
        self["X-Content-Type-Options"] = "nosniff"
        self["Cache-Control"] = "private, no-store"

    def close(self) -> None:
        super().close()
        self._file.close()


def _pieces(file: IO[bytes], size: int) -> Iterator[bytes]:
    left = size
    while left > 0 and (piece := file.read(min(PIECE_BYTES, left))):
        left -= len(piece)
        yield piece
