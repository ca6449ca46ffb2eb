"""One HTTP request to an app and its answer, both as streams: no more than a few buffers of either are ever held."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from jobs.models import Endpoint
from jobs.origins import Origin
from jobs.proxy import headers, notices
from jobs.proxy.headers import Headers
from jobs.proxy.notices import Notice
from jobs.proxy.upstream import Broken, Crowded, Line, Lines, Request, Stale

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

ANSWER_S = 600.0  # how long an app may think before its answer begins, once it has the whole request
POOLS_MAX = 1000


class Pools:
    """The open connections to apps, by endpoint. Those of the endpoints that nobody used for longest are let go of."""

    def __init__(self) -> None:
        self._pools: OrderedDict[int, Lines] = OrderedDict()

    def of(self, endpoint: Endpoint) -> Lines:
        lines = self._pools.get(endpoint.pk)
        if lines is None:
            lines = self._pools[endpoint.pk] = Lines(endpoint)
        self._pools.move_to_end(endpoint.pk)
        while len(self._pools) > POOLS_MAX:
            self._pools.popitem(last=False)[1].close()
        return lines

    def close(self) -> None:
        while self._pools:
            self._pools.popitem()[1].close()


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

    async def run(self, lines: Lines) -> None:
        """Raises Refused (by the relay) or Unanswered, both before the answer has begun; CancelledError if the browser goes."""
        current = asyncio.current_task()
        gone = asyncio.get_running_loop().create_task(self._gone())

        def leave(_: asyncio.Task[None]) -> None:
            if current is not None and not gone.cancelled():
                current.cancel()

        gone.add_done_callback(leave)
        try:
            await self._answer(lines)
        except Crowded:
            raise Unanswered(notices.crowded) from None
        except (Broken, TimeoutError) as error:
            if not self.begun:
                raise Unanswered(notices.broken if isinstance(error, Broken) else notices.late) from error
        finally:
            gone.remove_done_callback(leave)
            gone.cancel()

    async def _answer(self, lines: Lines) -> None:
        request = self._request()
        async with self._patience:
            try:
                await self._answer_over(lines.one(), request)
            except Stale:
                if not request.repeatable:
                    raise
                await self._answer_over(lines.one(new=True), request)

    async def _answer_over(self, lent: AbstractAsyncContextManager[Line], request: Request) -> None:
        async with lent as line:
            await line.ask(request, self._body())
            head = await line.head()
            self._patience.reschedule(None)
            given = headers.to_browser(head.headers, self._origin, self._port)
            await self._send({"type": "http.response.start", "status": head.status, "headers": given})
            self.begun = True
            async for piece in line.body():
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            await self._send({"type": "http.response.body", "body": b""})

    def _request(self) -> Request:
        given = self._scope["headers"]
        client = self._scope["client"][0] if self._scope.get("client") else ""
        framing = framing_of(given)
        self._has_body = bool(framing)
        asked = headers.to_app(given, self._origin, self._port, client) + framing
        return Request(self._scope["method"].encode("ascii"), target_of(self._scope), asked, self._has_body)

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
    return [(b"content-length", length.encode("ascii"))] if length else []


def target_of(scope: Scope) -> bytes:
    """The path with its query, as the browser wrote it."""
    path: bytes = scope.get("raw_path") or scope["path"].encode("utf-8")
    query: bytes = scope.get("query_string", b"")
    return path + (b"?" + query if query else b"")
