"""A worker and a portal in this process, for terminals: slots with a relay, and uvicorn with the door in front."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.db import connections
from django.test import Client
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from apps_catalog.models import Version
from jobs import hosts
from jobs.events import CHANNEL
from jobs.slots import Slots
from jobs.streams import ROUTES
from jobs.terminal_door import TerminalDoor
from portal.people.models import User
from portal.streams import Streams
from portal.web import OPTIONS
from tests.factories import make_version

COMMAND = {
    "path": "/bin/sh",
    "name": "Shell",
    "description": "A shell.",
    "interactive": True,
    "webshell": True,
    "parameters": {},
}
WITHIN_S = 20.0


def shell_app(path: str = "/bin/sh", **over: Any) -> Version:
    """An app whose one command, `shell`, is a program in a terminal."""
    definition = {
        "appdefversion": 2,
        "name": "Shell",
        "description": "A shell.",
        "author": "Slipway",
        "licensed": True,
        "classifications": ["Tools"],
        "machines": ["*"],
        "vault-types": ["FILE", "NONE"],
        "commands": {"shell": {**COMMAND, "path": path}},
    }
    return make_version(definition=definition, **over)


def with_relay(slots: Slots) -> Slots:
    port = slots.relay.start("127.0.0.1", 0)
    hosts.listens(slots.host, relay=f"127.0.0.1:{port}", certificate="", fault="")
    return slots


@contextmanager
def portal(port: int) -> Iterator[str]:
    """The portal as it is served, but for apps' origins; its address."""
    app = TerminalDoor(Streams(ROUTES, get_asgi_application(), channel=CHANNEL))  # type: ignore[arg-type]
    options: dict[str, Any] = {"port": port, "log_level": "error", "lifespan": "off", "timeout_graceful_shutdown": 1}
    server = uvicorn.Server(uvicorn.Config(app, **{**OPTIONS, **options}))
    thread = threading.Thread(target=server.run, name="uvicorn")
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        connections["default"].close_pool()  # type: ignore[attr-defined]  # of the server's threads, which are gone


def opened(url: str, path: str, person: User | None, **over: Any) -> ClientConnection:
    """A WebSocket as the person's browser opens it. Raises InvalidStatus where it is refused."""
    headers = {"Cookie": ""}
    if person is not None:
        client = Client()
        client.force_login(person)
        name = settings.SESSION_COOKIE_NAME
        headers["Cookie"] = f"{name}={client.cookies[name].value}"
    address = url.replace("http://", "ws://") + path
    return connect(address, origin=over.pop("origin", url), additional_headers=headers, legacy=True, **over)


class Page:
    """What a browser would have of a terminal: all that is read until something is there."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.shown = b""
        self.said: list[dict[str, Any]] = []
        self.over = False

    def type(self, text: bytes) -> None:
        self.socket.send(text)

    def say(self, type_: str, **fields: Any) -> None:
        with suppress(ConnectionClosed):  # what is said to it has not been read yet
            self.socket.send(json.dumps({"type": type_, **fields}))

    def sees(self, text: bytes) -> None:
        self._read(lambda: text in self.shown)

    def hears(self, type_: str) -> dict[str, Any]:
        self._read(lambda: any(one["type"] == type_ for one in self.said))
        return next(one for one in self.said if one["type"] == type_)

    def ends(self) -> int | None:
        """Read to the end: the code of the close."""
        self._read(lambda: self.over)
        return self.socket.close_code

    def _read(self, there: Any) -> None:
        until = time.monotonic() + WITHIN_S
        while not there():
            assert time.monotonic() < until, "it took too long"
            assert not self.over, (self.shown[-500:], self.said[-5:], self.over)
            try:
                got = self.socket.recv(timeout=WITHIN_S)
            except ConnectionClosed:
                self.over = True
                continue
            if isinstance(got, bytes):
                self.shown += got
                self.say("seen", bytes=len(got))
            else:
                self.said.append(json.loads(got))
