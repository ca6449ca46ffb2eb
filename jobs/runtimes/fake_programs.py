"""What containers of the fake runtime do: a program by its words, without a process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from jobs.runtimes.base import ContainerSpec, RuntimeFault

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


Program = Callable[[ContainerSpec], FakeProgram]


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
        case "sleep", [seconds] if seconds.replace(".", "", 1).isdigit():
            return FakeProgram(duration_s=float(seconds))
        case _:
            return FakeProgram(lines=(" ".join(spec.argv).encode() + b"\n",))


def stamp_of(wall_ns: int) -> str:
    seconds, nanoseconds = divmod(wall_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def pieces_of(data: bytes) -> Iterator[bytes]:
    size = 16_384
    for start in range(0, max(1, len(data)), size):
        yield data[start : start + size]
