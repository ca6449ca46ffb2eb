"""The worker's end of the relay: one thread with an event loop of its own, which passes bytes on and nothing else."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import struct
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import cast

import uvloop
from django.db import Error

from jobs.relay import handshake
from jobs.relay.handshake import Malformed, Refused
from jobs.relay.targets import TARGETS, Place, Target

logger = logging.getLogger(__name__)
CONNECTIONS_MAX = 512  # of one attempt
UNKNOWN_MAX = 256  # that have not proved yet who they are
HALF_CLOSED_S = 60.0  # how long a program may be silent once the portal has said all
HIGH_WATER = 256 * 1024
RESET = struct.pack("ii", 1, 0)  # a close that the other side sees as a break
Find = Callable[[str], Place | None]


class Relay:
    """Listens from `start` to `stop`. `find` gives the place of an attempt by its name; it is called in the relay's thread."""

    def __init__(self, find: Find, targets: Mapping[str, Target] = TARGETS) -> None:
        self._find, self.targets = find, targets
        self._loop: asyncio.AbstractEventLoop | None = None
        self._places: dict[str, Place] = {}
        self._links: defaultdict[str, set[Link]] = defaultdict(set)
        self._server: asyncio.Server | None = None
        self.unknown = 0

    def start(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> int:
        """Listen; the port (a free one for 0). Raises OSError where the address can't be had."""
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(self._loop,), name="relay", daemon=True)
        self._thread.start()
        listening = asyncio.run_coroutine_threadsafe(self._listen(self._loop, host, port, tls), self._loop)
        return listening.result(timeout=10)

    def stop(self) -> None:
        """End all connections and the thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._end_all, self._loop)
            self._thread.join(timeout=2)
            self._loop = None

    def end(self, attempt: str) -> None:
        """The attempt has ended, or is not ours any more: so do its connections. From any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._end, attempt)

    @staticmethod
    def _run(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    async def _listen(self, loop: asyncio.AbstractEventLoop, host: str, port: int, tls: ssl.SSLContext | None) -> int:
        server = await loop.create_server(lambda: Caller(self), host, port, ssl=tls, backlog=512)
        self._server = server
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    def _end(self, attempt: str) -> None:
        for link in tuple(self._links.pop(attempt, ())):
            link.abort()
        if (place := self._places.pop(attempt, None)) is not None:
            place.close()

    def _end_all(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._server is not None:
            self._server.close()
        for attempt in {*self._links, *self._places}:
            self._end(attempt)
        loop.call_later(0.05, loop.stop)  # what was closed is let go of in the loop's next rounds

    # -- for connections, in the loop ---------------------------------------------------------------------------------

    def place(self, attempt: str) -> Place:
        """Raises Refused: whoever asks has seen that the attempt runs, so that it is about to be taken up, or to end."""
        found = self._places.get(attempt) or self._find(attempt)
        if found is None:
            raise Refused("away", "The worker that runs this job is taking it up, or sees that it has ended.")
        self._places[attempt] = found
        return found

    def admit(self, attempt: str, link: Link) -> None:
        """Count a connection of an attempt's. Raises Refused where it has too many."""
        if len(self._links[attempt]) >= CONNECTIONS_MAX:
            raise Refused("busy", f"There are {CONNECTIONS_MAX} connections to this job already.")
        self._links[attempt].add(link)

    def dismiss(self, attempt: str, link: Link) -> None:
        links = self._links.get(attempt)
        if links is not None:
            links.discard(link)
            if not links:
                del self._links[attempt]


class Link:
    """Two transports that pass each other's bytes on. A side that can't take more stops the other from being read."""

    def __init__(self) -> None:
        self.sides: list[Side] = []

    def abort(self) -> None:
        """Cut it: both sides see that it broke, and don't take what they have for the whole."""
        for side in self.sides:
            if side.transport is not None:
                plain = side.transport.get_extra_info("socket")
                if plain is not None:
                    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                side.transport.abort()


class Side(asyncio.Protocol):
    """One side of a link. `other` is set when both are there."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.transport: asyncio.Transport | None = None
        self.other: Side | None = None
        self.ended = False
        link.sides.append(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        """Half-closed: the other side is told, and may still have much to say. TLS knows no half: there both end."""
        self.ended = True
        here, there = self.transport, self.other.transport if self.other is not None else None
        if here is None or there is None or (self.other is not None and self.other.ended):
            return False
        if not (here.can_write_eof() and there.can_write_eof()):
            return False
        with suppress(OSError, RuntimeError):
            there.write_eof()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self.ended = True
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            with suppress(RuntimeError):  # it is closing
                self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            with suppress(RuntimeError):
                self.other.transport.resume_reading()


class Program(Side):
    """The program's side. The portal hears that it is there before anything that the program says."""

    def __init__(self, caller: Caller, agreed: str) -> None:
        super().__init__(caller.link)
        self.caller, self.agreed = caller, agreed
        self.said = False
        self.patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.other, self.caller.other = self.caller, self
        self.caller.say(proof=self.agreed)

    def data_received(self, data: bytes) -> None:
        self.said = True
        super().data_received(data)

    def hurry(self) -> None:
        """End it, unless it goes on speaking."""
        self.said = False

        def look() -> None:
            if self.said:
                self.hurry()
            elif self.transport is not None:
                self.transport.abort()

        self.patience = asyncio.get_running_loop().call_later(HALF_CLOSED_S, look)

    def connection_lost(self, error: Exception | None) -> None:
        if self.patience is not None:
            self.patience.cancel()
        super().connection_lost(error)


class Caller(Side):
    """The portal's side, which first has to prove who it is."""

    def __init__(self, relay: Relay) -> None:
        super().__init__(Link())
        self.relay = relay
        self.nonce = handshake.nonce()
        self.buffer = bytearray()
        self.known = False
        self.attempt = ""
        self.opening: asyncio.Task[None] | None = None
        self.patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.relay.unknown += 1
        if self.relay.unknown > UNKNOWN_MAX:
            transport.close()
            return
        plain = transport.get_extra_info("socket")
        if plain is not None and plain.family in (socket.AF_INET, socket.AF_INET6):
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.patience = asyncio.get_running_loop().call_later(handshake.PATIENCE_S, transport.close)
        self.say(nonce=self.nonce)

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            super().data_received(data)
            return
        self.buffer += data
        try:
            if self.known or len(self.buffer) > 2 + handshake.FRAME_MAX:
                raise Malformed("More was sent than one frame.")
            if len(self.buffer) < 2 or len(self.buffer) < 2 + (length := handshake.length_of(bytes(self.buffer[:2]))):
                return
            if len(self.buffer) > 2 + length:
                raise Malformed("More was sent than one frame.")
            self._hear(handshake.unframed(bytes(self.buffer[2:])))
        except (Malformed, UnicodeError):
            self._refuse(Refused("not_allowed", "The relay was not asked in its own way."))

    def eof_received(self) -> bool:
        """The portal has said all it will. A program that has nothing to say to that is not waited for endlessly."""
        stays = super().eof_received()
        if stays and isinstance(self.other, Program):
            self.other.hurry()
        return stays

    def _hear(self, said: dict[str, object]) -> None:
        asking, portal_nonce, given = handshake.asking_of(said)
        if not handshake.proves(given, "portal", self.nonce, portal_nonce, asking):
            self._refuse(Refused("not_allowed", "The relay's caller could not prove who it is."))
            return
        self._now_known()
        self.attempt = asking.attempt
        agreed = handshake.proof("relay", self.nonce, portal_nonce, asking)
        self.opening = asyncio.get_running_loop().create_task(self._open(asking, agreed))

    async def _open(self, asking: handshake.Asking, agreed: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            target = self.relay.targets.get(asking.target)
            if target is None:
                raise Refused("not_allowed", "This relay knows no such target: is it of an older release?")
            place = self.relay.place(asking.attempt)
            self.relay.admit(asking.attempt, self.link)
            connected = await target.open(place, asking.arguments)
            if self.transport is None or self.transport.is_closing():
                connected.close()
                return
            await loop.create_connection(lambda: Program(self, agreed), sock=connected)
        except Refused as refusal:
            self._refuse(refusal)
        except Error as error:
            logger.warning("The relay could not ask the database: %s", error)
            self._refuse(Refused("away", "The worker can't reach the database just now."))
        except OSError as error:
            self._refuse(Refused("not_listening", f"The program can't be reached: {error.strerror}."))
        except Exception:
            logger.exception("The relay could not connect to %s of %s.", asking.target, asking.attempt)
            self._refuse(Refused("unable", "The worker could not connect; its log says why."))

    def connection_lost(self, error: Exception | None) -> None:
        self._now_known()
        if self.opening is not None:
            self.opening.cancel()
        self.relay.dismiss(self.attempt, self.link)
        super().connection_lost(error)

    def _now_known(self) -> None:
        if not self.known:
            self.known = True
            self.relay.unknown -= 1
            if self.patience is not None:
                self.patience.cancel()

    def say(self, **said: str) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(handshake.framed(said))

    def _refuse(self, refusal: Refused) -> None:
        self.say(code=refusal.code, message=str(refusal)[:1000])
        if self.transport is not None:
            self.transport.close()
