"""HTTP/1.1 to an app: one request and its answer over a stream of the relay's, and streams kept for the next request.

h11 knows the protocol and moves no bytes; the bytes are moved here, with a limit of time for each wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import h11

from jobs.models import Endpoint
from jobs.proxy.headers import Headers
from jobs.relay.dial import Stream, dial

CONNECTIONS_MAX = 128  # to one endpoint, of this process
IDLE_MAX = 16
IDLE_S = 30.0
POOL_S = 20.0  # how long a request waits for one of them
WRITE_S = 120.0  # how long an app may take nothing of what it is sent
SAFE_METHODS = frozenset({b"GET", b"HEAD", b"OPTIONS"})
HEAD_MAX = 100 * 1024  # of an answer: its line and its headers


class Crowded(Exception):
    """Raised where all connections to an endpoint stayed in use for POOL_S."""


class Broken(Exception):
    """Raised where the connection broke, or where what the app says is not HTTP."""


class Stale(Broken):
    """Raised where a kept connection ended without a byte of an answer: the app may have closed it just before."""


@dataclass(frozen=True)
class Request:
    """`target` is the path with its query; `headers` frame the body, where it `has_body`."""

    method: bytes
    target: bytes
    headers: Headers
    has_body: bool = False

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent once more when nobody knows if the app had it (RFC 9110, 9.2.2)."""
        return self.method in SAFE_METHODS and not self.has_body


@dataclass(frozen=True)
class Head:
    status: int
    headers: Headers


class Line:
    """One connection to the app, for one request after another."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_MAX)
        self.idle_since = 0.0  # 0 for one that was not kept yet
        self._heard = False  # whether anything of this answer came

    async def ask(self, request: Request, body: AsyncIterator[bytes]) -> None:
        """Send all of the request, its head with the first of its body. Raises Broken, and TimeoutError after WRITE_S.

        An app may answer before it has heard all, and take no more: then its answer is there to be read.
        """
        try:
            said = self._said(h11.Request(method=request.method, target=request.target, headers=request.headers))
            async for piece in body:
                await self._write(said + self._said(h11.Data(data=piece)))
                said = b""
            await self._write(said + self._said(h11.EndOfMessage()))
        except h11.ProtocolError as error:
            raise Broken(str(error)) from error
        except TimeoutError:
            raise
        except OSError:
            self._http.send_failed()

    def _said(self, event: h11.Event) -> bytes:
        return self._http.send(event) or b""

    async def _write(self, data: bytes) -> None:
        if data:
            async with asyncio.timeout(WRITE_S):
                await self._stream.write(data)

    async def head(self) -> Head:
        """The answer's beginning, once it is there; early hints are passed over. Raises Broken."""
        while True:
            event = await self._event()
            if isinstance(event, h11.Response):
                return Head(event.status_code, event.headers.raw_items())
            if not isinstance(event, h11.InformationalResponse):
                raise Broken("The app ended the connection before it had answered.")

    async def body(self) -> AsyncIterator[bytes]:
        """The answer's bytes as they come, without what frames them. Raises Broken where they end too early."""
        while isinstance(event := await self._event(), h11.Data):
            yield bytes(event.data)

    async def _event(self) -> type[h11.NEED_DATA | h11.PAUSED] | h11.Event:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                data = await self._stream.read()
                self._heard = self._heard or bool(data)
                self._http.receive_data(data)
        except (OSError, h11.ProtocolError) as error:
            kept_in_vain = self.idle_since and not self._heard
            raise (Stale if kept_in_vain else Broken)(str(error)) from error
        return event

    def ready_again(self) -> bool:
        """Whether another request may follow: the answer is whole, and both sides mean to go on."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        self._heard = False
        return True

    @property
    def usable(self) -> bool:
        """Whether it waits in silence: one that was ended, or where the app said something unasked, is not."""
        return not self._stream.has_news and self._http.trailing_data == (b"", False)

    def close(self) -> None:
        """At once: what the app has not taken yet is of a request that was given up."""
        self._stream.abort()


class Lines:
    """The connections to one endpoint. Those that nobody used for IDLE_S are let go of."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._room = asyncio.Semaphore(CONNECTIONS_MAX)
        self._idle: list[Line] = []  # the one that was used last at the end
        self._tidying: asyncio.TimerHandle | None = None
        self._closed = False

    @asynccontextmanager
    async def one(self, *, new: bool = False) -> AsyncIterator[Line]:
        """A connection for one request, kept from another unless it is to be `new`. Raises Crowded, Refused (by the relay)."""
        try:
            async with asyncio.timeout(POOL_S):
                await self._room.acquire()
        except TimeoutError:
            raise Crowded from None
        try:
            kept = None if new else self._idle_one()
            line = kept or Line(await dial(self._endpoint, "port", {"port": str(self._endpoint.port)}))
            try:
                yield line
            finally:
                self._put_back(line)
        finally:
            self._room.release()

    def close(self) -> None:
        """What is in use is closed when its request has ended."""
        self._closed = True
        if self._tidying is not None:
            self._tidying.cancel()
        self._keep([])

    def _idle_one(self) -> Line | None:
        while self._idle:
            line = self._idle.pop()
            if line.usable:
                return line
            line.close()
        return None

    def _put_back(self, line: Line) -> None:
        if self._closed or len(self._idle) >= IDLE_MAX or not line.ready_again():
            line.close()
            return
        loop = asyncio.get_running_loop()
        line.idle_since = loop.time()
        self._idle.append(line)
        if self._tidying is None:
            self._tidying = loop.call_later(IDLE_S, self._tidy)

    def _tidy(self) -> None:
        loop = asyncio.get_running_loop()
        self._keep([line for line in self._idle if line.usable and loop.time() - line.idle_since < IDLE_S])
        self._tidying = loop.call_later(IDLE_S, self._tidy) if self._idle else None

    def _keep(self, kept: list[Line]) -> None:
        for line in self._idle:
            if line not in kept:
                line.close()
        self._idle = kept
