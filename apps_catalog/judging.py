"""Authors' schemas are judged in one child process, which is killed and started anew where it takes longer than a second.

jsonschema has no limit of its own: `^(a|a)*$`, `uniqueItems` on thousands of objects and the like run for hours. So no
schema of an author's is ever applied in the process that serves pages.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import os
import select
import signal
import struct
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from apps_catalog.launch.findings import Fault, Json
from apps_catalog.launch.json_schema.absent import ABSENT, State
from apps_catalog.launch.json_schema.asking import Question, Verdict
from apps_catalog.launch.json_schema.documents import Schema

LIMIT_S = 1.0
START_S = 20.0
# How long somebody waits for their turn: the child judges one at a time.
TURN_S = 5.0
REMEMBERED_S = 60.0
OVERTIMES_KEPT = 64
MAX_REPLY_BYTES = 64 * 1024 * 1024
ROOT = Path(__file__).resolve().parent.parent
CHILD = "apps_catalog.launch.json_schema.child"
LENGTH = struct.Struct(">I")
TOO_LONG = (
    "This schema took longer than {limit:g} s to judge these values, so there is no verdict. "
    "Try shorter values; the author should look for patterns that backtrack and for uniqueItems on long lists."
)
BUSY = "Other values are being judged just now. Try again in a moment."
GONE = "The judge of schemas stopped before it had an answer. Try again; shorter values may help."

log = structlog.get_logger(__name__)


class _Overtime(Exception):
    pass


class _Gone(Exception):
    pass


class Child:
    """One running child with its two pipes. Used by one thread at a time."""

    def __init__(self) -> None:
        to_child, self.sink = os.pipe()
        self.source, from_child = os.pipe()
        self.ready = False
        files = [(os.POSIX_SPAWN_DUP2, to_child, 0), (os.POSIX_SPAWN_DUP2, from_child, 1)]
        try:
            self.pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-P", "-m", CHILD],
                _environment(),
                file_actions=files,
                setsigmask=[],
                setsigdef=[signal.SIGALRM, signal.SIGTERM, signal.SIGPIPE],
            )
        except OSError:
            self.close_pipes()
            raise
        finally:
            os.close(to_child)
            os.close(from_child)
        os.set_blocking(self.sink, False)
        os.set_blocking(self.source, False)

    def ask(self, request: Mapping[str, Json], limit_s: float) -> Json:
        """The reply to a request. Raises _Overtime, or _Gone where the child has ended."""
        if not self.ready:
            try:
                self._receive(time.monotonic() + START_S)
            except _Overtime:
                raise _Gone from None
            self.ready = True
        raw = json.dumps(request).encode()
        deadline = time.monotonic() + limit_s
        self._send(LENGTH.pack(len(raw)) + raw, deadline)
        return self._receive(deadline)

    def _send(self, raw: bytes, deadline: float) -> None:
        left = memoryview(raw)
        while left:
            self._wait(self.sink, select.POLLOUT, deadline)
            try:
                left = left[os.write(self.sink, left) :]
            except BlockingIOError:
                continue
            except OSError:
                raise _Gone from None

    def _receive(self, deadline: float) -> Json:
        (length,) = LENGTH.unpack(self._read(LENGTH.size, deadline))
        if length > MAX_REPLY_BYTES:
            raise _Gone
        return json.loads(self._read(length, deadline))

    def _read(self, count: int, deadline: float) -> bytes:
        found = bytearray()
        while len(found) < count:
            self._wait(self.source, select.POLLIN, deadline)
            try:
                piece = os.read(self.source, min(count - len(found), 1 << 20))
            except BlockingIOError:
                continue
            except OSError:
                raise _Gone from None
            if not piece:
                raise _Gone
            found += piece
        return bytes(found)

    def _wait(self, descriptor: int, event: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise _Overtime

    def close_pipes(self) -> None:
        for descriptor in (self.sink, self.source):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def end(self) -> None:
        """Kills it, and takes its exit, so that nothing is left of it."""
        self.close_pipes()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def _environment() -> dict[str, str]:
    """No secret of the installation is in it: the child needs to find its modules, and nothing else."""
    paths = [str(ROOT), *(path for path in sys.path if path)]
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ") if name in os.environ}
    return {**kept, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "PYTHONUTF8": "1"}


class ChildJudge:
    """The judge of one process: a child that is started when it is first needed. Safe to call from every thread.

    A process that was forked off gets a child of its own, and leaves that of its parent alone.
    """

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self.limit_s = limit_s
        self._renew()
        os.register_at_fork(after_in_child=self._renew)
        atexit.register(self.close)

    def _renew(self) -> None:
        inherited: Child | None = getattr(self, "child", None)
        if inherited is not None:
            inherited.close_pipes()
        self.lock = threading.Lock()
        self.child: Child | None = None
        self.overtimes: dict[str, float] = {}
        self.owner = os.getpid()

    def __call__(
        self,
        schema: Schema,
        instance: State,
        *,
        chosen: Mapping[tuple[str, str], int] | None = None,
        questions: Sequence[Question] = (),
    ) -> Verdict:
        """The verdict, or within about a second the words that there is none."""
        request = {
            "digest": schema.digest,
            "instance": None if instance is ABSENT else instance,
            "judged": instance is not ABSENT,
            "chosen": [[pointer, keyword, index] for (pointer, keyword), index in (chosen or {}).items()],
            "questions": [[one.condition.schema, one.condition.negated, one.value] for one in questions],
            "limit_s": self.limit_s,
        }
        key = hashlib.sha256(json.dumps(request).encode()).hexdigest()
        if self.overtimes.get(key, 0.0) > time.monotonic():
            return Verdict(overtime=TOO_LONG.format(limit=self.limit_s))
        if not self.lock.acquire(timeout=TURN_S):
            return Verdict(overtime=BUSY)
        try:
            return _verdict(self._ask(schema, request))
        except _Overtime:
            self._restart()
            self._remember(key)
            log.warning("schema_overtime", digest=schema.digest[:12], limit_s=self.limit_s)
            return Verdict(overtime=TOO_LONG.format(limit=self.limit_s))
        except _Gone:
            self._restart()
            return Verdict(overtime=GONE)
        finally:
            self.lock.release()

    def _ask(self, schema: Schema, request: Mapping[str, Json]) -> Any:
        for again in (True, False):
            if self.child is None:
                self.child = Child()
            try:
                reply = self.child.ask(request, self.limit_s)
                if reply.get("need"):
                    reply = self.child.ask({**request, "root": schema.root}, self.limit_s)
                return reply
            except _Gone:
                # It may have died long before this request, from something outside: one new child is worth it.
                if not again:
                    raise
                self._end()
        raise _Gone

    def _restart(self) -> None:
        """A new child at once, so that whoever comes next does not wait for its start."""
        self._end()
        with contextlib.suppress(OSError):
            self.child = Child()

    def _remember(self, key: str) -> None:
        """The same question again, as a page that is drawn after a refusal asks it, is answered at once."""
        self.overtimes[key] = time.monotonic() + REMEMBERED_S
        while len(self.overtimes) > OVERTIMES_KEPT:
            del self.overtimes[next(iter(self.overtimes))]

    def _end(self) -> None:
        if self.child is not None:
            self.child.end()
            self.child = None

    def close(self) -> None:
        """Ends the child; the next judgement starts another."""
        if self.owner == os.getpid():
            with self.lock:
                self._end()


def _verdict(reply: Mapping[str, Any]) -> Verdict:
    if "failed" in reply:
        return Verdict(overtime=str(reply["failed"]))
    faults = tuple(Fault(*fault) for fault in reply["faults"])
    return Verdict(faults, tuple(reply["answers"]))


judge = ChildJudge()
