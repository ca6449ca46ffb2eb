"""Server-sent events, answered ahead of Django: a stream costs a few kilobytes and no thread.

Who may see a stream is asked when it opens and every 30 s while it is open, so that signing out, a revoked token or a
job that is no longer shared ends it. Database work is done in a few threads, which give their connection back each time.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from contextlib import aclosing
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import parse_cookie
from django.http.request import split_domain_port, validate_host

from portal.api.authentication import narrowed
from portal.api.problems import MEDIA_TYPE, problem
from portal.listening import Listener, Watch
from portal.people.models import ApiToken, User
from portal.people.sessions import user_of
from portal.threads import in_thread

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
T = TypeVar("T")

HEARTBEAT_S = 15.0
RECHECK_S = 30.0
STREAMS_MAX = 5000
END = "end"  # the id of a stream's last event: a client that comes back with it has seen everything


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `data` is one line (JSON); `id` is what a client sends back as Last-Event-ID to go on from here."""

    name: str
    data: str = "{}"
    id: str = ""

    def encode(self) -> bytes:
        head = f"id: {self.id}\n" if self.id else ""
        return f"{head}event: {self.name}\ndata: {self.data}\n\n".encode()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a source gets: who asks, for what, from where on; `read` runs a function of the database's in a thread."""

    user: User
    subject: Any
    query: Mapping[str, str]
    last_event_id: str
    watch: Watch
    read: Callable[..., Awaitable[Any]]


@dataclass(frozen=True)
class Route:
    """An address of a stream. `authorize` gives what the person may watch, or None: then it looks as if nothing were there."""

    name: str
    path: str  # a regular expression for the whole path
    authorize: Callable[[User, re.Match[str]], Any]
    topic: Callable[[re.Match[str]], str]
    source: Callable[[Asked], AsyncGenerator[Event, None]]
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", re.compile(self.path))


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Admitted:
    user: User
    subject: Any


UNKNOWN = Refusal(404, "not_found", "Nothing is here, or it is not yours to see.")
STRANGER = Refusal(401, "not_authenticated", "Sign in, or send a live token as: Authorization: Bearer <token>.")
AWAY = Refusal(503, "unavailable", "The database does not answer. Try again in a few seconds.")


def who(headers: Mapping[str, str]) -> User | Refusal:
    """The person behind a bearer token or a session cookie, as Django itself would judge them."""
    scheme, _, text = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        token = ApiToken.objects.presented(text.strip())
        if token is None:
            return STRANGER
        if "read" not in token.scopes:
            return Refusal(403, "scope_missing", "This token lacks the scope 'read'. Make one that has it.")
        return narrowed(token.user, token.scopes)
    key = parse_cookie(headers.get("cookie", "")).get(settings.SESSION_COOKIE_NAME)
    if not key:
        return STRANGER
    return user_of(key) or STRANGER


def admit(route: Route, match: re.Match[str], headers: Mapping[str, str]) -> Admitted | Refusal:
    """Whether this client may have this stream now. Runs in a thread."""
    try:
        user = who(headers)
    except (OperationalError, InterfaceError):
        return AWAY
    if isinstance(user, Refusal):
        return user
    subject = route.authorize(user, match)
    return UNKNOWN if subject is None else Admitted(user, subject)


