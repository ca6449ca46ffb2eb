"""What containers of the fake runtime do: a program by its words, without a process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from jobs.runtimes.base import ContainerSpec, Exited, LogLine, RuntimeFault
from jobs.runtimes.fake_terminals import Shell

Stream = Literal["stdout", "stderr"]
SSHD_LISTENS = b"Server listening on 0.0.0.0 port 2222.\n"


@dataclass(frozen=True)
class FakeProgram:
    """What a container will do. `lines` come evenly over `lines_s`, else `duration_s`; bytes go to stdout."""

    lines: tuple[bytes | tuple[Stream, bytes], ...] = ()
    exit_code: int = 0
    duration_s: float = 0.0
    oom: bool = False
    reason: str = ""
    ignores_term: bool = False
    start_fault: RuntimeFault | None = None  # raised by start, each time
    memory_bytes: int = 8 * 2**20
    cpu_share: float = 1.0  # CPU seconds a second
    lines_s: float | None = None
    written_bytes: int = 0  # into its own copy of the image
    typed_to: bool = False  # with a terminal it is a shell, until somebody types exit


Program = Callable[[ContainerSpec], FakeProgram]


@dataclass
class Container:
    """One in memory: what it is to do, and when it began, stood still and ended."""

    spec: ContainerSpec
    program: FakeProgram
    id: str
    pid: int
    started_ns: int = 0  # wall clock, for stamps; 0 = only created
    started: float = 0.0  # monotonic
    paused: float | None = None  # monotonic, since when it stands still
    killed: tuple[float, int] | None = None  # (monotonic time, exit code) where a stop ended it early
    lines: list[tuple[float, LogLine]] = field(default_factory=list)  # each with the time it comes out
    shell: Shell | None = None  # of one that has a terminal
    fresh: bool = False  # nobody has attached to it yet

    @property
    def now(self) -> float:
        """Monotonic; for one that is paused it stands still too."""
        return time.monotonic() if self.paused is None else self.paused

    @property
    def ends(self) -> float:
        natural = self.started + self.program.duration_s
        return natural if self.killed is None else min(natural, self.killed[0])

    def go_on(self) -> None:
        """After a pause all that was to come comes later by its length."""
        if self.paused is not None:
            late_s = time.monotonic() - self.paused
            self.started += late_s
            self.lines = [(at + late_s if at > self.paused else at, line) for at, line in self.lines]
            self.paused = None

    def exited(self) -> Exited:
        if self.killed is not None and self.killed[0] < self.started + self.program.duration_s:
            return Exited(code=self.killed[1])
        return Exited(code=self.program.exit_code, oom=self.program.oom, reason=self.program.reason)

    def is_over(self) -> bool:
        return bool(self.started_ns) and self.now >= self.ends

    def end_now(self, code: int) -> None:
        self.killed = (time.monotonic(), code)

    def say(self, line: bytes) -> None:
        """Into its log, now."""
        now = time.monotonic()
        self.lines += [(now, LogLine(stamp(time.time_ns()), "stdout", piece)) for piece in pieces(line)]


def by_words(spec: ContainerSpec) -> FakeProgram:
    """The default: true, false, echo, sleep, and sshd as nodes start it; another program prints its words and succeeds."""
    program, *words = spec.argv
    match program.rpartition("/")[2], words:
        case "true", _:
            return FakeProgram()
        case "false", _:
            return FakeProgram(exit_code=1)
        case "echo", _:
            return FakeProgram(lines=(" ".join(words).encode() + b"\n",))
        case "sh", ["-c", script, "sh", *rest] if script.endswith('exec "$@"') and rest:
            return by_words(replace(spec, argv=tuple(rest)))
        case "sh", [script, *_] if script.endswith("/sshd.sh"):
            return FakeProgram(lines=(("stderr", SSHD_LISTENS),), duration_s=3600, lines_s=0)
        case "sh" | "bash", [] if spec.terminal:
            return FakeProgram(typed_to=True, duration_s=24 * 3600)
        case "sleep", [seconds] if seconds.replace(".", "", 1).isdigit():
            return FakeProgram(duration_s=float(seconds))
        case _:
            return FakeProgram(lines=(" ".join(spec.argv).encode() + b"\n",))


def stamp(wall_ns: int) -> str:
    seconds, nanoseconds = divmod(wall_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def pieces(data: bytes) -> Iterator[bytes]:
    size = 16_384
    for start in range(0, max(1, len(data)), size):
        yield data[start : start + size]
