"""Answers sent piece by piece."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator

from portal.downloads import BLOCK_BYTES, Streamed, attachment


def test_pieces_are_read_only_when_they_are_wanted() -> None:
    read: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(100):
            read.append(number)
            yield b"x"

    async def take_two() -> None:
        source = aiter(Streamed(pieces()))
        await anext(source)
        await anext(source)

    asyncio.run(take_two())
    assert read == [0, 1]


def test_a_file_comes_whole_by_both_ways_and_only_as_an_attachment() -> None:
    data = bytes(range(256)) * 4096
    assert len(data) > 2 * BLOCK_BYTES
    plain = attachment(io.BytesIO(data), 'a "b".html')
    assert b"".join(plain) == data
    assert plain["Content-Type"] == "application/octet-stream"
    assert plain["Content-Disposition"].startswith("attachment;")

    async def collect() -> bytes:
        return b"".join([piece async for piece in attachment(io.BytesIO(data), "x")])

    assert asyncio.run(collect()) == data
