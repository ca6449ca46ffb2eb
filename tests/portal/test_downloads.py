"""Answers sent piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from portal.downloads import Streamed


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


def test_all_pieces_come_in_order() -> None:
    async def collect() -> bytes:
        return b"".join([piece async for piece in Streamed(iter([b"a", b"b", b"c"]))])

    assert asyncio.run(collect()) == b"abc"
