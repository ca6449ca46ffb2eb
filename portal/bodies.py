"""How much a request may send, counted as it arrives: Django takes a body of any length to disk before a view is asked."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.template import loader

from portal.api.problems import refusal
from portal.errors import PortalError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# Where files arrive. Elsewhere a form or a definition is enough; room is left for a view to refuse in its own words.
FILES = re.compile(
    r"/(files/[^/]+/upload/|uploads/|uploads/to/[^/]+|apps/[^/]+/launch/|api/v1/uploads|api/v1/vaults/[^/]+/files/.+)"
)
BUNDLES = re.compile(r"/(curate/import/bundle/(check/)?|api/v1/bundles)")
TIMES_THE_BODY_LIMIT = 16
PIECE_BYTES = 2**20
FORM_AROUND_FILES = 2**20


def limit_of(path: str) -> int:
    """Bytes that a request to this address may send."""
    if FILES.fullmatch(path):
        return settings.UPLOAD_LIMIT_MIB * 2**20 + FORM_AROUND_FILES
    if BUNDLES.fullmatch(path):  # packed it is smaller, and each file of a folder has a frame around it
        return 2 * settings.BUNDLE_LIMIT_MIB * 2**20 + FORM_AROUND_FILES
    return TIMES_THE_BODY_LIMIT * settings.DATA_UPLOAD_MAX_MEMORY_SIZE


def body_pieces(request: HttpRequest) -> Iterator[bytes]:
    """The request's body in pieces. Raises PortalError where it is shorter than was said: the connection broke off."""
    announced = request.META.get("CONTENT_LENGTH") or ""
    received = 0
    while piece := request.read(PIECE_BYTES):
        received += len(piece)
        yield piece
    if announced.isdecimal() and received != int(announced):
        raise PortalError("The connection broke off before the whole file was here. Send it again.", code="broken_off")


class BodyLimit:
    """Answers 413 for an application as soon as a body is announced, or turns out, to be longer than its address takes."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.application(scope, receive, send)
        headers = {name.lower(): value for name, value in scope["headers"]}
        limit = limit_of(scope["path"])
        announced = headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced[:20]) > limit:
            return await _refuse(scope["path"], headers, limit, send)
        received, refused = 0, False

        async def counted() -> Message:
            nonlocal received, refused
            message = await receive()
            received += len(message.get("body", b""))
            if received <= limit:
                return message
            if not refused:
                refused = True
                await _refuse(scope["path"], headers, limit, send)
            return {"type": "http.disconnect"}

        async def unless_refused(message: Message) -> None:
            if not refused:
                await send(message)

        return await self.application(scope, counted, unless_refused)


async def _refuse(path: str, headers: dict[bytes, bytes], limit: int, send: Send) -> None:
    words = f"The request is longer than {limit // 2**20} MiB, which is the most taken here. Send less at once."
    if path.startswith("/api/"):
        kind, body = refusal(path, 413, "too_large", words)
    elif b"text/html" in headers.get(b"accept", b""):
        kind, body = "text/html; charset=utf-8", loader.get_template("413.html").render()
    else:
        kind, body = "application/json", json.dumps({"message": words, "code": "too_large"})
    head = [(b"content-type", kind.encode()), (b"connection", b"close"), (b"x-content-type-options", b"nosniff")]
    await send({"type": "http.response.start", "status": 413, "headers": head})
    await send({"type": "http.response.body", "body": body.encode()})
