"""The Runtime protocol and its vocabulary: what a runtime must do, in our words."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol


class RuntimeFault(Exception):
    """The engine could not do what was asked. str = what happened and what to do; `retry` where another try can help."""

    def __init__(self, message: str, *, code: str, retry: bool) -> None:
        super().__init__(message)
        self.code = code  # image_missing | image_denied | image_unfit | engine_away | start_refused | disk_full | no_terminal | no_shell
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
class PublicPort:
    """A port of the container that is reached at `address` of the host. Which port of the host, the engine says: `host_port`."""

    port: int
    protocol: Literal["tcp", "udp", "sctp"]
    address: str
    host_port: int = 0


@dataclass(frozen=True)
class ContainerSpec:
    """One container, whole. Built from an allowlist; nothing else of the engine's can be asked for.

    `name` is the attempt's id and makes start idempotent. `labels` say whose it is. `gpu_indexes` are the
    devices of the slot. `uid` and `gid` are integers, never 0 but with `as_root`, which an operator grants a version;
    so is `writable_root`, which lets the program write into its own copy of the image.

    `network` is the way out: none, or outgoing (beyond this host and its neighbours). `private_network` is one that
    make_network made: the containers on it reach one another by `hostname`, whatever the way out. `public` are ports
    that are reached from outside; they need the way out.

    With `terminal` the program has one: its output is one stream, and `attach` gives both ways of it.

    `kept`: a container to run it in, as a fresh process of its own. It is made where it isn't there, goes on when the
    process has ended, and is ended by removing it. Of this spec then only name, argv, env and workdir are taken.
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
    network: Literal["none", "outgoing"] = "none"
    private_network: str = ""
    hostname: str = ""
    public: tuple[PublicPort, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    as_root: bool = False
    writable_root: bool = False
    terminal: bool = False
    kept: ContainerSpec | None = None


_CONTAINER_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}")
POST = "/opt/slipway/post"  # in a kept container, whose program is apps_catalog/launch/container/keeper.py
_HOSTNAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
MAX_PUBLIC = 40
_MAX_ID = 2**32 - 2  # the last one means "no such user" to the kernel


def refuse_unsound(spec: ContainerSpec) -> None:
    """Raise RuntimeFault(start_refused) where a spec must never reach an engine. Every runtime's start calls it."""
    reason = _unsound(spec) or _unsound_network(spec)
    if spec.kept is not None:
        refuse_unsound(spec.kept)
    if reason:
        raise RuntimeFault(f"{spec.name!r} was not started: {reason}", code="start_refused", retry=False)


def _unsound(spec: ContainerSpec) -> str:
    if wrong := _unsound_user(spec):
        return wrong
    if not _CONTAINER_NAME.fullmatch(spec.name):
        return "the name may hold letters, digits, '_', '.' and '-' only."
    if not spec.argv or not spec.argv[0]:
        return "there is no program to run. Give at least one word."
    for word in (*spec.argv, *spec.env, *spec.env.values(), *spec.labels, *spec.labels.values(), spec.workdir):
        if "\0" in word or not _is_text(word):
            return f"{word[:80]!r} holds a NUL or is not valid Unicode, which no program can be given."
    for name in spec.env:
        if not name or "=" in name:
            return f"{name!r} is not a name for an environment variable."
    targets = [mount.target for mount in spec.mounts] + [tmpfs.target for tmpfs in spec.tmpfs]
    for path in (spec.workdir, *targets, *(mount.source for mount in spec.mounts)):
        if not path.startswith("/") or ".." in path.split("/") or "\0" in path or not _is_text(path):
            return f"{path!r} is not an absolute path."
    if "/" in targets or len(set(targets)) != len(targets):
        return "two mounts have one target, or one covers the root folder."
    if spec.cores <= 0 or spec.memory_mib < 6 or spec.pids < 1 or any(tmpfs.size_mib < 1 for tmpfs in spec.tmpfs):
        return "a limit is too small. Cores, pids and tmpfs sizes are positive, memory is at least 6 MiB."
    return ""


def _unsound_network(spec: ContainerSpec) -> str:
    if spec.network not in ("none", "outgoing"):
        return f"the network is {spec.network!r}. Allowed: none or outgoing."
    if (spec.hostname and not _HOSTNAME.fullmatch(spec.hostname)) or (spec.private_network and not spec.hostname):
        return f"{spec.hostname!r} is no name for a host. Use small letters, digits and '-'."
    if spec.private_network and not _CONTAINER_NAME.fullmatch(spec.private_network):
        return f"{spec.private_network!r} is no name for a network."
    return _unsound_ports(spec)


