"""Child processes of the local commands: each ends with its parent, each is ended by its own pid, last started first."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import NoReturn

PR_SET_PDEATHSIG = 1
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Told(BaseException):
    """A signal asked this process to end."""


def listen() -> None:
    """From now on the first signal that asks to end raises Told, once; later ones don't disturb the ending."""

    def tell(number: int, frame: FrameType | None) -> NoReturn:
        for other in ENDING:
            signal.signal(other, signal.SIG_IGN)
        raise Told

    for number in ENDING:
        signal.signal(number, tell)


def die_with_parent(number: signal.Signals) -> Callable[[], None]:
    """A preexec_fn: the kernel sends this signal to the child when the thread that started it ends.

    Only for a main thread: preexec_fn is not safe beside other threads, and the signal follows the thread.
    """
    parent, libc = os.getpid(), ctypes.CDLL(None, use_errno=True)

    def set_signal() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return set_signal


@dataclass
class Processes:
    """Children by name, their output in one log file each (or on ours, with `logs` None)."""

    logs: Path | None
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, words: list[str], *, env: Mapping[str, str], cwd: Path) -> None:
        with contextlib.ExitStack() as open_files:
            output = None
            if self.logs is not None:
                self.logs.mkdir(parents=True, exist_ok=True)
                output = open_files.enter_context(self.log(name).open("wb"))
            self.children[name] = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,  # a Ctrl-C at the terminal is ours to answer, in our order
                preexec_fn=die_with_parent(signal.SIGTERM),
            )

    def log(self, name: str) -> Path:
        if self.logs is None:
            raise ValueError("These processes write to the terminal.")
        return self.logs / f"{name}.log"

    def ended(self) -> tuple[str, int] | None:
        """The name and exit code of a child that ended, if one did."""
        for name, child in self.children.items():
            if (code := child.poll()) is not None:
                return name, code
        return None

    def last_words(self, name: str, lines: int = 15) -> str:
        if self.logs is None:
            return ""
        text = self.log(name).read_text(encoding="utf-8", errors="replace")
        return f"The last lines of {self.log(name)}:\n" + "\n".join(text.splitlines()[-lines:])

    def stop(self, grace_s: float = 25.0) -> None:
        """End all, last started first: told, and killed where that is not heeded."""
        for name in reversed(list(self.children)):
            child = self.children.pop(name)
            if child.poll() is None:
                child.terminate()
                try:
                    child.wait(grace_s)
                except subprocess.TimeoutExpired:
                    print(f"{name} has not ended after {grace_s:.0f} s and is killed.", file=sys.stderr)
                    child.kill()
                    child.wait()
