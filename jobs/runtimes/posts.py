"""The folder through which a kept container is told what to run. Its other side is container/keeper.py in apps_catalog.launch.

What lies in it belongs to programs: nothing is opened there that is a link, a pipe or a device, and little is believed.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

from jobs.runtimes.base import ContainerSpec, Exited, Usage

BELL = "bell"
SAID_BYTES_MAX = 16_384
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Record:
    """One task in a post: what was asked, and what became of it."""

    post: Path
    name: str

    @property
    def folder(self) -> Path:
        return self.post / self.name

    @property
    def asked(self) -> bool:
        return os.path.lexists(self.folder)

    def ask(self, spec: ContainerSpec) -> None:
        """Whole or not at all. The bell is to be rung after it."""
        draft = self.post / f".{uuid.uuid4().hex}"
        draft.mkdir(mode=0o700)
        task = {"argv": list(spec.argv), "env": dict(spec.env), "workdir": spec.workdir}
        (draft / "task.json").write_text(json.dumps(task), encoding="ascii")
        if os.geteuid() == 0:
            for path in (draft / "task.json", draft):
                os.chown(path, spec.uid, spec.gid)
        elif os.geteuid() != spec.uid:  # another user's by the operator's choice: the folder above is closed to others
            (draft / "task.json").chmod(0o644)
            draft.chmod(0o777)
        draft.rename(self.folder)

    def stop(self, grace_s: float) -> None:
        fresh = self.post / f".{uuid.uuid4().hex}"
        fresh.write_text(str(grace_s), encoding="ascii")
        fresh.chmod(0o644)
        try:
            fresh.replace(self.folder / "stop")
        except OSError:
            fresh.unlink(missing_ok=True)  # it has just been forgotten

    @property
    def ended(self) -> Exited | None:
        said = self._said("end.json")
        if said is None:
            return None
        code, reason = said.get("code"), said.get("reason")
        code = code if isinstance(code, int) and 0 <= code <= 255 else 255
        return Exited(code, said.get("oom") is True, reason[:1000] if isinstance(reason, str) else "", _usage(said))

    def over(self) -> bool:
        """Whether nothing more comes of it: it has ended, or is forgotten."""
        return self.ended is not None or not self.asked

    @property
    def pid(self) -> int:
        """Of its process, within the container; 0 where it has not begun."""
        said = self._text("begun")
        return int(said) if said is not None and said.isdigit() else 0

    @property
    def usage(self) -> Usage | None:
        """The latest figures; None where none were taken yet."""
        said = self._said("usage.json")
        return None if said is None else _usage(said)

    @contextmanager
    def log(self) -> Iterator[BinaryIO | None]:
        file = self._open("log")
        try:
            yield file
        finally:
            if file is not None:
                file.close()

    def forget(self) -> None:
        """At once: a keeper that looked while file after file went would take what is left for a task to begin."""
        gone = self.post / f".{uuid.uuid4().hex}"
        try:
            self.folder.rename(gone)
        except FileNotFoundError:
            return
        except OSError:  # a program has closed the post to us
            gone = self.folder
        _remove(gone)

    def _said(self, name: str) -> dict[str, Any] | None:
        text = self._text(name)
        if text is None:
            return None
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            said = None
        return said if isinstance(said, dict) else {}

    def _text(self, name: str) -> str | None:
        file = self._open(name)
        if file is None:
            return None
        with file:
            return file.read(SAID_BYTES_MAX).decode("utf-8", "replace")

    def _open(self, name: str) -> BinaryIO | None:
        try:
            within = os.open(self.folder, _FOLDER)
        except OSError:
            return None
        try:
            fd = os.open(name, _FILE, dir_fd=within)
        except OSError:
            return None
        finally:
            os.close(within)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            return None
        return os.fdopen(fd, "rb", buffering=0)


def _usage(said: dict[str, Any]) -> Usage:
    memory, peak, pids = (int(_number(said, key)) for key in ("memory", "peak", "pids"))
    return Usage(_number(said, "cpu_s"), memory, peak, pids)


def _number(said: dict[str, Any], key: str) -> float:
    value = said.get(key, 0)
    return float(value) if isinstance(value, int | float) and 0 <= value < 2**53 else 0.0


def records(post: Path) -> list[Record]:
    """All that were asked for and not forgotten."""
    try:
        names = sorted(path.name for path in post.iterdir())
    except FileNotFoundError:
        return []
    return [Record(post, name) for name in names if not name.startswith(".") and name != BELL]


def tidy(post: Path) -> None:
    """Remove what processes that were killed had half written, or half forgotten. For who alone writes to it."""
    for path in post.iterdir():
        if path.name.startswith("."):
            _remove(path)


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):
        path.unlink(missing_ok=True)  # where a program has put something else there


class Bell:
    """A line to a keeper. Connecting rings; `wait` returns when it has rung back, False where it has hung up."""

    def __init__(self, post: Path) -> None:
        """Raises OSError where nobody is there (yet, or any more)."""
        within = os.open(post, _FOLDER)
        try:
            fd = os.open(BELL, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
        finally:
            os.close(within)
        try:
            if not stat.S_ISSOCK(os.fstat(fd).st_mode):
                raise ConnectionRefusedError(f"{post / BELL} is no socket.")
            self._line = socket.socket(socket.AF_UNIX)
            try:
                self._line.settimeout(5)
                self._line.connect(f"/proc/self/fd/{fd}")  # this very socket, however long its path is
            except OSError:
                self._line.close()
                raise
        finally:
            os.close(fd)

    def wait(self, timeout_s: float | None = None) -> bool:
        """True as well where the time is up."""
        self._line.settimeout(timeout_s)
        try:
            return bool(self._line.recv(4096))
        except TimeoutError:
            return True
        except OSError:
            return False

    def close(self) -> None:
        self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
