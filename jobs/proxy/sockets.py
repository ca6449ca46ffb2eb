"""WebSockets: one connection to the browser, one to the app, message by message, each side at the other's pace.

Nothing is queued here: a message is taken from one side when the other has room for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from websockets.client import ClientProtocol
from websockets.datastructures import Headers as SocketHeaders
from websockets.exceptions import InvalidState, InvalidStatus, ProtocolError
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import Event, State
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from jobs.models import Endpoint
from jobs.origins import Origin
from jobs.proxy import headers, notices
from jobs.proxy.exchange import Unanswered, target_of
from jobs.proxy.headers import Headers
from jobs.relay.dial import Stream, dial

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MESSAGE_MAX = 16 * 2**20  # as the web server's own limit for what browsers send
HANDSHAKE_S = 60.0
CLOSE_S = 5.0
RATE = 2000.0  # messages a second each way, after a burst of as many
NOT_PASSED_ON = frozenset(
    b"sec-websocket-key sec-websocket-version sec-websocket-extensions sec-websocket-protocol sec-websocket-accept "
    b"content-length".split()
)


class Pace:
    """Lets RATE messages a second through, and makes those wait that come faster."""

    def __init__(self) -> None:
        self._left, self._at = RATE, time.monotonic()

    async def keep(self) -> None:
        now = time.monotonic()
        self._left = min(RATE, self._left + (now - self._at) * RATE) - 1
        self._at = now
        if self._left < 0:
            await asyncio.sleep(-self._left / RATE)


class Socket:
    """One WebSocket to an app. `accepted`: the browser was told that it is open."""

    def __init__(self, endpoint: Endpoint, origin: Origin, scope: Scope, receive: Receive, send: Send) -> None:
        self.accepted = False
        self._endpoint, self._origin, self._scope = endpoint, origin, scope
        self._receive, self._send = receive, send
        self._port = endpoint.port or 80
        uri = WebSocketURI(secure=False, host="localhost", port=self._port, path="/", query="")
        offered = [Subprotocol(name) for name in scope.get("subprotocols", ())]
        self._early: list[Event] = []  # what the app said in one breath with its handshake
        self._app = ClientProtocol(uri, subprotocols=offered or None, max_size=MESSAGE_MAX)

    async def run(self, moved: Callable[[], None]) -> None:
        """Until either side ends. `moved` is called for each message.

        Raises Refused (by the relay) or Unanswered, both before the browser was told anything.
        """
        stream = await dial(self._endpoint, "port", {"port": str(self._port)})
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                answer = await self._shake_hands(stream)
            if answer is None:
                return
            accepted = {"subprotocol": self._app.subprotocol, "headers": self._passed_back(answer)}
            await self._send({"type": "websocket.accept", **accepted})
            self.accepted = True
            await self._pass_on(stream, moved)
        except asyncio.CancelledError:  # the person's right has ended: nothing that still waits goes out
            stream.abort()
            raise
        except OSError as error:
            if not self.accepted:
                late = isinstance(error, TimeoutError)
                raise Unanswered(notices.late if late else notices.broken) from None
        finally:
            await stream.aclose()

    async def _shake_hands(self, stream: Stream) -> Response | None:
        """The app's answer where it agreed; None where its refusal was passed on."""
        await self._receive()  # websocket.connect
        request = self._app.connect()
        client = self._scope["client"][0] if self._scope.get("client") else ""
        given = headers.to_app(self._scope["headers"], self._origin, self._port, client)
        kept = [(name, value) for name, value in given if name not in NOT_PASSED_ON]
        request.headers = SocketHeaders(
            [(name, value) for name, value in request.headers.raw_items() if name.lower() != "host"]
        )
        request.path = target_of(self._scope).decode("latin-1")
        for name, value in kept:
            request.headers[name.decode("ascii")] = value.decode("latin-1")
        self._app.send_request(request)
        await self._flush(stream)
        while True:
            await self._feed(stream)
            self._early = self._app.events_received()
            answer = self._early.pop(0) if self._early else None
            if isinstance(answer, Response):
                if self._app.state is not State.CONNECTING:
                    return answer
                await self._refused(answer)
                return None
            if self._app.handshake_exc is not None:
                raise Unanswered(notices.broken)

    async def _refused(self, answer: Response) -> None:
        if not isinstance(self._app.handshake_exc, InvalidStatus) or not 300 <= answer.status_code < 600:
            raise Unanswered(notices.broken)
        body = bytes(answer.body or b"")
        given = self._passed_back(answer)
        await self._send({"type": "websocket.http.response.start", "status": answer.status_code, "headers": given})
        await self._send({"type": "websocket.http.response.body", "body": body})

    def _passed_back(self, answer: Response) -> Headers:
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.raw_items()]
        return [one for one in headers.to_browser(raw, self._origin, self._port) if one[0] not in NOT_PASSED_ON]

    # -- once both are open -------------------------------------------------------------------------------------------

    async def _pass_on(self, stream: Stream, moved: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        there = loop.create_task(self._to_app(stream, moved))
        back = loop.create_task(self._to_browser(stream, moved))
        try:
            done, _ = await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (there, back):
                task.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
        for task in done:
            task.result()

    async def _to_app(self, stream: Stream, moved: Callable[[], None]) -> None:
        pace = Pace()
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                await self._say_goodbye(stream, int(message.get("code") or 1005))
                return
            moved()
            await pace.keep()
            with suppress(InvalidState):  # the app has just closed it
                if message.get("bytes") is not None:
                    self._app.send_binary(message["bytes"])
                else:
                    self._app.send_text(str(message.get("text", "")).encode())
            await self._flush(stream)

    async def _say_goodbye(self, stream: Stream, code: int) -> None:
        """The browser has closed, or is gone (1005, 1006): the app hears a code that may be sent."""
        if self._app.state is not State.OPEN:
            return
        known = code in (1000, 1001, 1003, 1007, 1008, 1009, 1010, 1011) or 3000 <= code < 5000
        with suppress(OSError, ProtocolError):
            self._app.send_close(code if known else 1001)
            async with asyncio.timeout(CLOSE_S):
                await self._flush(stream)

    async def _to_browser(self, stream: Stream, moved: Callable[[], None]) -> None:
        """Where the app's connection ends without a word, so does the browser's: then its page knows to come again."""
        pace = Pace()
        async for opcode, data in self._messages(stream):
            moved()
            await pace.keep()
            if opcode is Opcode.TEXT:
                await self._send({"type": "websocket.send", "text": data.decode("utf-8", "replace")})
            else:
                await self._send({"type": "websocket.send", "bytes": data})
        if (said := self._app.close_rcvd) is not None:
            code = 1000 if said.code in (1005, 1006) else int(said.code)
            await self._send({"type": "websocket.close", "code": code, "reason": said.reason})

    async def _messages(self, stream: Stream) -> AsyncIterator[tuple[Opcode, bytes]]:
        """Whole messages, each at most MESSAGE_MAX long, until the app closes or its connection ends."""
        opcode, pieces = Opcode.BINARY, bytearray()
        while True:
            events, self._early = [*self._early, *self._app.events_received()], []
            for event in events:
                if not isinstance(event, Frame):
                    continue
                if event.opcode in (Opcode.TEXT, Opcode.BINARY):
                    opcode, pieces = event.opcode, bytearray(event.data)
                elif event.opcode is Opcode.CONT:
                    pieces += event.data
                else:
                    continue
                if event.fin:
                    yield opcode, bytes(pieces)
                    pieces = bytearray()
            await self._flush(stream)  # answers to pings, and the end of a closing
            if self._app.state is not State.OPEN or not await self._feed(stream):
                return

    async def _feed(self, stream: Stream) -> bool:
        """Give the protocol what the app says next; False at the end."""
        data = await stream.read()
        if data:
            self._app.receive_data(data)
        else:
            self._app.receive_eof()
        return bool(data)

    async def _flush(self, stream: Stream) -> None:
        for data in self._app.data_to_send():
            if data:
                await stream.write(data)
