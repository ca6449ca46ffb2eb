"""Which requests are for an app, and what becomes of each. An ASGI application ahead of all others."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from django.utils.encoding import iri_to_uri

from jobs import origins
from jobs.models import Endpoint
from jobs.origins import Origin
from jobs.proxy import gate, headers, notices
from jobs.proxy.exchange import Exchange, Pools, Unanswered
from jobs.proxy.gate import Admitted, Gate, Refusal
from jobs.proxy.headers import Headers
from jobs.proxy.notices import Notice
from jobs.proxy.sockets import Socket
from jobs.proxy.traffic import Traffic
from jobs.relay.handshake import Refused
from portal.threads import in_thread

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

OURS = "/.slipway/"  # paths of an app's origin that never reach the app
ENTER = "/.slipway/enter"
SOCKETS_MAX = 256  # of one endpoint, in this process


class Apps:
    """Requests for the apps' domain; `otherwise` (the portal) gets all others, and none of these."""

    def __init__(self, otherwise: Application) -> None:
        self.otherwise = otherwise
        self.gate = Gate()
        self.pools = Pools()
        self.traffic = Traffic()
        self._sockets: Counter[int] = Counter()  # open ones, by endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"host"]
        if not any(map(origins.is_for_apps, hosts)):
            await self.otherwise(scope, receive, send)
            return
        origin = origins.requested(hosts[0], scope["path"]) if len(hosts) == 1 else None
        within = without_prefix(scope, origin.prefix) if origin is not None else None
        if origin is None or within is None:
            await say(notices.not_here(), scope, send)
        else:
            await self._at_origin(origin, within, receive, send)

    async def _at_origin(self, origin: Origin, scope: Scope, receive: Receive, send: Send) -> None:
        if headers.too_much(scope["headers"]):
            await say(notices.too_large(), scope, send)
        elif scope["path"] == ENTER and scope["type"] == "http":
            await self._enter(origin, scope, send)
        elif scope["path"].startswith(OURS):
            await say(notices.not_here(), scope, send)
        else:
            await self._let_in(origin, scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """The web server's own start and end: nothing of ours is left in its loop."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self.gate.close()
                self.pools.close()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _let_in(self, origin: Origin, scope: Scope, receive: Receive, send: Send) -> None:
        verdict = await self._admitted(origin, scope["headers"])
        if not isinstance(verdict, Admitted):
            await say(refusal_words(verdict, origin), scope, send)
        elif asked_elsewhere(scope, origin):
            await say(notices.elsewhere(origin), scope, send)
        elif scope["type"] == "websocket":
            await self._socket(verdict, origin, scope, receive, send)
        else:
            await self._exchange(verdict, origin, scope, receive, send)

    async def _admitted(self, origin: Origin, given: Headers) -> Admitted | Refusal:
        text = pass_text(given)
        return await self.gate.admitted(origin.label, text) if text else Refusal.STRANGER

    async def _enter(self, origin: Origin, scope: Scope, send: Send) -> None:
        """A ticket becomes a pass, and the browser is led to the app without the ticket in the address."""
        ticket = parse_qs(scope["query_string"].decode("latin-1")).get("ticket", [""])[0]
        entered = await in_thread(gate.enter, origin.label, ticket) if ticket else None
        if entered is None:
            await say(notices.used_up(origin), scope, send)
            return
        endpoint, text = entered
        cookie = f"{headers.pass_cookie()}={text}; Path={origin.prefix}/; HttpOnly; SameSite=Lax"
        if origin.scheme == "https":
            cookie += "; Secure"
        there = [
            (b"location", f"{origin.root}{iri_to_uri(endpoint.path)}".encode("ascii")),
            (b"set-cookie", cookie.encode("ascii")),
            (b"referrer-policy", b"no-referrer"),
            (b"cache-control", b"no-store"),
            (b"content-length", b"0"),
        ]
        await send({"type": "http.response.start", "status": 303, "headers": there})
        await send({"type": "http.response.body"})

    async def _exchange(self, admitted: Admitted, origin: Origin, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = admitted.endpoint
        self.traffic.moved(endpoint.pk)
        exchange = Exchange(endpoint, origin, scope, receive, send)
        lines = self.pools.of(endpoint)
        if await self._while_allowed(exchange.run(lines), admitted, origin, scope, send) and not exchange.begun:
            await say(notices.sign_in(origin), scope, send)

    async def _socket(self, admitted: Admitted, origin: Origin, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = admitted.endpoint
        if self._sockets[endpoint.pk] >= SOCKETS_MAX:
            await say(notices.crowded(origin), scope, send)
            return
        socket = Socket(endpoint, origin, scope, receive, send)
        self._sockets[endpoint.pk] += 1
        try:
            run = socket.run(lambda: self.traffic.moved(endpoint.pk))
            if await self._while_allowed(run, admitted, origin, scope, send):
                if socket.accepted:
                    await send({"type": "websocket.close", "code": 1008, "reason": "You are signed out of this app."})
                else:
                    await say(notices.sign_in(origin), scope, send)
        finally:
            self._sockets[endpoint.pk] -= 1
            if not self._sockets[endpoint.pk]:
                del self._sockets[endpoint.pk]

    async def _while_allowed(
        self, run: Coroutine[Any, Any, None], admitted: Admitted, origin: Origin, scope: Scope, send: Send
    ) -> bool:
        """Run it until it ends by itself, or the person's pass does: then True. What kept the app from answering is said."""
        task = asyncio.get_running_loop().create_task(run)
        revoked = False

        def revoke() -> None:
            nonlocal revoked
            revoked = True
            task.cancel()

        with self.gate.staying(admitted, revoke):
            try:
                await task
            except asyncio.CancelledError:
                return revoked
            except Refused as refusal:
                verdict = await self.gate.admitted_still(admitted)
                if isinstance(verdict, Admitted):
                    await say(refused_words(refusal, verdict.endpoint, origin), scope, send)
                else:  # it has ended since it was asked last
                    await say(refusal_words(verdict, origin), scope, send)
            except Unanswered as trouble:
                await say(trouble.notice(origin), scope, send)
        return False


def without_prefix(scope: Scope, prefix: str) -> Scope | None:
    """The request as it is below the prefix; None where its path is written in some other way."""
    if not prefix:
        return scope
    raw: bytes = scope.get("raw_path") or scope["path"].encode("utf-8")
    if not raw.startswith(prefix.encode("ascii")):
        return None
    path, raw = scope["path"].removeprefix(prefix), raw.removeprefix(prefix.encode("ascii"))
    return {**scope, "path": path or "/", "raw_path": raw or b"/"}


def pass_text(given: Headers) -> str:
    name = headers.pass_cookie()
    return next((value for key, value in headers.cookies_of(given) if key == name), "")


def asked_elsewhere(scope: Scope, origin: Origin) -> bool:
    """Whether the page of another origin asked for this, other than by a link to follow: S13 for apps.

    Neighbours under one domain are one site to a browser, so that SameSite alone does not keep them apart.
    """
    given = scope["headers"]
    said = headers.one(given, b"origin")
    if said and said != origin.url:
        return True
    if headers.one(given, b"sec-fetch-site") in ("", "same-origin", "none"):
        return False
    followed = headers.one(given, b"sec-fetch-mode") == "navigate"
    a_page = headers.one(given, b"sec-fetch-dest") == "document"
    return not (followed and a_page and scope.get("method") in ("GET", "HEAD"))


def refusal_words(refusal: Refusal, origin: Origin) -> Notice:
    match refusal:
        case Refusal.STRANGER:
            return notices.sign_in(origin)
        case Refusal.ENDED:
            return notices.ended(origin)
        case Refusal.AWAY:
            return notices.away()


def refused_words(refusal: Refused, endpoint: Endpoint, origin: Origin) -> Notice:
    """By the relay, for its own reasons."""
    match refusal.code:
        case "busy":
            return notices.busy(origin, str(refusal))
        case "away":
            return notices.between(origin, str(refusal))
        case "gone":  # its end is not settled yet
            return notices.between(origin, "The worker that runs this job sees that it has ended.")
        case "not_listening" if endpoint.state == Endpoint.State.WAITING:
            return notices.starting(origin, str(refusal))
        case _:
            return notices.silent(origin, str(refusal))


async def say(notice: Notice, scope: Scope, send: Send) -> None:
    as_page = "text/html" in headers.one(scope["headers"], b"accept")
    given, body = notices.answer(notice, as_page=as_page)
    kind = "websocket.http" if scope["type"] == "websocket" else "http"
    await send({"type": f"{kind}.response.start", "status": notice.status, "headers": given})
    await send({"type": f"{kind}.response.body", "body": b"" if scope.get("method") == "HEAD" else body})
