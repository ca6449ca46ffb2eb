"""Terminals of containers: the program's own, and shells beside it, over connections that Docker Engine hands over."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, NoReturn

import requests
from docker.errors import APIError, NotFound

from jobs.runtimes.base import Handle, RuntimeFault, Terminal
from jobs.runtimes.docker_engine import Engine, words_of

_BLOCK_BYTES = 65_536
_SHELLS = ("/bin/sh", "/bin/bash", "/usr/bin/sh", "/usr/bin/bash", "/bin/ash", "/busybox/sh")
# Its first line is its process id, by which it can be ended: an engine ends no shell whose client has gone.
_OPEN = """echo "$$"; for shell in /bin/bash /usr/bin/bash; do [ -x "$shell" ] && exec "$shell"; done; exec "$0" -i"""
_SHELL_TERM = {"TERM": "xterm-256color"}
_FIRST_LINE_S = 30.0
_FIRST_LINE_BYTES = 4096
_HANG_UP_S = 2.0
_LOOK_AGAIN_S = 0.05
# The keys that make an engine let go of a client, which can't be switched off. Bytes that are in no text for what a
# container runs; of a shell an engine takes only real keys.
_NEVER_TYPED = b",".join([b"\xff", b"\xfe"] * 4)
_HARDLY_TYPED = ",".join(["ctrl-]", "ctrl-^"] * 4)
_SIZES = range(1, 1001)


class Terminals(Engine):
    """The part of a DockerRuntime that types and reads."""

    def __init__(self, base_url: str | None) -> None:
        super().__init__(base_url)
        self._attached: dict[str, _DockerTerminal] = {}  # of containers started here, until somebody asks for it
        self._attaching = threading.Lock()

    def attach(self, handle: Handle) -> Terminal:
        with self._attaching:
            early = self._attached.pop(handle.name, None)
        if early is not None:
            return early
        with self._engine():
            try:
                found = self._call.inspect_container(handle.id or handle.name)
                if not found["Config"]["Tty"]:
                    raise RuntimeFault(f"{handle.name!r} has no terminal.", code="no_terminal", retry=False)
                if not found["State"]["Running"]:
                    raise _not_running(handle)
                return self._attach(found["Id"])
            except (APIError, NotFound) as error:
                _refuse(handle, error)

    def open_shell(self, handle: Handle) -> Terminal:
        for shell in _SHELLS:
            opened = self._try_shell(handle, shell)
            if opened is not None:
                return opened
        said = "The image of this job has no shell: neither sh nor bash was found in it. There is nothing to open."
        raise RuntimeFault(said, code="no_shell", retry=False)

    def hang_up(self, handle: Handle, mark: str) -> None:
        made, pid, shell = mark.split(" ")
        for signal in ("HUP", "KILL"):
            with self._engine():
                try:
                    if not self._runs(made):
                        return
                    ending = self._call.exec_create(
                        handle.id or handle.name, [shell, "-c", f"kill -{signal} {int(pid)}"]
                    )
                    self._call.exec_start(ending["Id"], detach=True)
                    until = time.monotonic() + _HANG_UP_S
                    while self._runs(made) and time.monotonic() < until:
                        time.sleep(_LOOK_AGAIN_S)
                except NotFound:
                    return
                except APIError as error:
                    if "is not running" in words_of(error):
                        return
                    raise

    def close(self) -> None:
        with self._attaching:
            early, self._attached = self._attached, {}
        for terminal in early.values():
            terminal.close()
        super().close()

    # -- within -------------------------------------------------------------------------------------------------------

    def _attach_early(self, name: str, container: str) -> None:
        """Before it starts, so that nothing it writes is missed."""
        terminal = self._attach(container)
        with self._attaching:
            before, self._attached[name] = self._attached.get(name), terminal
        if before is not None:
            before.close()

    def _let_go(self, name: str) -> None:
        with self._attaching:
            early = self._attached.pop(name, None)
        if early is not None:
            early.close()

    def _attach(self, container: str) -> _DockerTerminal:
        params = {"stream": 1, "stdin": 1, "stdout": 1, "stderr": 1, "detachKeys": _NEVER_TYPED}
        wire = self._take_over(f"/containers/{container}/attach", params=params)
        return _DockerTerminal(wire, lambda columns, rows: self._resize("containers", container, columns, rows))

    def _try_shell(self, handle: Handle, shell: str) -> _DockerTerminal | None:
        """None where the image has no such program."""
        with self._engine():
            try:
                made = self._call.exec_create(
                    handle.id or handle.name,
                    [shell, "-c", _OPEN, shell],
                    stdin=True,
                    tty=True,
                    environment=_SHELL_TERM,
                    detach_keys=_HARDLY_TYPED,
                )["Id"]
                wire = self._take_over(f"/exec/{made}/start", json={"Detach": False, "Tty": True})
            except (APIError, NotFound) as error:
                if "no such file or directory" in words_of(error) or "executable file not found" in words_of(error):
                    return None
                _refuse(handle, error)
        said = wire.line(_FIRST_LINE_S)
        if said.strip().isdigit():
            return _DockerTerminal(
                wire,
                lambda columns, rows: self._resize("exec", made, columns, rows),
                lambda: self._exit_code_of(made),
                mark=f"{made} {int(said)} {shell}",
            )
        wire.close()
        if b"no such file or directory" in said or b"executable file not found" in said:
            return None
        words = said.decode("utf-8", "replace").strip() or "the engine said nothing"
        raise RuntimeFault(f"The shell could not be opened: {words}.", code="no_shell", retry=True)

    def _resize(self, what: Literal["containers", "exec"], made: str, columns: int, rows: int) -> None:
        if columns not in _SIZES or rows not in _SIZES:
            raise ValueError(f"A terminal of {columns} x {rows} is not to be had: 1 to {_SIZES[-1]} each.")
        with self._engine():
            try:
                (self._call.resize if what == "containers" else self._call.exec_resize)(made, rows, columns)
            except APIError:
                return  # it has ended, or has not quite begun

    def _runs(self, made: str) -> bool:
        return bool(self._call.exec_inspect(made)["Running"])

    def _exit_code_of(self, made: str) -> int | None:
        with self._engine():
            try:
                code = self._call.exec_inspect(made)["ExitCode"]
            except NotFound:
                return None
        return None if code is None else int(code)

    def _take_over(self, path: str, **asked: Any) -> _Wire:
        """A request after which the connection is the program's, not the engine's. Raises APIError."""
        client = self._stream
        headers = {"Connection": "Upgrade", "Upgrade": "tcp"}
        url = f"{client.base_url}/v{client.api_version}{path}"
        answer = client.post(url, headers=headers, stream=True, timeout=None, **asked)
        client._raise_for_status(answer)
        return _Wire(answer)


class _Wire:
    """Bytes both ways. What came with the answer's head is in its buffer, so that is where to read."""

    def __init__(self, answer: requests.Response) -> None:
        self._answer = answer
        raw: Any = answer.raw
        self._in = raw._fp.fp
        self._socket: socket.socket = self._in.raw._sock

    def read(self, limit: int = _BLOCK_BYTES) -> bytes:
        try:
            return bytes(self._in.read1(limit))
        except (OSError, ValueError):  # cut, or closed meanwhile
            return b""

    def line(self, within_s: float) -> bytes:
        """The first line, or as much as came."""
        said = bytearray()
        self._socket.settimeout(within_s)
        while not said.endswith(b"\n") and len(said) < _FIRST_LINE_BYTES and (byte := self.read(1)):
            said += byte
        self._socket.settimeout(None)
        return bytes(said)

    def write(self, data: bytes) -> None:
        with suppress(OSError):
            self._socket.sendall(data)

    def close(self) -> None:
        """From any thread: who reads hears the end first, and only then is the buffer theirs to close."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._answer.close()


class _DockerTerminal:
    def __init__(
        self,
        wire: _Wire,
        resize: Callable[[int, int], None],
        exit_code: Callable[[], int | None] = lambda: None,
        *,
        mark: str = "",
    ) -> None:
        self.mark = mark
        self._wire, self._resize, self._exit_code = wire, resize, exit_code

    def read(self) -> bytes:
        return self._wire.read()

    def write(self, data: bytes) -> None:
        self._wire.write(data)

    def resize(self, columns: int, rows: int) -> None:
        self._resize(columns, rows)

    def exit_code(self) -> int | None:
        return self._exit_code()

    def close(self) -> None:
        self._wire.close()


def _not_running(handle: Handle) -> RuntimeFault:
    return RuntimeFault(f"{handle.name!r} does not run (any more).", code="no_terminal", retry=False)


def _refuse(handle: Handle, error: APIError) -> NoReturn:
    words = words_of(error)
    if isinstance(error, NotFound) or "is not running" in words:
        raise _not_running(handle) from error
    if "paused" in words:
        said = "The job is paused. Resume it first."
        raise RuntimeFault(said, code="no_terminal", retry=True) from error
    raise error
