"""Programs behind a relay, and calls to it, for tests."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any

import pytest

from jobs.relay.dial import dial
from jobs.relay.handshake import Refused
from tests.jobs.proxied import Served


class Sink:
    """A program on the loopback that does with its one connection what a test says."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]

    def accept(self) -> socket.socket:
        self.listener.settimeout(10)
        found, _ = self.listener.accept()
        found.settimeout(10)
        return found

    def say(self, data: bytes = b"") -> None:
        """Take one connection, say this, and hear what comes until it ends or breaks."""
        with self.accept() as connection, suppress(ConnectionError):
            connection.sendall(data)
            while connection.recv(65536):
                pass


def dialled(site: Served, act: Any = None, **arguments: str) -> Any:
    """Dial in a loop of our own, and do something with the stream there."""

    async def walk() -> Any:
        stream = await dial(site.endpoint, "port", {"port": str(site.endpoint.port), **arguments})
        try:
            return await act(stream) if act else None
        finally:
            await stream.aclose()

    return asyncio.run(walk())


def refused(site: Served, **arguments: str) -> Refused:
    with pytest.raises(Refused) as caught:
        dialled(site, **arguments)
    return caught.value
