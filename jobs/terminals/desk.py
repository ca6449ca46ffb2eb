"""All terminals of a worker process: of the programs that have one, and of the shells that people opened."""

from __future__ import annotations

import logging
import socket
import threading
from collections import deque
from collections.abc import Mapping

from django.db import Error, connection
from tenacity import RetryCallState, Retrying, retry_if_exception, sleep_using_event, stop_when_event_set, wait_fixed

from jobs import endpoints
from jobs.models import Attempt, Endpoint, Shell
from jobs.nodes import Nodes
from jobs.runtimes.base import Handle, Runtime, RuntimeFault, Terminal
from jobs.terminals import shells
from jobs.terminals.scrollback import KEPT_BYTES
from jobs.terminals.sessions import Session, Unavailable
from jobs.terminals.viewers import Person

logger = logging.getLogger(__name__)
SHELL_LEFT_S = 900.0
AGAIN_S = 0.5
TAIL_LINES = 2000
PROGRAM = ""  # the number of the program's own terminal, beside those of shells
Key = tuple[str, str]


class Desk:
    """Thread-safe. `leave` lets go of all: the next process follows the same programs, and ends the shells."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._sessions: dict[Key, Session] = {}
        self._tended: set[str] = set()  # names of attempts
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        self._leaving = threading.Event()

    # -- for the story of an attempt ----------------------------------------------------------------------------------

    def serve(self, attempt: Attempt, handle: Handle, *, program: bool) -> None:
        """Begin: the attempt's container has started. With `program` it has a terminal, and is followed from now on.

        Waits while the engine is away, or the job stands still. What an adopted program showed before is taken from its
        log, which holds whole lines. Shells that a process before this one had begun are ended: nobody can look at them
        any more.
        """
        with self._lock:
            self._tended.add(attempt.name)
        if handle.adopted:
            self._end_orphans(attempt, handle)
        if program:
            self._follow(attempt, handle)

    def _follow(self, attempt: Attempt, handle: Handle) -> None:
        terminal = self._attach(handle)
        if terminal is None:
            return
        shown = self._shown_before(handle) if handle.adopted else b""
        session = Session(
            terminal,
            name=attempt.name,
            kind="program",
            again=lambda: self._attach(handle),
            shown=shown,
        )
        self._keep((attempt.name, PROGRAM), session)
        endpoints.opened(endpoints.declare(attempt, kind=Endpoint.Kind.TERMINAL))

    def _end_orphans(self, attempt: Attempt, handle: Handle) -> None:
        for shell in shells.open_ones(attempt):
            if shell.mark:
                self._hang_up(_node(attempt, handle, shell.node), shell.mark)
                shells.ended(shell, None, shells.RESTARTED)

    def finish(self, attempt: Attempt, exit_code: int | None, reason: str) -> None:
        """The program has ended: those who look on hear how."""
        if (session := self._sessions.get((attempt.name, PROGRAM))) is not None:
            session.finish(exit_code, reason)

    def close(self, attempt: Attempt, *, over: bool) -> None:
        """Let go of an attempt's terminals; where it is over, its shells are too."""
        with self._lock:
            self._tended.discard(attempt.name)
            mine = [self._sessions.pop(key) for key in tuple(self._sessions) if key[0] == attempt.name]
        for session in mine:
            session.let_go()
        if over:
            for shell in shells.open_ones(attempt):
                shells.ended(shell, None, shells.JOB_ENDED)

    def leave(self) -> None:
        self._leaving.set()
        with self._lock:
            self._tended.clear()
            mine, self._sessions = list(self._sessions.values()), {}
        for session in mine:
            session.let_go()

    # -- for the relay ------------------------------------------------------------------------------------------------

    def enter(self, attempt: Attempt, handle: Handle, arguments: Mapping[str, str], connected: socket.socket) -> None:
        """Have one more look on, over a blocking socket. `arguments`: shell (its number, or none), name, owner, tab.

        Raises Unavailable. Blocks on the engine and the database.
        """
        person = Person(arguments.get("name", ""), arguments.get("owner") == "yes", arguments.get("tab", ""))
        number = arguments.get("shell", PROGRAM)
        try:
            session = self._sessions.get((attempt.name, number))
            if session is None:
                session = self._begin_shell(attempt, handle, number)
            session.enter(person, connected)
        except BaseException:
            connected.close()
            raise
        finally:
            connection.close()

    def _begin_shell(self, attempt: Attempt, handle: Handle, number: str) -> Session:
        if number == PROGRAM:
            raise Unavailable("starting", "The terminal of this job is not there yet.")
        with self._opening:  # two looks at once begin one shell
            if (found := self._sessions.get((attempt.name, number))) is not None:
                return found
            shell = shells.open_one(attempt, number)
            if shell is None or shell.mark:
                raise Unavailable("gone", "This shell has ended.")
            node = _node(attempt, handle, shell.node)
            try:
                terminal = self._runtime.open_shell(node)
            except RuntimeFault as fault:
                if not fault.retry:
                    shells.ended(shell, None, str(fault))
                raise Unavailable("away" if fault.retry else "gone", str(fault)) from fault
            shells.begun(shell, terminal.mark)
            session = self._shell_session(shell, f"{attempt.name} shell {number}", node, terminal)
            self._keep((attempt.name, number), session)
            return session

    def _shell_session(self, shell: Shell, name: str, node: Handle, terminal: Terminal) -> Session:
        said = "It has ended."

        def over() -> None:
            try:
                code = terminal.exit_code()
                if code is None:  # the connection to it broke: nobody could type to it any more
                    self._hang_up(node, terminal.mark)
                session.finish(code, said)
                shells.ended(shell, code, said)
            except (RuntimeFault, Error) as fault:
                session.finish(None, said)
                logger.warning("How %s ended is not known: %s", name, fault)
            finally:
                connection.close()
            with self._lock:
                self._sessions.pop((shell.attempt.name, str(shell.pk)), None)

        def ask_to_end() -> None:
            threading.Thread(target=self._hang_up, args=(node, terminal.mark), daemon=True).start()

        session = Session(terminal, name=name, kind="shell", over=over, ask_to_end=ask_to_end, left_s=SHELL_LEFT_S)
        return session

    # -- the engine ---------------------------------------------------------------------------------------------------

    def _keep(self, key: Key, session: Session) -> None:
        with self._lock:
            is_ours = key[0] in self._tended
            if is_ours:
                self._sessions[key] = session
        if is_ours:
            session.start()
        else:
            session.let_go()

    def _attach(self, handle: Handle) -> Terminal | None:
        """The program's terminal, waiting while the engine is away or the job stands still; None where it has ended."""

        def may_come(error: BaseException) -> bool:
            return isinstance(error, RuntimeFault) and error.retry

        def note(state: RetryCallState) -> None:
            logger.info("The terminal of %s is tried once more: %s", handle.name, state.outcome)

        try:
            return Retrying(
                retry=retry_if_exception(may_come),
                wait=wait_fixed(AGAIN_S),
                sleep=sleep_using_event(self._leaving),
                stop=stop_when_event_set(self._leaving),
                before_sleep=note,
                reraise=True,
            )(self._runtime.attach, handle)
        except RuntimeFault:
            return None

    def _shown_before(self, handle: Handle) -> bytes:
        pieces: deque[bytes] = deque()
        size = 0
        try:
            for line in self._runtime.tail(handle, TAIL_LINES):
                pieces.append(line.data)
                size += len(line.data)
                while size - len(pieces[0]) > KEPT_BYTES:
                    size -= len(pieces.popleft())
        except RuntimeFault as fault:
            logger.warning("What %s showed before is not to be had: %s", handle.name, fault)
        return b"".join(pieces)

    def _hang_up(self, node: Handle, mark: str) -> None:
        try:
            self._runtime.hang_up(node, mark)
        except RuntimeFault as fault:
            logger.warning("A shell in %s could not be ended; it ends with the job: %s", node.name, fault)


def _node(attempt: Attempt, handle: Handle, number: int) -> Handle:
    """The container of a node; the first is the master's."""
    if number == 1:
        return handle
    return Nodes(attempt.name, number).slaves[number - 2]