class Streams:
    """The ASGI application: the routes' streams, and `otherwise` (Django) for all else."""

    def __init__(self, routes: Iterable[Route], otherwise: Application, *, channel: str) -> None:
        self.routes = tuple(routes)
        self.otherwise = otherwise
        self.listener = Listener(channel)
        self.open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self.find(scope["path"]) if scope["type"] == "http" else None
        if found is None:
            await self.otherwise(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        accepts = headers.get("accept", "")
        if "application/json" in accepts and "text/event-stream" not in accepts:
            await self.otherwise(scope, receive, send)  # the same address as a plain list, where Django has one
            return
        await self._answer(found, scope, headers, receive, send)

    def find(self, path: str) -> tuple[Route, re.Match[str]] | None:
        for route in self.routes:
            if match := route.pattern.fullmatch(path):
                return route, match
        return None

    async def _answer(
        self, found: tuple[Route, re.Match[str]], scope: Scope, headers: Mapping[str, str], receive: Receive, send: Send
    ) -> None:
        route, match = found
        verdict = await self._verdict(scope, route, match, headers)
        if isinstance(verdict, Refusal):
            await _refuse(verdict, send)
            return
        last_event_id = headers.get("last-event-id", "")[:100]
        if last_event_id == END:
            await _head(send, 204)  # tells an EventSource not to come again
            await send({"type": "http.response.body"})
            return
        self.open += 1
        try:
            with self.listener.watching(route.topic(match)) as watch:
                query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
                asked = Asked(verdict.user, verdict.subject, query, last_event_id, watch, self._patiently)
                await _head(send, 200, "text/event-stream; charset=utf-8")
                await send(_body(b"retry: 2000\n\n"))
                await self._pump(route, match, headers, asked, receive, send)
        finally:
            self.open -= 1

    async def _verdict(
        self, scope: Scope, route: Route, match: re.Match[str], headers: Mapping[str, str]
    ) -> Admitted | Refusal:
        if scope["method"] != "GET":
            return Refusal(405, "method_not_allowed", "Streams are only read: use GET.")
        domain, _port = split_domain_port(headers.get("host", ""))
        if not (domain and validate_host(domain, settings.ALLOWED_HOSTS)):
            return Refusal(400, "bad_host", "This host name is not one of the portal's (ALLOWED_HOSTS).")
        if self.open >= STREAMS_MAX:
            return Refusal(503, "busy", "Too many pages are live right now. Reload in a minute.")
        return await in_thread(admit, route, match, headers)

    async def _pump(
        self,
        route: Route,
        match: re.Match[str],
        headers: Mapping[str, str],
        asked: Asked,
        receive: Receive,
        send: Send,
    ) -> None:
        """Send what the source yields, a heartbeat where it is silent, and look again who asks; until either side ends."""
        loop = asyncio.get_running_loop()
        gone = loop.create_task(_disconnected(receive))
        following: asyncio.Task[Event | None] | None = None
        check_at = time.monotonic() + RECHECK_S * random.uniform(0.8, 1.0)  # noqa: S311  spreads the checks
        async with aclosing(route.source(asked)) as events:
            try:
                while True:
                    following = following or loop.create_task(_next(events))
                    await asyncio.wait({following, gone}, timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED)
                    if gone.done():
                        return
                    if time.monotonic() >= check_at:
                        verdict = await in_thread(admit, route, match, headers)
                        if isinstance(verdict, Refusal) and verdict is not AWAY:
                            break
                        check_at = time.monotonic() + RECHECK_S
                    if not following.done():
                        await send(_body(b": still here\n\n"))
                        continue
                    event, following = following.result(), None
                    if event is None:
                        break
                    await send(_body(event.encode()))
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            except OSError:
                return  # the client went away while we wrote
            finally:
                await _dropped(gone, following)

    async def _patiently(self, function: Callable[..., T], *args: Any) -> T:
        """As `in_thread`, trying again while the database is away: the stream stays open, and heartbeats go on."""
        while True:
            try:
                return await in_thread(function, *args)
            except (OperationalError, InterfaceError):
                await asyncio.sleep(2)


async def _next(events: AsyncGenerator[Event, None]) -> Event | None:
    return await anext(events, None)


async def _dropped(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel what still waits, and wait until it has let go."""
    waiting = [task for task in tasks if task is not None]
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _body(data: bytes) -> MutableMapping[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": True}


async def _head(send: Send, status: int, media_type: str = "", extra: Mapping[str, str] | None = None) -> None:
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "same-origin",
        "X-Accel-Buffering": "no",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "X-Request-Id": uuid.uuid4().hex[:16],
        **({"Content-Type": media_type} if media_type else {}),
        **({"Strict-Transport-Security": f"max-age={settings.SECURE_HSTS_SECONDS}"} if settings.HTTPS else {}),
        **(extra or {}),
    }
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})


async def _refuse(refusal: Refusal, send: Send) -> None:
    body = json.dumps(problem(refusal.status, refusal.code, refusal.message)).encode()
    extra = {"Content-Length": str(len(body))}
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        extra["WWW-Authenticate"] = 'Bearer realm="slipway"'
    if refusal.status == HTTPStatus.METHOD_NOT_ALLOWED:
        extra["Allow"] = "GET"
    await _head(send, refusal.status, MEDIA_TYPE, extra)
    await send({"type": "http.response.body", "body": body})
