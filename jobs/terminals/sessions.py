"""A session: one program's terminal, what it has shown, who looks on, and which one of them has the keyboard."""

from __future__ import annotations

import logging
import secrets
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import Literal

from jobs.runtimes.base import RuntimeFault, Terminal
from jobs.terminals import wire
from jobs.terminals.scrollback import Scrollback
from jobs.terminals.viewers import Person, Viewer

logger = logging.getLogger(__name__)
VIEWERS_MAX = 32
AGAIN_S = 0.5
LAST_S = 2.0
START_SIZE = (80, 24)
TYPED_MAX = 4 * wire.TYPED_MAX  # held for a program that reads nothing; more than that no browser of ours sends


class Unavailable(Exception):
    """Raised where one can't look on. str = what happened and what to do; `code` as the relay's refusals have it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Session:
    """Threads of its own read the program and type to it, so that no viewer is waited for. All fields under `changed`.

    `again` gives the program's terminal once more when the connection to it ends, None where the program has. `over` is
    called in the reader's thread when there is nothing more to read. `left_s`: how long it is kept with nobody looking
    on, before `left` is called; None keeps it.
    """

    def __init__(
        self,
        terminal: Terminal,
        *,
        name: str,
        kind: Literal["program", "shell"],
        again: Callable[[], Terminal | None] = lambda: None,
        over: Callable[[], None] = lambda: None,
        ask_to_end: Callable[[], None] = lambda: None,
        shown: bytes = b"",
        left_s: float | None = None,
    ) -> None:
        self.name, self.kind = name, kind
        self.changed = threading.Condition()
        self.scrollback = Scrollback()
        self.scrollback.add(shown)
        self.end: bytes | None = None  # the last message, once the program has ended
        self._id = secrets.token_hex(8)
        self._terminal = terminal
        self._again, self._over, self._ask_to_end = again, over, ask_to_end
        self._viewers: list[Viewer] = []
        self._writer: Viewer | None = None
        self._team_types = False
        self._size = START_SIZE
        self._drawn_anew = not shown  # a program that was not followed for a while is made to draw itself once more
        self._typed: deque[tuple[Viewer, bytes]] = deque()
        self._typed_bytes = 0
        self._closed = False
        self._all_read = False
        self._last = b""  # what `end` will be
        self._left_s = left_s
        self._left: threading.Timer | None = None

    def start(self) -> None:
        for act in (self._read, self._write):
            threading.Thread(target=act, name=f"terminal{act.__name__}", daemon=True).start()
        with self.changed:
            self._wait_for_somebody()
        self._resize(*START_SIZE)

    # -- the program --------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        terminal: Terminal | None = self._terminal
        while terminal is not None:
            while data := terminal.read():
                with self.changed:
                    self.scrollback.add(data)
                    self.changed.notify_all()
            terminal.close()
            terminal = self._once_more()
        with self.changed:
            self._all_read = True
            self._end_if_all_read()
        if not self._closed:
            self._over()

    def _once_more(self) -> Terminal | None:
        with self.changed:
            self.changed.wait_for(lambda: self._last or self._closed, AGAIN_S)  # a program that closed it would spin
            over = self._last or self._closed
        terminal = None if over else self._again()
        if terminal is not None:
            with self.changed:
                self._terminal, self._drawn_anew = terminal, False
        return terminal

    def _write(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self._typed or self._closed)
                if self._closed:
                    return
                viewer, data = self._typed[0]
                terminal = self._terminal
            terminal.write(data)  # waits while the program reads nothing
            with self.changed:
                self._typed.popleft()
                self._typed_bytes -= len(data)
                viewer.taken(len(data))
                self.changed.notify_all()

    def finish(self, exit_code: int | None, reason: str) -> None:
        """The program has ended: once all is read that it wrote, those who look on are shown the rest, and told."""
        with self.changed:
            self._last = self._last or wire.message("end", exit_code=exit_code, reason=reason)
            self._end_if_all_read()

    def _end_if_all_read(self) -> None:
        if self._last and self._all_read and self.end is None:
            self.end = self._last
            self._close()

    def let_go(self) -> None:
        """This process leaves, or the attempt is not its own any more: the program goes on, viewers come back elsewhere.

        Where the program has ended, those who look on are given a moment to hear how.
        """
        with self.changed:
            if self._last:
                self.changed.wait_for(lambda: not self._viewers, LAST_S)
            for viewer in tuple(self._viewers):
                viewer.let_go()
            self._close()
        self._terminal.close()

    def _close(self) -> None:
        self._closed = True
        self._somebody_looks()
        self.changed.notify_all()

    # -- who looks on -------------------------------------------------------------------------------------------------

    def enter(self, person: Person, connection: socket.socket) -> None:
        """Raises Unavailable."""
        with self.changed:
            if self._closed and self.end is None:
                raise Unavailable("away", "The worker lets go of this terminal just now. It is back in a moment.")
            before = [one for one in self._viewers if one.person == person]
            if len(self._viewers) - len(before) >= VIEWERS_MAX:
                raise Unavailable("busy", f"{VIEWERS_MAX} people and windows look on already. Close one of them.")
            viewer = Viewer(self, person, connection)
            had_keyboard = self._writer in before
            for one in before:
                self._viewers.remove(one)
                one.let_go(wire.message("replaced"))
            self._viewers.append(viewer)
            if had_keyboard or (self._writer is None and self._may_type(viewer)):
                self._writer = viewer
            self._greet(viewer)
            self._tell_all(but=viewer)
            self._somebody_looks()
        viewer.start()

    def leave(self, viewer: Viewer) -> None:
        with self.changed:
            if viewer not in self._viewers:
                return
            self._viewers.remove(viewer)
            self.changed.notify_all()
            if self._writer is viewer:
                self._writer = next((one for one in self._viewers if one.person.owner), None)
            self._tell_all()
            self._wait_for_somebody()
            size = self._writer.size if self._writer is not None else None
        if size is not None:
            self._resize(*size)

    def _greet(self, viewer: Viewer) -> None:
        opening = self.scrollback.opening()
        columns, rows = self._size
        viewer.position = self.scrollback.start
        viewer.greet(
            opening,
            session=self._id,
            kind=self.kind,
            columns=columns,
            rows=rows,
            replay=self.scrollback.end - self.scrollback.start + len(opening),
            owner=viewer.person.owner,
            **self._state(viewer),
        )

    def _state(self, viewer: Viewer) -> dict[str, object]:
        return {
            "writer": self._writer.person.name if self._writer is not None else None,
            "you_type": self._writer is viewer,
            "may_type": self._may_type(viewer),
            "team_types": self._team_types,
            "viewers": len(self._viewers),
        }

    def _tell_all(self, *, but: Viewer | None = None) -> None:
        for viewer in tuple(self._viewers):
            if viewer is not but:
                viewer.tell("writer", **self._state(viewer))
        self.changed.notify_all()

    def _may_type(self, viewer: Viewer) -> bool:
        return viewer.person.owner or self._team_types

    def _wait_for_somebody(self) -> None:
        if self._left_s is not None and not self._viewers and not self._closed:
            self._left = threading.Timer(self._left_s, self._ask_to_end)
            self._left.daemon = True
            self._left.start()

    def _somebody_looks(self) -> None:
        if self._left is not None:
            self._left.cancel()
            self._left = None

    # -- what viewers do ----------------------------------------------------------------------------------------------

    def type(self, viewer: Viewer, data: bytes) -> None:
        """Keys of whoever has the keyboard; those of others, and what no browser of ours would send, go nowhere."""
        with self.changed:
            if self._writer is None and self._may_type(viewer) and not viewer.gone:
                self._writer = viewer
                self._tell_all()
            if self._writer is not viewer or self._closed:
                viewer.taken(len(data))
                self.changed.notify_all()
                return
            if self._typed_bytes + len(data) > TYPED_MAX:
                raise wire.Malformed("More was typed than may be under way.")
            self._typed.append((viewer, data))
            self._typed_bytes += len(data)
            self.changed.notify_all()

    def resize(self, viewer: Viewer, columns: int, rows: int) -> None:
        """How large the program is shown follows whoever has the keyboard."""
        with self.changed:
            viewer.size = (columns, rows)
            if self._writer is not viewer:
                return
        self._resize(columns, rows)

    def take(self, viewer: Viewer) -> None:
        with self.changed:
            if self._writer is viewer or not self._may_type(viewer) or viewer.gone:
                return
            self._writer = viewer
            self._tell_all()
            size = viewer.size
        if size is not None:
            self._resize(*size)

    def let_team_type(self, viewer: Viewer, types: bool) -> None:
        """The owner's to say; what a teammate has when it is taken back is theirs no more."""
        with self.changed:
            if not viewer.person.owner or self._team_types == types:
                return
            self._team_types = types
            if self._writer is not None and not self._may_type(self._writer):
                self._writer = viewer
            self._tell_all()

    def end_by(self, viewer: Viewer) -> None:
        if viewer.person.owner:
            self._ask_to_end()

    def _resize(self, columns: int, rows: int) -> None:
        with self.changed:
            same, anew = (columns, rows) == self._size, not self._drawn_anew
            self._size, terminal = (columns, rows), self._terminal
            self._drawn_anew = self._drawn_anew or bool(self._viewers)
            if not same:
                for viewer in self._viewers:
                    viewer.tell("size", columns=columns, rows=rows)
                self.changed.notify_all()
        try:
            if anew:
                terminal.resize(columns, rows + 1)  # a size that it has already tells a program nothing
            terminal.resize(columns, rows)
        except RuntimeFault as fault:
            logger.info("%s keeps its size: %s", self.name, fault)
