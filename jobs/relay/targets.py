"""What of an attempt can be connected to. One more kind is one more class here, in the tuple at the end."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from jobs.models import Attempt, Job
from jobs.relay import namespaces
from jobs.relay.handshake import Refused
from jobs.runtimes.base import Handle, Runtime

CONNECT_S = 5.0
LOOPBACK = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


@dataclass
class Place:
    """An attempt that this worker tends and whose container has started, as a target sees it.

    `ports` looks up which were declared. `close` belongs to the relay: it lets go of what the place holds.
    """

    attempt: Attempt
    job: Job
    runtime: Runtime
    handle: Handle
    ports: Callable[[], frozenset[int]]
    _known_ports: frozenset[int] = frozenset()
    _namespace: int = -1
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def namespace(self) -> int:
        """The descriptor of the container's network namespace, open for as long as the place is. Raises Refused."""
        async with self._lock:
            if self._namespace < 0:
                self._namespace = await asyncio.to_thread(namespaces.of_container, self.runtime, self.handle)
            return self._namespace

    async def declared(self, port: int) -> bool:
        """Whether people may be led to this port. One that was declared stays so while the attempt runs."""
        if port not in self._known_ports:
            self._known_ports = await asyncio.to_thread(self.ports)
        return port in self._known_ports

    def close(self) -> None:
        if self._namespace >= 0:
            os.close(self._namespace)
            self._namespace = -1


class Target(Protocol):
    name: str

    async def open(self, place: Place, arguments: Mapping[str, str]) -> socket.socket:
        """A connected stream socket, non-blocking, whose bytes the relay passes on until either side ends.

        Runs in the relay's own event loop: what blocks goes through asyncio.to_thread. Raises Refused.
        """


class Port:
    """A port of the container's loopback, as far as it was declared. `arguments`: port."""

    name = "port"

    async def open(self, place: Place, arguments: Mapping[str, str]) -> socket.socket:
        text = arguments.get("port", "")
        well_formed = text.isascii() and text.isdigit() and len(text) <= 5
        if not well_formed or not await place.declared(int(text)):
            raise Refused("not_allowed", "This port of the container was not declared, so nobody is led to it.")
        namespace = await place.namespace()
        for family, address in LOOPBACK:
            connection = namespaces.socket_within(namespace, family)
            try:
                async with asyncio.timeout(CONNECT_S):
                    await asyncio.get_running_loop().sock_connect(connection, (address, int(text)))
            except (OSError, TimeoutError):
                connection.close()
                continue
            except BaseException:
                connection.close()
                raise
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        raise Refused("not_listening", f"Nothing answers on port {text} of the container yet.")


TARGETS: dict[str, Target] = {target.name: target for target in (Port(),)}