def _unsound_ports(spec: ContainerSpec) -> str:
    if spec.public and spec.network != "outgoing":
        return "ports are published on the outgoing network alone, and it has none."
    for one in spec.public:
        if one.protocol not in ("tcp", "udp", "sctp") or type(one.port) is not int or not 0 < one.port < 65_536:
            return f"{one.port!r}/{one.protocol!r} is no port. Allowed: 1 to 65535, and tcp, udp or sctp."
        if one.host_port or not _is_address(one.address):
            return (
                f"{one.address!r} is no address of this host, or a port of it is asked for, which the engine chooses."
            )
    if len({one.protocol for one in spec.public}) > 1 or len(set(spec.public)) < len(spec.public):
        return "its ports are of several protocols, or one is there twice. One protocol, each port once."
    return "" if len(spec.public) <= MAX_PUBLIC else f"it has more than {MAX_PUBLIC} ports."


def _is_address(text: str) -> bool:
    """An address of one interface: what is unspecified would be published on all of them."""
    try:
        return not ipaddress.ip_address(text).is_unspecified
    except ValueError:
        return False


def _unsound_user(spec: ContainerSpec) -> str:
    for label, number in (("uid", spec.uid), ("gid", spec.gid)):
        # Engines read the user as text, where "", "00" and "+0" are root too: only integers get that far.
        if spec.as_root is True and type(number) is int and number == 0:
            continue
        if type(number) is not int or not 0 < number <= _MAX_ID:
            return f"the {label} is {number!r}. Allowed: a whole number from 1 to {_MAX_ID}; never root."
    if spec.as_root and (spec.uid, spec.gid) != (0, 0):
        return "it is granted to run as root, and has other ids. Give it 0 and 0, or take the grant back."
    return ""


def _is_text(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True)
class Handle:
    """What start gives back and every other call takes. It survives a restart: Handle(name) will do."""

    name: str
    id: str = ""
    adopted: bool = False  # found running (or created) rather than started by this call
    kept: Kept | None = None  # where it runs in a kept container: this one


@dataclass(frozen=True)
class Kept:
    """A kept container: its name, and the folder of this host through which it is told what to run (its mount at POST)."""

    name: str
    post: str


@dataclass(frozen=True)
class Usage:
    """One sample. cpu_s is cumulative CPU seconds; memory is the working set in bytes."""

    cpu_s: float
    memory_bytes: int
    memory_peak_bytes: int
    pids: int


@dataclass(frozen=True)
class Pending:
    pass


@dataclass(frozen=True)
class Running:
    pid: int


@dataclass(frozen=True)
class Exited:
    """`code` as the engine says (137 = SIGKILL). `oom` where the kernel killed for memory. `reason` from the engine, may be empty.

    `used`: the figures of the whole, where a runtime knows them at the end.
    """

    code: int
    oom: bool = False
    reason: str = ""
    used: Usage | None = field(default=None, compare=False)


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
class ImageInfo:
    """`pinned` starts the same bytes for ever: an image id (sha256:...) for local ones, name@sha256:... for pulled ones."""

    reference: str
    pinned: str
    size_bytes: int
    architecture: str


@dataclass(frozen=True)
class RegistryLogin:
    """What one registry, and no other, is shown when an image is pulled from it."""

    registry: str
    username: str = field(repr=False)
    password: str = field(repr=False)


class Terminal(Protocol):
    """The near end of a program's terminal. One thread may read while another writes and others resize or close.

    `mark` names a shell to `hang_up`, also for a process that comes later; it is "" for a container's own program.
    """

    mark: str

    def read(self) -> bytes:
        """What the program wrote, at most 64 KiB; waits for it. b"" once it has ended, or close was called, or the engine went."""

    def write(self, data: bytes) -> None:
        """What a person types. Waits while the program reads nothing; goes nowhere once it has ended."""

    def resize(self, columns: int, rows: int) -> None:
        """Tell the program how large it is shown: 1 to 1000 each. Nothing for one that has ended."""

    def exit_code(self) -> int | None:
        """Of a shell that has ended; None while it runs, and for a container's own program, whose end `wait` tells."""

    def close(self) -> None:
        """Let go: the program goes on."""


