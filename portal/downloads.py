"""An answer that is sent piece by piece, also under ASGI.

Django reads a plain iterator to its end before the first byte when it is served by ASGI; this reads each piece in a
thread when it is wanted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from django.http import StreamingHttpResponse


class Streamed(StreamingHttpResponse):
    """Pieces of bytes of a plain iterator."""

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        pieces = iter(self)
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece
