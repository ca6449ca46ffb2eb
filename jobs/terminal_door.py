"""Terminals in the browser: WebSockets on the portal's own origin, passed on to the worker that keeps the session.

Who may look on is asked when one opens and every 30 s while it is open, as for streams. What is said is in
jobs.terminals.wire; it is passed on as it is, for the session knows what each viewer may do.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.db.models.functions import Now
from django.http import parse_cookie
from django.http.request import split_domain_port, validate_host

from jobs.models import Attempt, Endpoint, Job, Shell
from jobs.proxy.gate import may_connect
from jobs.relay.dial import Stream, dial_attempt
from jobs.relay.handshake import Refused
from jobs.states import AttemptState
from jobs.terminals import wire
from jobs.terminals.programs import has_terminal
from portal.people.models import User
from portal.people.sessions import user_of
from portal.streams import AWAY, STRANGER, UNKNOWN, Application, Receive, Refusal, Scope, Send, refuse
from portal.threads import in_thread

logger = logging.getLogger(__name__)
RECHECK_S = 30.0
OPEN_MAX = 2000
SENT_MAX = 1024 * 1024  # of one message from a browser; ours send far less
SIGNED_OUT, TOO_LARGE, DONE = 4401, 1009, 1000
_NUMBER = "[0-9]{1,18}"
PATHS = (
    re.compile(rf"/jobs/(?P<number>{_NUMBER})/terminal/ws"),
    re.compile(rf"/jobs/(?P<number>{_NUMBER})/shells/(?P<shell>{_NUMBER})/ws"),
)
FOREIGN = Refusal(403, "foreign_origin", "A page of another site asked for this terminal.")
FULL = Refusal(503, "busy", "Too many terminals are open right now. Try again in a minute.")
BAD_HOST = Refusal(400, "bad_host", "This host name is not one of the portal's (ALLOWED_HOSTS).")


@dataclass(frozen=True)
class Admitted:
    """Who looks on at what. `attempt` is None where nothing runs (yet, or any more: `over`)."""

    user: User
    owner: bool
    attempt: int | None
    over: bool


class TerminalDoor:
    """The ASGI application: WebSockets of terminals; `otherwise` (streams and Django) for all that is none."""

    def __init__(self, otherwise: Application) -> None:
        self.otherwise = otherwise
        self.open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self.otherwise(scope, receive, send)
            return
        await receive()  # that it wants to connect
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        match = next((found for path in PATHS if (found := path.fullmatch(scope["path"]))), None)
        verdict = await self._verdict(match, scope, headers)
        if isinstance(verdict, Refusal):
            await _deny(verdict, scope, send)
            return
        assert match is not None  # noqa: S101  without one it was refused
        self.open += 1
        try:
            await send({"type": "websocket.accept"})
            await _Visit(match, headers, scope, receive, send).run(verdict)
        finally:
            self.open -= 1

    async def _verdict(
        self, match: re.Match[str] | None, scope: Scope, headers: Mapping[str, str]
    ) -> Admitted | Refusal:
        domain, _port = split_domain_port(headers.get("host", ""))
        if not (domain and validate_host(domain, settings.ALLOWED_HOSTS)):
            return BAD_HOST
        if match is None:
            return UNKNOWN
        if not own_origin(headers):
            return FOREIGN
        return FULL if self.open >= OPEN_MAX else await in_thread(admit, match, headers)


def own_origin(headers: Mapping[str, str]) -> bool:
    """Whether a page of the portal asks: a browser sends the cookie along for any page, and says whose it is."""
    said = headers.get("origin", "")
    if said in settings.CSRF_TRUSTED_ORIGINS:
        return True
    try:
        parts = urlsplit(said)
    except ValueError:
        return False
    schemes = ("https",) if settings.HTTPS else ("http", "https")
    return parts.scheme in schemes and parts.netloc == headers.get("host", "") != ""


def admit(match: re.Match[str], headers: Mapping[str, str]) -> Admitted | Refusal:
    """Whether this person may look on now. Runs in a thread."""
    try:
        key = parse_cookie(headers.get("cookie", "")).get(settings.SESSION_COOKIE_NAME)
        user = user_of(key) if key else None
        return STRANGER if user is None else _admit(match, user)
    except (OperationalError, InterfaceError):
        return AWAY


def _admit(match: re.Match[str], user: User) -> Admitted | Refusal:
    job = Job.objects.select_related("version__app").filter(number=int(match["number"])).first()
    if job is None or not may_connect(user, job):
        return UNKNOWN
    if number := match.groupdict().get("shell"):
        shell = Shell.objects.filter(pk=int(number), job=job, opened_by=user).first()
        if shell is None or job.owner_id != user.pk:
            return UNKNOWN
        return Admitted(user, True, None if shell.ended_at else shell.attempt_id, shell.ended_at is not None)
    if not has_terminal(job):
        return UNKNOWN
    running = Attempt.objects.filter(task__job=job, state=AttemptState.RUNNING).order_by("-number")
    return Admitted(user, job.owner_id == user.pk, running.values_list("pk", flat=True).first(), job.terminal)


class _Visit:
    """One WebSocket that was let in."""

    def __init__(
        self, match: re.Match[str], headers: Mapping[str, str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        self.match, self.headers = match, headers
        self.tab = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("tab", [""])[0][:64]
        self.receive, self.send = receive, send
        self.attempt: int | None = None
        self.traffic = False

    async def run(self, admitted: Admitted) -> None:
        try:
            stream = await self._reach(admitted)
        except Refused as refusal:
            await self._say(wire.message("refused", code=refusal.code, message=str(refusal)))
            await self._close(DONE)
            return
        tasks = [asyncio.create_task(act(stream)) for act in (self._up, self._down)]
        tasks.append(asyncio.create_task(self._recheck()))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            stream.abort()
        for task in done:
            if (error := task.exception()) is not None and not isinstance(error, OSError):
                logger.error("A terminal was let go of, for the portal failed.", exc_info=error)
        await self._close(next((task.result() for task in done if task.exception() is None), DONE))

    async def _reach(self, admitted: Admitted) -> Stream:
        """Raises Refused."""
        self.attempt = admitted.attempt
        if admitted.attempt is None:
            if admitted.over:
                raise Refused("gone", "It has ended.")
            raise Refused("starting", "The job does not run yet.")
        arguments = {
            "name": admitted.user.display_name[:100],
            "owner": "yes" if admitted.owner else "",
            "tab": f"{admitted.user.pk} {self.tab}",
        }
        if number := self.match.groupdict().get("shell"):
            arguments["shell"] = str(int(number))
        return await dial_attempt(admitted.attempt, "terminal", arguments)

    async def _up(self, stream: Stream) -> int:
        """From the browser to the session, until the browser goes."""
        while True:
            got = await self.receive()
            if got["type"] == "websocket.disconnect":
                return DONE
            typed: bytes = got.get("bytes") or b""
            said: str = got.get("text") or ""
            if max(len(typed), len(said)) > SENT_MAX:
                return TOO_LARGE
            self.traffic = True
            for start in range(0, len(typed), wire.FRAME_MAX):
                await stream.write(wire.framed(wire.BYTES, typed[start : start + wire.FRAME_MAX]))
            if said:
                body = said.encode("utf-8", "replace")
                if len(body) > wire.FRAME_MAX:
                    return TOO_LARGE
                await stream.write(wire.framed(wire.MESSAGE, body))

    async def _down(self, stream: Stream) -> int:
        """From the session to the browser, until the session's end or the worker's."""
        frames = wire.Frames()
        while data := await stream.read():
            for kind, body in frames.feed(data):
                await self._pass_on(kind, body)
        return DONE

    async def _recheck(self) -> int:
        wait_s = RECHECK_S * random.uniform(0.8, 1.0)  # noqa: S311  spreads the checks
        while True:
            await asyncio.sleep(wait_s)
            verdict = await in_thread(self._still)
            if isinstance(verdict, Refusal) and verdict is not AWAY:
                return SIGNED_OUT
            wait_s = RECHECK_S

    def _still(self) -> Admitted | Refusal:
        if self.traffic and self.attempt is not None:
            self.traffic = False
            rows = Endpoint.objects.live().filter(attempt_id=self.attempt, kind=Endpoint.Kind.TERMINAL)
            try:
                rows.update(last_traffic_at=Now())
            except (OperationalError, InterfaceError):
                return AWAY
        return admit(self.match, self.headers)

    async def _pass_on(self, kind: int, body: bytes) -> None:
        if kind == wire.BYTES:
            await self.send({"type": "websocket.send", "bytes": body})
        else:
            await self.send({"type": "websocket.send", "text": body.decode("utf-8", "replace")})

    async def _say(self, message: bytes) -> None:
        for kind, body in wire.Frames().feed(message):
            await self._pass_on(kind, body)

    async def _close(self, code: int) -> None:
        try:
            await self.send({"type": "websocket.close", "code": code})
        except (OSError, RuntimeError):  # it has gone already
            logger.debug("A terminal's page went before it was told.")


async def _deny(refusal: Refusal, scope: Scope, send: Send) -> None:
    """As an answer with a status, where the server can; else as a connection that does not come to be."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return

    async def as_answer(said: Any) -> None:
        await send({**said, "type": f"websocket.{said['type']}"})

    await refuse(refusal, as_answer)
