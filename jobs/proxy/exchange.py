"""One HTTP request to an app and its answer, both as streams: no more than a few buffers of either are ever held."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import httpcore

from jobs.models import Endpoint
from jobs.origins import Origin
from jobs.proxy import headers, notices
from jobs.proxy.headers import Headers
from jobs.proxy.notices import Notice
from jobs.relay.dial import Stream, dial

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

ANSWER_S = 600.0  # how long an app may think before its answer begins, once it has the whole request
CONNECTIONS_MAX = 128  # to one endpoint, of this process
IDLE_MAX = 16
IDLE_S = 30.0
POOL_S = 20.0  # how long a request waits for one of them
WRITE_S = 120.0  # how long an app may take nothing of what it is sent
POOLS_MAX = 1000


class RelayStream(httpcore.AsyncNetworkStream):
    """A relay's stream as httpcore wants it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109  httpcore's interface
        try:
            async with asyncio.timeout(timeout):
                return await self._stream.read(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        try:
            async with asyncio.timeout(timeout):
                await self._stream.write(buffer)
        except TimeoutError as error:
            raise httpcore.WriteTimeout from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        raise httpcore.UnsupportedProtocol("Apps are spoken to in plain HTTP, within the relay's connection.")

    def get_extra_info(self, info: str) -> Any:
        return self._stream.has_news if info == "is_readable" else None


class RelayBackend(httpcore.AsyncNetworkBackend):
    """Connects to ports of one endpoint's container. Raises Refused."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return RelayStream(await dial(self._endpoint, "port", {"port": str(port)}))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Pools:
    """The open connections to apps, by endpoint. Those of an endpoint that nobody uses any more are let go."""

    def __init__(self) -> None:
        self._pools: dict[int, tuple[httpcore.AsyncConnectionPool, float]] = {}

    async def of(self, endpoint: Endpoint) -> httpcore.AsyncConnectionPool:
        now = time.monotonic()
        found = self._pools.pop(endpoint.pk, None)
        pool = found[0] if found else _pool(endpoint)
        self._pools[endpoint.pk] = (pool, now)  # at the end: the first is the one that was not used for longest
        while len(self._pools) > POOLS_MAX:
            await self._let_go(next(iter(self._pools)))
        return pool

    async def close(self) -> None:
        for key in tuple(self._pools):
            await self._let_go(key)

    async def _let_go(self, key: int) -> None:
        pool, _ = self._pools.pop(key)
        await pool.aclose()


def _pool(endpoint: Endpoint) -> httpcore.AsyncConnectionPool:
    return httpcore.AsyncConnectionPool(
        max_connections=CONNECTIONS_MAX,
        max_keepalive_connections=IDLE_MAX,
        keepalive_expiry=IDLE_S,
        network_backend=RelayBackend(endpoint),
    )


class Unanswered(Exception):
    """Raised where the app can be reached, and no answer of its began. `notice` says what its person is told."""

    def __init__(self, notice: Callable[[Origin], Notice]) -> None:
        super().__init__("The app did not answer.")
        self.notice = notice


class Exchange:
    """One request and its answer. `begun`: the answer's head went to the browser, so that nothing else can be said."""

    def __init__(self, endpoint: Endpoint, origin: Origin, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun = False
        self._port = endpoint.port or 80
        self._origin, self._scope = origin, scope
        self._receive, self._send = receive, send
        self._has_body = False
        self._body_read = asyncio.Event()
        self._patience = asyncio.timeout(None)

    async def run(self, pool: httpcore.AsyncConnectionPool) -> None:
        """Raises Refused (by the relay) or Unanswered, both before the answer has begun; CancelledError if the browser goes."""
        current = asyncio.current_task()
        gone = asyncio.get_running_loop().create_task(self._gone())

        def leave(_: asyncio.Task[None]) -> None:
            if current is not None and not gone.cancelled():
                current.cancel()

        gone.add_done_callback(leave)
        try:
            await self._answer(pool)
        except httpcore.PoolTimeout:
            raise Unanswered(notices.crowded) from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, TimeoutError) as error:
            if not self.begun:
                late = isinstance(error, TimeoutError)
                raise Unanswered(notices.late if late else notices.broken) from error
        finally:
            gone.remove_done_callback(leave)
            gone.cancel()

    async def _answer(self, pool: httpcore.AsyncConnectionPool) -> None:
        async with self._patience:
            response = await pool.handle_async_request(self._request())
            self._patience.reschedule(None)
            try:
                given = headers.to_browser(response.headers, self._origin, self._port)
                await self._send({"type": "http.response.start", "status": response.status, "headers": given})
                self.begun = True
                async for piece in response.aiter_stream():
                    await self._send({"type": "http.response.body", "body": piece, "more_body": True})
                await self._send({"type": "http.response.body", "body": b""})
            finally:
                await response.aclose()

    def _request(self) -> httpcore.Request:
        given = self._scope["headers"]
        client = self._scope["client"][0] if self._scope.get("client") else ""
        framing = framing_of(given)
        self._has_body = bool(framing)
        asked = headers.to_app(given, self._origin, self._port, client) + framing
        url = httpcore.URL(scheme=b"http", host=b"localhost", port=self._port, target=target_of(self._scope))
        return httpcore.Request(
            self._scope["method"].encode("ascii"),
            url,
            headers=asked,
            content=self._body(),
            extensions={"timeout": {"pool": POOL_S, "write": WRITE_S}},
        )

    async def _body(self) -> AsyncIterator[bytes]:
        """What the browser sends beside the headers; nothing of it is asked for where they announce none."""
        more = self._has_body
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise asyncio.CancelledError
            if message.get("body"):
                yield message["body"]
            more = message.get("more_body", False)
        self._read_to_end()

    def _read_to_end(self) -> None:
        """The app has all of the request: now its time runs, and the browser can only leave."""
        self._body_read.set()
        self._patience.reschedule(asyncio.get_running_loop().time() + ANSWER_S)

    async def _gone(self) -> None:
        """Returns when the browser has left."""
        await self._body_read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


def framing_of(given: Headers) -> Headers:
    """How the request's body is framed; empty where it has none."""
    if headers.one(given, b"transfer-encoding"):
        return [(b"transfer-encoding", b"chunked")]
    length = headers.one(given, b"content-length")
    return [(b"content-length", length.encode("ascii"))] if length not in ("", "0") else []


def target_of(scope: Scope) -> bytes:
    """The path with its query, as the browser wrote it."""
    path: bytes = scope.get("raw_path") or scope["path"].encode("utf-8")
    query: bytes = scope.get("query_string", b"")
    return path + (b"?" + query if query else b"")
