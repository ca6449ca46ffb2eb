"""Files that leave the portal: piece by piece, also under ASGI, and never as something a browser would run or draw.

Django reads a plain iterator to its end before the first byte when it is served by ASGI; this reads each piece in a
thread when it is wanted.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator
from typing import IO

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

PIECE_BYTES = 2**18
SANDBOX = "sandbox; default-src 'none'"


class Streamed(StreamingHttpResponse):
    """Pieces of bytes of a plain iterator."""

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        pieces = iter(self)
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece


class Attachment(Streamed):
    """An open file, whole, in pieces; closed at the end. One that grows meanwhile is sent as long as it was."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        super().__init__(_pieces(file, size), content_type="application/octet-stream")
        self._file = file
        self["Content-Length"] = str(size)
        self["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
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
