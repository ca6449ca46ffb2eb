"""The Runtime protocol and its vocabulary: what a runtime must do, in our words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol


class RuntimeFault(Exception):
    """The engine could not do what was asked. str = what happened and what to do; `retry` where another try can help."""

    def __init__(self, message: str, *, code: str, retry: bool) -> None:
        super().__init__(message)
        self.code = code  # image_missing | image_denied | engine_away | start_refused | disk_full
        self.retry = retry


@dataclass(frozen=True)
class Mount:
    source: str
    target: str
    readonly: bool = False


@dataclass(frozen=True)
class Tmpfs:
    target: str
    size_mib: int


@dataclass(frozen=True)
class ContainerSpec:
    """One container, whole. Built from an allowlist; nothing else of the engine's can be asked for.

    `name` is the attempt's id and makes start idempotent. `labels` say whose it is. `gpu_indexes` are the
    devices of the slot. `uid` and `gid` are integers, never 0.
    """

    name: str
    image: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    uid: int
    gid: int
    workdir: str
    mounts: tuple[Mount, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    cores: float = 1.0
    memory_mib: int = 512
    pids: int = 1024
    gpu_indexes: tuple[int, ...] = ()
    network: Literal["none", "bridge"] = "none"
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Handle:
    """What start gives back and every other call takes. It survives a restart: rebuild it from the name."""

    name: str
    id: str
    adopted: bool = False  # found running (or created) rather than started by this call


@dataclass(frozen=True)
class Pending:
    pass


@dataclass(frozen=True)
class Running:
    pid: int


@dataclass(frozen=True)
class Exited:
    """`code` as the engine says (137 = SIGKILL). `oom` where the kernel killed for memory. `reason` from the engine, may be empty."""

    code: int
    oom: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Missing:
    """No such container: an answer, not an error."""


Observation = Pending | Running | Exited | Missing


@dataclass(frozen=True)
class LogLine:
    """A piece of output. `stamp` is the engine's RFC 3339 nanosecond timestamp as text; `data` keeps its newline (or none)."""

    stamp: str
    stream: Literal["stdout", "stderr"]
    data: bytes


@dataclass(frozen=True)
class Usage:
    """One sample. cpu_s is cumulative CPU seconds; memory is the working set in bytes."""

    cpu_s: float
    memory_bytes: int
    memory_peak_bytes: int
    pids: int


@dataclass(frozen=True)
class ImageInfo:
    """`pinned` starts the same bytes for ever: an image id (sha256:...) for local ones, name@sha256:... for pulled ones."""

    reference: str
    pinned: str
    size_bytes: int
    architecture: str


class Runtime(Protocol):
    """What every runtime does. A runtime is done when tests/jobs/runtimes/test_contract.py passes over it."""

    def start(self, spec: ContainerSpec) -> Handle:
        """Start, once: a name that is taken is adopted (and started if it was only created). Raises RuntimeFault."""

    def wait(self, handle: Handle) -> Exited | Missing:
        """Block on the engine's own event until the container ends. Raises RuntimeFault(engine_away) when the engine goes."""

    def observe(self, handle: Handle) -> Observation: ...

    def follow(self, handle: Handle, since: str = "") -> Iterator[LogLine]:
        """Output from the stamp `since` on (inclusive: the caller skips what it has), until the container ends."""

    def usage(self, handle: Handle) -> Iterator[Usage]:
        """Samples as the engine streams them (about one a second), until the container ends."""

    def stop(self, handle: Handle, grace_s: float) -> None:
        """TERM, grace, KILL. Stopping what is gone is success."""

    def remove(self, handle: Handle) -> None:
        """Forget the container. Removing what is gone is success."""

    def owned(self, label: str, value: str) -> list[Handle]:
        """Every container, in any state, that carries this label with this value."""

    def image(self, reference: str, *, pull: bool) -> ImageInfo:
        """Look an image up here, and else (if `pull`) fetch it. Raises RuntimeFault naming the image."""

    def ping(self) -> str:
        """The engine's name and version. Raises RuntimeFault(engine_away)."""
