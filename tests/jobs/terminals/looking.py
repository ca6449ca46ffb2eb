"""One who looks on at a session in a test: what came, and what was said, over one end of a socket."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from jobs.terminals import wire
from jobs.terminals.sessions import Session, Unavailable
from jobs.terminals.viewers import Person

WITHIN_S = 15.0


class Looker:
    """`draws`: it says what it has drawn, as a browser does. A slow one only reads when it is told to."""

    def __init__(self, connection: socket.socket, *, draws: bool = True, reads: bool = True) -> None:
        self.connection = connection
        self.shown = bytearray()
        self.said: list[dict[str, Any]] = []
        self.over = False
        self._draws, self._reads = draws, reads
        self._changed = threading.Condition()
        if reads:
            self.read()

    @classmethod
    def at(cls, session: Session, name: str = "owner", *, owner: bool = True, tab: str = "1", **more: bool) -> Looker:
        here, there = socket.socketpair()
        try:
            session.enter(Person(name, owner, f"{name} {tab}"), there)
        except Unavailable:
            here.close()
            there.close()
            raise
        return cls(here, **more)

    def read(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        frames = wire.Frames()
        while data := self._received():
            for kind, body in frames.feed(data):
                with self._changed:
                    if kind == wire.BYTES:
                        self.shown += body
                    else:
                        self.said.append(json.loads(body))
                    self._changed.notify_all()
                if kind == wire.BYTES and self._draws:
                    self.say("seen", bytes=len(body))
        with self._changed:
            self.over = True
            self.connection.close()
            self._changed.notify_all()

    def _received(self) -> bytes:
        try:
            return self.connection.recv(65536)
        except OSError:
            return b""

    def say(self, type_: str, **fields: Any) -> None:
        self._send(wire.message(type_, **fields))

    def type(self, text: bytes) -> None:
        self._send(wire.framed(wire.BYTES, text))

    def _send(self, frame: bytes) -> None:
        try:
            self.connection.sendall(frame)
        except OSError:
            self.over = True

    def go(self) -> None:
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        if not self._reads:
            self.connection.close()

    def until(self, there: Callable[[], Any]) -> Any:
        """What it gives once it gives something."""
        with self._changed:
            assert self._changed.wait_for(there, WITHIN_S), (bytes(self.shown[-500:]), self.said[-5:], self.over)
            return there()

    def sees(self, text: bytes) -> None:
        self.until(lambda: text in self.shown)

    def hears(self, type_: str, **fields: Any) -> dict[str, Any]:
        def found() -> dict[str, Any] | None:
            return next((m for m in self.said if m["type"] == type_ and fields.items() <= m.items()), None)

        heard: dict[str, Any] = self.until(found)
        return heard

    @property
    def last(self) -> dict[str, Any]:
        """What it was told last about who has the keyboard."""
        return [m for m in self.said if m["type"] in ("hello", "writer")][-1]
