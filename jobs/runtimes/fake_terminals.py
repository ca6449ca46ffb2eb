"""Terminals of the fake runtime: a shell in memory that knows a few commands, and shows what is typed as a terminal does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

BLOCK_BYTES = 65_536
PROMPT = b"$ "
LOOK_AGAIN_S = 0.1  # a container ends by its clock, and tells nobody
INTERRUPT, END_OF_INPUT, FORGET, RUB_OUT = 3, 4, 21, 127


class Shell:
    """echo, seq, id, stty size, exit. Guarded by the runtime's own condition; `is_over`: the container has ended."""

    def __init__(
        self,
        changed: threading.Condition,
        uid: int,
        is_over: Callable[[], bool],
        *,
        on_line: Callable[[bytes], None] | None = None,
        on_exit: Callable[[int], None] | None = None,
    ) -> None:
        self.changed = changed
        self.output = bytearray(PROMPT)
        self.size = (0, 0)
        self.code: int | None = None
        self._on_line, self._on_exit = on_line, on_exit
        self._uid, self._is_over = uid, is_over
        self._logged = 0
        self._line = bytearray()

    @property
    def over(self) -> bool:
        return self.code is not None or self._is_over()

    def type(self, data: bytes) -> None:
        with self.changed:
            for byte in data:
                if not self.over:
                    self._key(byte)
            self.changed.notify_all()

    def end(self, code: int) -> None:
        """Call with the condition held."""
        self.code = code
        if self._on_exit is not None:
            self._on_exit(code)
        self.changed.notify_all()

    def _key(self, byte: int) -> None:
        if byte in b"\r\n":
            self._say(b"\r\n")
            line, self._line = self._line.decode("utf-8", "replace"), bytearray()
            self._run(line.split())
        elif byte == INTERRUPT:
            self._line.clear()
            self._say(b"^C\r\n" + PROMPT)
        elif byte == END_OF_INPUT and not self._line:
            self._say(b"exit\r\n")
            self.end(0)
        elif byte == RUB_OUT:
            self._say(b"\b \b" if self._line else b"")
            del self._line[-1:]
        elif byte == FORGET:
            self._line.clear()
        else:
            self._line.append(byte)
            self._say(bytes((byte,)))

    def _run(self, words: list[str]) -> None:
        match words:
            case []:
                pass
            case ["exit", *rest]:
                self.end(int(rest[0]) if rest and rest[0].isdigit() else 0)
                return
            case ["echo", *rest]:
                self._say(" ".join(rest).encode() + b"\r\n")
            case ["seq", first, last] if first.isdigit() and last.isdigit():
                self._say(b"".join(b"%d\r\n" % number for number in range(int(first), int(last) + 1)))
            case ["id", "-u"]:
                self._say(b"%d\r\n" % self._uid)
            case ["stty", "size"]:
                columns, rows = self.size
                self._say(b"%d %d\r\n" % (rows, columns))
            case [name, *_]:
                self._say(f"{name}: not found\r\n".encode())
        self._say(PROMPT)

    def _say(self, data: bytes) -> None:
        self.output += data
        while (end := self.output.find(b"\n", self._logged)) >= 0:
            if self._on_line is not None:
                self._on_line(bytes(self.output[self._logged : end + 1]))
            self._logged = end + 1


class FakeTerminal:
    """One who is attached to a shell, from a position of its output on."""

    def __init__(self, shell: Shell, position: int, *, mark: str = "") -> None:
        self.mark = mark
        self._shell, self._position, self._closed = shell, position, False

    def read(self) -> bytes:
        shell = self._shell
        with shell.changed:
            while self._position >= len(shell.output) and not (shell.over or self._closed):
                shell.changed.wait(LOOK_AGAIN_S)
            if self._closed:
                return b""
            data = bytes(shell.output[self._position : self._position + BLOCK_BYTES])
        self._position += len(data)
        return data

    def write(self, data: bytes) -> None:
        if not self._closed:
            self._shell.type(data)

    def resize(self, columns: int, rows: int) -> None:
        with self._shell.changed:
            self._shell.size = (columns, rows)

    def exit_code(self) -> int | None:
        return self._shell.code if self.mark else None

    def close(self) -> None:
        with self._shell.changed:
            self._closed = True
            self._shell.changed.notify_all()


class LinesTerminal:
    """The terminal of a program that only writes lines."""

    mark = ""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines: Iterator[bytes] = iter(lines)

    def read(self) -> bytes:
        return next(self._lines, b"").replace(b"\n", b"\r\n")

    def write(self, data: bytes) -> None:
        """It reads nothing."""

    def resize(self, columns: int, rows: int) -> None:
        """It does not look."""

    def exit_code(self) -> int | None:
        return None

    def close(self) -> None:
        """There is nothing to let go of."""
