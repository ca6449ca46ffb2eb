"""Which requests are for an app, and what becomes of each. An ASGI application ahead of all others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from jobs.models import Endpoint
from jobs.proxy import gate, headers, notices, origins
from jobs.proxy.exchange import Exchange, Pools, Unanswered
from jobs.proxy.gate import Admitted, Gate, Refusal
from jobs.proxy.headers import Headers
from jobs.proxy.notices import Notice
from jobs.proxy.origins import Origin
from jobs.relay.handshake import Refused
from portal.threads import in_thread

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

OURS = "/.slipway/"  # paths of an app's origin that never reach the app
ENTER = "/.slipway/enter"


class Apps:
    """Requests for the apps' domain; `otherwise` (the portal) gets all others, and none of these."""

    def __init__(self, otherwise: Application) -> None:
        self.otherwise = otherwise
        self.gate = Gate()
        self.pools = Pools()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.otherwise(scope, receive, send)
            return
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"host"]
        if not any(map(origins.is_for_apps, hosts)):
            await self.otherwise(scope, receive, send)
            return
        origin = origins.requested(hosts[0]) if len(hosts) == 1 else None
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif origin is None:
            await say(notices.not_here(), scope, send)
        else:
            await self._http(origin, scope, receive, send)

    async def _http(self, origin: Origin, scope: Scope, receive: Receive, send: Send) -> None:
        given = scope["headers"]
        if headers.too_much(given):
            await say(notices.too_large(), scope, send)
        elif scope["path"] == ENTER:
            await self._enter(origin, scope, send)
        elif scope["path"].startswith(OURS):
            await say(notices.not_here(), scope, send)
        else:
            verdict = await self._admitted(origin, given)
            if not isinstance(verdict, Admitted):
                await say(refusal_words(verdict, origin), scope, send)
            elif asked_elsewhere(given, origin):
                await say(notices.elsewhere(origin), scope, send)
            else:
                await self._pass_on(verdict, origin, scope, receive, send)

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
        cookie = f"{headers.pass_cookie()}={text}; Path=/; HttpOnly; SameSite=Lax"
        if origin.scheme == "https":
            cookie += "; Secure"
        there = [
            (b"location", endpoint.path.encode("utf-8")),
            (b"set-cookie", cookie.encode("ascii")),
            (b"referrer-policy", b"no-referrer"),
            (b"cache-control", b"no-store"),
            (b"content-length", b"0"),
        ]
        await send({"type": "http.response.start", "status": 303, "headers": there})
        await send({"type": "http.response.body"})

    async def _pass_on(self, admitted: Admitted, origin: Origin, scope: Scope, receive: Receive, send: Send) -> None:
        """The request to the app and its answer to the browser, until either ends or the person may no longer."""
        exchange = Exchange(admitted.endpoint, origin, scope, receive, send)
        task = asyncio.get_running_loop().create_task(exchange.run(await self.pools.of(admitted.endpoint)))
        revoked = False

        def revoke() -> None:
            nonlocal revoked
            revoked = True
            task.cancel()

        with self.gate.staying(origin.label, pass_text(scope["headers"]), revoke):
            try:
                await task
            except asyncio.CancelledError:
                if revoked and not exchange.begun:
                    await say(notices.sign_in(origin), scope, send)
            except Refused as refusal:
                await say(refused_words(refusal, admitted.endpoint, origin), scope, send)
            except Unanswered as trouble:
                await say(trouble.notice(origin), scope, send)


def pass_text(given: Headers) -> str:
    name = headers.pass_cookie()
    return next((value for key, value in headers.cookies_of(given) if key == name), "")


def asked_elsewhere(given: Headers, origin: Origin) -> bool:
    """Whether the page of another origin asked for this, other than by a link to follow: S13 for apps.

    Neighbours under one domain are one site to a browser, so that SameSite alone does not keep them apart.
    """
    site = headers.one(given, b"sec-fetch-site")
    if site in ("same-origin", "none"):
        return False
    if site:
        followed = headers.one(given, b"sec-fetch-mode") == "navigate"
        return not (followed and headers.one(given, b"sec-fetch-dest") == "document")
    said = headers.one(given, b"origin")
    return bool(said) and said != origin.url


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
    if refusal.code == "busy":
        return notices.busy(origin, str(refusal))
    if endpoint.state == Endpoint.State.WAITING or refusal.code in ("away", "gone"):
        return notices.starting(origin, str(refusal))
    return notices.silent(origin, str(refusal))


async def say(notice: Notice, scope: Scope, send: Send) -> None:
    as_page = "text/html" in headers.one(scope["headers"], b"accept")
    given, body = notices.answer(notice, as_page=as_page)
    await send({"type": "http.response.start", "status": notice.status, "headers": given})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
