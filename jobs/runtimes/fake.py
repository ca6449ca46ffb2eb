"""Containers in memory: the whole contract without an engine, for tests and for work on pages. Time passes for real."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Collection, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from jobs.runtimes import references
from jobs.runtimes.base import (
    POST,
    ContainerSpec,
    Exited,
    Handle,
    ImageInfo,
    Kept,
    LogLine,
    Missing,
    Observation,
    Pending,
    RegistryLogin,
    Running,
    RuntimeFault,
    Usage,
    refuse_unsound,
)
from jobs.runtimes.fake_programs import FakeProgram, Program, Stream, by_words, pieces_of, stamp_of
from jobs.runtimes.posts import Record

__all__ = ["FakeProgram", "FakeRuntime", "Program", "by_words"]
_STDOUT: Stream = "stdout"


@dataclass
class _Container:
    spec: ContainerSpec
    program: FakeProgram
    id: str
    pid: int
    started_ns: int = 0  # wall clock, for stamps; 0 = only created
    started: float = 0.0  # monotonic
    paused: float | None = None  # monotonic, since when it stands still
    killed: tuple[float, int] | None = None  # (monotonic time, exit code) where a stop ended it early
    lines: list[tuple[float, LogLine]] = field(default_factory=list)  # each with the time it comes out

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


class FakeRuntime:
    """Thread-safe. A worker that "restarts" gets the same object again and finds its containers by name.

    `program` says what a spec does. `gpus` is how many this host has. `missing` and `registries` make images fail as they
    do with an engine; `private` images ask for their login. `files` are in every image, by their paths. `away()` and
    `back()` are an engine that goes and comes; containers go on meanwhile. `keeps`: whether kept containers may be asked
    for; their tasks are containers here too.
    """

    def __init__(
        self,
        program: Program = by_words,
        *,
        gpus: int = 0,
        missing: Collection[str] = (),
        registries: tuple[str, ...] = ("docker.io",),
        sample_every_s: float = 1.0,
        files: Mapping[str, bytes] | None = None,
        keeps: bool = False,
        private: Mapping[str, RegistryLogin] | None = None,
    ) -> None:
        self.keeps = keeps
        self.held: dict[str, ContainerSpec] = {}  # the kept containers that are there
        self._program = program
        self._gpus = gpus
        self._missing = set(missing)
        self._registries = registries
        self._sample_every_s = sample_every_s
        self._changed = threading.Condition()
        self._containers: dict[str, _Container] = {}
        self._networks: dict[str, dict[str, str]] = {}
        self._serial = 0
        self._is_away = False
        self._files = files or {}
        self._private = private or {}
        self._saved: dict[str, bytes] = {}
        self.started: list[ContainerSpec] = []  # every spec that really started, in order: a test can count
        self.read: list[tuple[str, str]] = []  # every image and path that was asked for

    # -- what a test does to the engine -------------------------------------------------------------------------------

    def keep(self, reference: str, saved: bytes) -> None:
        """Have an image whose bytes, as `docker save` gives them, can be exported."""
        with self._changed:
            self._saved[reference] = saved

    def away(self) -> None:
        self._set_away(True)

    def back(self) -> None:
        self._set_away(False)

    def _set_away(self, is_away: bool) -> None:
        with self._changed:
            self._is_away = is_away
            self._changed.notify_all()

    def kill(self, name: str, code: int = 137) -> None:
        """End a container as an engine's restart does: at once, with nothing said."""
        with self._changed:
            self._kill_at(self._containers[name], time.monotonic(), code)

    # -- starting and ending ------------------------------------------------------------------------------------------

    def start(self, spec: ContainerSpec) -> Handle:
        handle = self.create(spec)
        with self._changed:
            found = self._containers.get(spec.name)
            if found is None:
                message = f"{spec.name!r} was being removed while it was started. Start it again."
                raise RuntimeFault(message, code="start_refused", retry=True)
            if any(found.spec.labels.get(name) != value for name, value in spec.labels.items()):
                message = f"Another container, not ours by its labels, has the name {spec.name!r}. Remove or rename it."
                raise RuntimeFault(message, code="start_refused", retry=False)
            if not found.started_ns:
                self._begin(found)
        return replace(handle, id=found.id)

    def create(self, spec: ContainerSpec) -> Handle:
        """The first half of start, as a worker leaves it that dies between the halves."""
        refuse_unsound(spec)
        with self._changed:
            self._require_engine()
            if spec.name in self._containers:
                return Handle(name=spec.name, adopted=True)
            if spec.image in self._missing:
                raise _image_missing(spec.image, retry=True)
            if any(not 0 <= index < self._gpus for index in spec.gpu_indexes):
                message = f"{spec.name!r} was not started: this host has {self._gpus} GPUs, not {spec.gpu_indexes}."
                raise RuntimeFault(message, code="start_refused", retry=False)
            if spec.private_network and spec.private_network not in self._networks:
                message = f"{spec.name!r} was not started: there is no network {spec.private_network!r}. Make it first."
                raise RuntimeFault(message, code="start_refused", retry=False)
            self._serial += 1
            identity = hashlib.sha256(f"{spec.name} {self._serial}".encode()).hexdigest()
            self._containers[spec.name] = _Container(spec, self._program(spec), identity, pid=1000 + self._serial)
            return Handle(name=spec.name, id=identity, kept=self._hold(spec))

    def _hold(self, spec: ContainerSpec) -> Kept | None:
        """The kept container is there from now on, and its post knows of the task."""
        if spec.kept is None:
            return None
        self.held[spec.kept.name] = spec.kept
        post = next(mount.source for mount in spec.kept.mounts if mount.target == POST)
        Record(Path(post), spec.name).ask(spec)
        return Kept(spec.kept.name, post)

    def _begin(self, container: _Container) -> None:
        program = container.program
        if program.start_fault is not None:
            del self._containers[container.spec.name]
            raise program.start_fault
        container.started, container.started_ns = time.monotonic(), time.time_ns()
        step_s = (program.duration_s if program.lines_s is None else program.lines_s) / (len(program.lines) + 1)
        for index, line in enumerate(program.lines, start=1):
            stream, data = (_STDOUT, line) if isinstance(line, bytes) else line
            after_s = step_s * index
            stamp = stamp_of(container.started_ns + round(after_s * 1e9) + index)
            for piece in pieces_of(data):
                container.lines.append((container.started + after_s, LogLine(stamp, stream, piece)))
        self.started.append(container.spec)
        self._changed.notify_all()

    def wait(self, handle: Handle) -> Exited | Missing:
        with self._changed:
            while True:
                self._require_engine()
                found = self._find(handle)
                if found is None:
                    return Missing()
                if not found.started_ns:
                    message = f"{handle.name!r} was made and never started. Start it."
                    raise RuntimeFault(message, code="start_refused", retry=True)
                left_s = found.ends - found.now
                if left_s <= 0:
                    return found.exited()
                self._changed.wait(left_s if found.paused is None else None)

    def observe(self, handle: Handle) -> Observation:
        with self._changed:
            self._require_engine()
            found = self._find(handle)
            if found is None:
                return Missing()
            if not found.started_ns:
                return Pending()
            return Running(found.pid) if found.now < found.ends else found.exited()

    def stop(self, handle: Handle, grace_s: float) -> None:
        with self._changed:
            self._require_engine()
            found = self._find(handle)
            if found is None or not found.started_ns:
                return
            self._go_on(found)
            now = time.monotonic()
            if found.program.ignores_term or grace_s <= 0:
                self._kill_at(found, now + max(0.0, grace_s), 137)
            else:
                self._kill_at(found, now, 143)
            while self._find(handle) is found and (left_s := found.ends - time.monotonic()) > 0:
                self._changed.wait(left_s)

    def pause(self, handle: Handle) -> None:
        with self._changed:
            self._require_engine()
            found = self._find(handle)
            if found is not None and found.started_ns and found.paused is None and found.now < found.ends:
                found.paused = time.monotonic()
                self._changed.notify_all()

    def resume(self, handle: Handle) -> None:
        with self._changed:
            self._require_engine()
            found = self._find(handle)
            if found is not None:
                self._go_on(found)

    def _go_on(self, container: _Container) -> None:
        container.go_on()
        self._changed.notify_all()

    def _kill_at(self, container: _Container, when: float, code: int) -> None:
        if when < container.ends:
            container.killed = (when, code)
            self._changed.notify_all()

    def remove(self, handle: Handle) -> None:
        with self._changed:
            self._require_engine()
            found = self._find(handle)
            within = [one for one in self._containers.values() if one.spec.kept and one.spec.kept.name == handle.name]
            self.held.pop(handle.name, None)
            for one in within if found is None else [found]:
                del self._containers[one.spec.name]
            self._changed.notify_all()
            if handle.kept is not None:
                Record(Path(handle.kept.post), handle.name).forget()

    # -- looking on ---------------------------------------------------------------------------------------------------

    def follow(self, handle: Handle, since: str = "") -> Iterator[LogLine]:
        position = 0
        while True:
            with self._changed:
                self._require_engine()
                found = self._find(handle)
                if found is None:
                    return
                now = found.now
                due = [line for at, line in found.lines[position:] if at <= min(now, found.ends)]
                ended = bool(found.started_ns) and now >= found.ends
                if not due and not ended:
                    coming = [at for at, _ in found.lines[position : position + 1]]
                    goes_on = found.started_ns and found.paused is None
                    self._changed.wait(min([found.ends, *coming]) - now if goes_on else None)
                    continue
            position += len(due)
            yield from (line for line in due if line.stamp >= since)
            if ended and not due:
                return

    def usage(self, handle: Handle) -> Iterator[Usage]:
        while True:
            with self._changed:
                self._require_engine()
                found = self._find(handle)
                if found is None or not found.started_ns or found.now >= found.ends:
                    return
                ran_s, program = found.now - found.started, found.program
            yield Usage(ran_s * program.cpu_share, program.memory_bytes, program.memory_bytes, pids=1)
            with self._changed:
                self._rest(found)

    def written(self, handle: Handle) -> int:
        with self._changed:
            self._require_engine()
            found = self._find(handle)
            return found.program.written_bytes if found is not None else 0

    def _rest(self, container: _Container) -> None:
        left_s = min(self._sample_every_s, max(0.0, container.ends - container.now))
        self._changed.wait_for(lambda: self._is_away or container.now >= container.ends, left_s)

    def owned(self, label: str, value: str) -> list[Handle]:
        with self._changed:
            self._require_engine()
            ours = [found for found in self._containers.values() if found.spec.labels.get(label) == value]
            return [Handle(name=found.spec.name, id=found.id, adopted=True) for found in ours]

    def make_network(self, name: str, labels: Mapping[str, str], *, size: int) -> None:
        with self._changed:
            self._require_engine()
            found = self._networks.setdefault(name, dict(labels))
            if any(found.get(key) != value for key, value in labels.items()):
                message = f"Another network, not ours by its labels, has the name {name!r}. Remove or rename it."
                raise RuntimeFault(message, code="start_refused", retry=False)

    def remove_network(self, name: str) -> None:
        with self._changed:
            self._require_engine()
            self._networks.pop(name, None)

    def owned_networks(self, label: str, value: str) -> list[str]:
        with self._changed:
            self._require_engine()
            return [name for name, labels in self._networks.items() if labels.get(label) == value]

    def image(self, reference: str, *, pull: bool, login: RegistryLogin | None = None) -> ImageInfo:
        with self._changed:
            self._require_engine()
        if not references.is_image_id(reference):
            references.require_allowed(references.parse_or_refuse(reference), reference, self._registries)
        if reference in self._missing:
            raise _image_missing(reference, retry=not pull)
        if pull and reference in self._private and login != self._private[reference]:
            raise RuntimeFault(f"Image {reference!r} was denied by its registry.", code="image_denied", retry=False)
        return ImageInfo(reference=reference, pinned=self._id_of(reference), size_bytes=2**20, architecture="amd64")

    @staticmethod
    def _id_of(reference: str) -> str:
        digest = reference.rpartition("@")[2]
        if references.is_image_id(digest):
            return digest
        return f"sha256:{hashlib.sha256(reference.encode()).hexdigest()}"

    def export(self, reference: str) -> Generator[bytes, None, None]:
        found = next((name for name in self._saved if reference in (name, self._id_of(name))), None)
        with self._changed:
            self._require_engine()
        if found is None:
            raise _image_missing(reference, retry=True)
        yield from pieces_of(self._saved[found])

    def read_file(self, image: str, path: str, limit_bytes: int) -> bytes | None:
        with self._changed:
            self._require_engine()
            self.read.append((image, path))
        if image in self._missing:
            raise _image_missing(image, retry=True)
        content = self._files.get(path)
        return content if content is not None and len(content) <= limit_bytes else None

    def ping(self) -> str:
        with self._changed:
            self._require_engine()
        return "Fake engine 1"

    # -- within -------------------------------------------------------------------------------------------------------

    def _find(self, handle: Handle) -> _Container | None:
        found = self._containers.get(handle.name)
        return found if found is not None and handle.id in ("", found.id) else None

    def _require_engine(self) -> None:
        if self._is_away:
            raise RuntimeFault("The fake engine is away: call back().", code="engine_away", retry=True)


def _image_missing(reference: str, *, retry: bool) -> RuntimeFault:
    return RuntimeFault(
        f"Image {reference!r} is missing. Pull it, or check its name.", code="image_missing", retry=retry
    )
