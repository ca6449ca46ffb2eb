"""One who looks on at a session: what is shown goes to the socket as fast as it is drawn there, what is typed comes back."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from jobs.terminals import wire
from jobs.terminals.scrollback import Scrollback

logger = logging.getLogger(__name__)
PIECE_BYTES = 32 * 1024
LAST_S = 10.0


@dataclass(frozen=True)
class Person:
    """Who looks on. `tab` is one place of theirs: when it comes again, it is instead of the last time."""

    name: str
    owner: bool
    tab: str


class Session(Protocol):
    """What a viewer looks on at: jobs.terminals.sessions has it."""

    name: str
    changed: threading.Condition
    scrollback: Scrollback
    end: bytes | None

    def type(self, viewer: Viewer, data: bytes) -> None: ...
    def resize(self, viewer: Viewer, columns: int, rows: int) -> None: ...
    def take(self, viewer: Viewer) -> None: ...
    def let_team_type(self, viewer: Viewer, types: bool) -> None: ...
    def end_by(self, viewer: Viewer) -> None: ...
    def leave(self, viewer: Viewer) -> None: ...


class Viewer:
    """Two threads over a blocking socket. All fields are guarded by the session's condition."""

    def __init__(self, session: Session, person: Person, connection: socket.socket) -> None:
        self.session, self.person = session, person
        self.size: tuple[int, int] | None = None
        self.position = 0
        self.under_way = 0  # bytes sent and not yet drawn
        self.gone = False
        self.last = b""  # what is said before it is over
        self._connection = connection
        self._threads = 2
        self._news: dict[str, bytes] = {}
        self._taken = 0

    def start(self) -> None:
        for act in (self._show, self._hear):
            threading.Thread(target=self._run, args=(act,), name=f"terminal{act.__name__}", daemon=True).start()

    def _run(self, act: Callable[[], None]) -> None:
        try:
            act()
        finally:
            with self.session.changed:
                self._threads -= 1
                if not self._threads:  # the other may still be about to use it
                    self._connection.close()

    def tell(self, type_: str, /, **fields: Any) -> None:
        """With the condition held. What was not sent yet of the same type is out of date: only the newest is said."""
        self._news[type_] = wire.message(type_, **fields)

    def greet(self, opening: bytes, **fields: Any) -> None:
        """With the condition held, once: `hello`, and what sets the terminal as it was where the scroll-back begins."""
        self.tell("hello", **fields)
        if opening:
            self._news["opening"] = wire.framed(wire.BYTES, opening)
            self.under_way += len(opening)

    def taken(self, count: int) -> None:
        """With the condition held: so many more bytes of what was typed here are done with."""
        self._taken += count

    def let_go(self, last: bytes = b"") -> None:
        """With the condition held: nothing more for this one than what is last."""
        if not self.gone:
            self.gone, self.last = True, last
            self.session.changed.notify_all()
            if not last:
                self._cut()

    # -- to the viewer ------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        over = False
        try:
            while not over:
                frames, over = self._next()
                self._connection.sendall(frames)
        except OSError:
            pass  # it went away
        finally:
            self._cut()
            self.session.leave(self)

    def _next(self) -> tuple[bytes, bool]:
        """Frames to send, and whether they are the last; waits for them. Who draws nothing is not waited for at the end."""
        session = self.session
        with session.changed:
            while not (self.gone or self._news or self._taken or self._may_show()):
                if session.end is not None and self.position >= session.scrollback.end:
                    return session.end, True
                if not session.changed.wait(LAST_S if session.end is not None else None):
                    return session.end or b"", True
            if self.gone:
                return self.last, True
            if self._taken:
                self.tell("taken", bytes=self._taken)
                self._taken = 0
            out = bytearray().join(self._news.values())
            self._news.clear()
            if self._may_show():
                skipped, data = session.scrollback.read(self.position, PIECE_BYTES)
                if skipped:
                    out += wire.message("skipped", bytes=skipped)
                out += wire.framed(wire.BYTES, data)
                self.position += skipped + len(data)
                self.under_way += len(data)
            return bytes(out), False

    def _may_show(self) -> bool:
        return self.position < self.session.scrollback.end and self.under_way < wire.WINDOW_BYTES

    # -- from the viewer ----------------------------------------------------------------------------------------------

    def _hear(self) -> None:
        frames = wire.Frames()
        try:
            while data := self._connection.recv(wire.FRAME_MAX):
                for kind, body in frames.feed(data):
                    if kind == wire.BYTES:
                        self.session.type(self, body)
                    else:
                        self._heed(wire.read_message(body))
        except wire.Malformed as refused:
            logger.info("A viewer of %s is not listened to any more: %s", self.session.name, refused)
        except OSError:
            pass
        with self.session.changed:
            self.let_go()

    def _heed(self, said: dict[str, Any]) -> None:
        match said["type"]:
            case "seen":
                with self.session.changed:
                    self.under_way = max(0, self.under_way - wire.whole(said, "bytes", 2**40))
                    self.session.changed.notify_all()
            case "size":
                columns = wire.whole(said, "columns", wire.COLUMNS_MAX)
                self.session.resize(self, columns, wire.whole(said, "rows", wire.ROWS_MAX))
            case "take":
                self.session.take(self)
            case "team":
                self.session.let_team_type(self, said.get("types") is True)
            case "end":
                self.session.end_by(self)
            case _:
                raise wire.Malformed("It says what nobody knows.")

    def _cut(self) -> None:
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
