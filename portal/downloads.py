"""Answers that are sent piece by piece, so that no file is ever whole in memory, under ASGI too.

Django's own streaming answers read a plain iterator to its end before the first byte is sent when they are served by
ASGI. These read each piece in a thread when it is wanted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from typing import Any

from django.http import FileResponse, StreamingHttpResponse

BLOCK_BYTES = 256 * 1024


class Streamed(StreamingHttpResponse):
    """Pieces of bytes of a plain iterator."""

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        async for piece in _pieces(iter(self)):
            yield piece


class Download(FileResponse):
    """An open file, as FileResponse takes it."""

    block_size = BLOCK_BYTES

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        async for piece in _pieces(iter(self)):
            yield piece


def attachment(stream: Any, name: str) -> Download:
    """Bytes of somebody's, never shown as a page: an attachment of no particular type."""
    return Download(stream, as_attachment=True, filename=name, content_type="application/octet-stream")


async def _pieces(source: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
    while (piece := await asyncio.to_thread(next, source, None)) is not None:
        yield piece