class Runtime(Protocol):
    """What every runtime does. A runtime is done when tests/jobs/runtimes/test_contract*.py pass over it.

    `keeps`: it can run a spec in a `kept` container; else such a spec must not be asked for.
    """

    keeps: bool

    def start(self, spec: ContainerSpec) -> Handle:
        """Start, once: a name that is taken is adopted (and started if it was only created). Raises RuntimeFault."""

    def wait(self, handle: Handle) -> Exited | Missing:
        """Block on the engine's own event until the container ends. Raises RuntimeFault(engine_away) when the engine goes."""

    def observe(self, handle: Handle) -> Observation: ...

    def follow(self, handle: Handle, since: str = "") -> Iterator[LogLine]:
        """Output from the stamp `since` on, until the container ends; nothing for one that is gone.

        Inclusive, and pieces of one long line may share a stamp: the caller skips as many pieces with that stamp as it
        has. A piece is at most 16 KiB. Raises RuntimeFault(engine_away); go on with the last stamp when it is back.
        """

    def tail(self, handle: Handle, lines: int) -> list[LogLine]:
        """The last lines of its output so far; nothing for one that is gone. Raises RuntimeFault(engine_away)."""

    def attach(self, handle: Handle) -> Terminal:
        """The terminal of a running container's own program. Raises RuntimeFault(no_terminal) where it has none, or has ended.

        To the first who asks the runtime that started it: all that was written so far too. Else what is written from now on.
        """

    def open_shell(self, handle: Handle) -> Terminal:
        """A shell of the container's own user in a running container, under its limits: bash where the image has it, else sh.

        Raises RuntimeFault(no_shell) where the image has none, (no_terminal) where the container does not run.
        """

    def hang_up(self, handle: Handle, mark: str) -> None:
        """End a shell: HUP, a moment, KILL. Hanging up one that has ended, or whose container is gone, is success."""

    def usage(self, handle: Handle) -> Iterator[Usage]:
        """Samples as the engine streams them (about one a second), until the container ends."""

    def written(self, handle: Handle) -> int:
        """Bytes that it has written into its own copy of the image (a writable root); 0 for one that is gone."""

    def published(self, handle: Handle) -> tuple[PublicPort, ...]:
        """Where the public ports of a running container are reached, in the order of its spec's; none for one that is gone."""

    def stop(self, handle: Handle, grace_s: float) -> None:
        """TERM, grace, KILL. Stopping what is gone is success."""

    def pause(self, handle: Handle) -> None:
        """Let it stand still, with all it holds; it still reads as Running. Pausing what is paused or gone is success."""

    def resume(self, handle: Handle) -> None:
        """Let it go on. Resuming what is not paused, or gone, is success. stop resumes first, so that TERM arrives."""

    def remove(self, handle: Handle) -> None:
        """Forget the container. Removing what is gone is success."""

    def owned(self, label: str, value: str) -> list[Handle]:
        """Every container, in any state, that carries this label with this value."""

    def make_network(self, name: str, labels: Mapping[str, str], *, size: int) -> None:
        """A private network for `size` containers that reach one another and nothing else. One that is there will do.

        Raises RuntimeFault(start_refused): no room for one more (retry), or a network of that name that is not ours.
        """

    def remove_network(self, name: str) -> None:
        """Forget the network. Removing one that is gone, or was never, is success."""

    def owned_networks(self, label: str, value: str) -> list[str]:
        """The names of networks that carry this label with this value."""

    def image(self, reference: str, *, pull: bool, login: RegistryLogin | None = None) -> ImageInfo:
        """Look an image up here, and else (if `pull`) fetch it, with the login where it is of the image's registry.

        Raises RuntimeFault naming the image.
        """

    def read_file(self, image: str, path: str, limit_bytes: int) -> bytes | None:
        """A regular file of an image that is here, links within the image followed; nothing of the image is run.

        None where there is none, or it is larger than the limit. Raises RuntimeFault(image_missing, engine_away).
        """

    def export(self, reference: str) -> Generator[bytes, None, None]:
        """An image that is here as the stream of `docker save`: a tar of its layers and manifest. Raises RuntimeFault."""

    def ping(self) -> str:
        """The engine's name and version. Raises RuntimeFault(engine_away)."""
