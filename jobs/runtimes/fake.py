"""Containers in memory: the whole contract without an engine, for tests and for work on pages. Time passes for real."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Collection, Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

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
    PublicPort,
    RegistryLogin,
    Running,
    RuntimeFault,
    Terminal,
    Usage,
    refuse_unsound,
)
from jobs.runtimes.fake_images import FakeImages
from jobs.runtimes.fake_programs import Container, FakeProgram, Program, Stream, by_words, pieces, stamp
from jobs.runtimes.fake_terminals import FakeTerminal, LinesTerminal, Shell
from jobs.runtimes.posts import Record

__all__ = ["FakeProgram", "FakeRuntime", "Program", "by_words"]
_STDOUT: Stream = "stdout"


class FakeRuntime:
    """Thread-safe. A worker that "restarts" gets the same object again and finds its containers by name.

    `program` says what a spec does. `gpus` is how many this host has. `missing` and `registries` make images fail as they
    do with an engine; `private` images ask for their login. `files` are in every image, by their paths; images of
    `shell_less` have no shell. `away()` and `back()` are an engine that goes and comes; containers go on meanwhile.
    `keeps`: whether kept containers may be asked for; their tasks are containers here too.
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
        shell_less: Collection[str] = (),
    ) -> None:
        self.keeps = keeps
        self.held: dict[str, ContainerSpec] = {}  # the kept containers that are there
        self._program = program
        self._gpus = gpus
        self._images = FakeImages(set(missing), registries, files or {}, private or {})
        self._sample_every_s = sample_every_s
        self._changed = threading.Condition()
        self._containers: dict[str, Container] = {}
        self._networks: dict[str, dict[str, str]] = {}
        self._serial = 0
        self._is_away = False
        self._shell_less = set(shell_less)
        self._shells: dict[str, Shell] = {}
        self.started: list[ContainerSpec] = []  # every spec that really started, in order: a test can count
        self.read: list[tuple[str, str]] = []  # every image and path that was asked for

    # -- what a test does to the engine -------------------------------------------------------------------------------

    def keep(self, reference: str, saved: bytes) -> None:
        """Have an image whose bytes, as `docker save` gives them, can be exported."""
        with self._changed:
            self._images.saved[reference] = saved

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
            self._images.require(spec.image)
            if any(not 0 <= index < self._gpus for index in spec.gpu_indexes):
                message = f"{spec.name!r} was not started: this host has {self._gpus} GPUs, not {spec.gpu_indexes}."
                raise RuntimeFault(message, code="start_refused", retry=False)
            if spec.private_network and spec.private_network not in self._networks:
                message = f"{spec.name!r} was not started: there is no network {spec.private_network!r}. Make it first."
                raise RuntimeFault(message, code="start_refused", retry=False)
            self._serial += 1
            identity = hashlib.sha256(f"{spec.name} {self._serial}".encode()).hexdigest()
            self._containers[spec.name] = Container(spec, self._program(spec), identity, pid=1000 + self._serial)
            return Handle(name=spec.name, id=identity, kept=self._hold(spec))

    def _hold(self, spec: ContainerSpec) -> Kept | None:
        """The kept container is there from now on, and its post knows of the task."""
        if spec.kept is None:
            return None
        self.held[spec.kept.name] = spec.kept
        post = next(mount.source for mount in spec.kept.mounts if mount.target == POST)
        Record(Path(post), spec.name).ask(spec)
        return Kept(spec.kept.name, post)

    def _begin(self, container: Container) -> None:
        program = container.program
        if program.start_fault is not None:
            del self._containers[container.spec.name]
            raise program.start_fault
        container.started, container.started_ns = time.monotonic(), time.time_ns()
        step_s = (program.duration_s if program.lines_s is None else program.lines_s) / (len(program.lines) + 1)
        for index, line in enumerate(program.lines, start=1):
            stream, data = (_STDOUT, line) if isinstance(line, bytes) else line
            after_s = step_s * index
            when = stamp(container.started_ns + round(after_s * 1e9) + index)
            for piece in pieces(data):
                container.lines.append((container.started + after_s, LogLine(when, stream, piece)))
        if container.spec.terminal and program.typed_to:
            container.shell = Shell(
                self._changed, container.spec.uid, container.is_over, on_line=container.say, on_exit=container.end_now
            )
        container.fresh = container.spec.terminal
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

    def _go_on(self, container: Container) -> None:
        container.go_on()
        self._changed.notify_all()

    def _kill_at(self, container: Container, when: float, code: int) -> None:
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

    def tail(self, handle: Handle, lines: int) -> list[LogLine]:
        with self._changed:
            self._require_engine()
            found = self._find(handle)
            now = min(found.now, found.ends) if found is not None and found.started_ns else 0.0
            return [line for at, line in found.lines if at <= now][-lines:] if found is not None else []

    def attach(self, handle: Handle) -> Terminal:
        with self._changed:
            self._require_engine()
            found = self._find(handle)
            if found is None or not found.fresh:
                found = self._running(handle)
            if not found.spec.terminal:
                raise RuntimeFault(f"{handle.name!r} has no terminal.", code="no_terminal", retry=False)
            fresh, found.fresh = found.fresh, False
            if found.shell is None:
                return LinesTerminal(line.data for line in self.follow(handle))
            return FakeTerminal(found.shell, 0 if fresh else len(found.shell.output))

    def open_shell(self, handle: Handle) -> Terminal:
        with self._changed:
            found = self._running(handle)
            if found.spec.image in self._shell_less:
                raise RuntimeFault("The image of this job has no shell.", code="no_shell", retry=False)
            self._serial += 1
            made = Shell(self._changed, found.spec.uid, found.is_over)
            self._shells[f"shell-{self._serial}"] = made
            return FakeTerminal(made, 0, mark=f"shell-{self._serial}")

    def hang_up(self, handle: Handle, mark: str) -> None:
        with self._changed:
            self._require_engine()
            if (found := self._shells.pop(mark, None)) is not None:
                found.end(129)

    def _running(self, handle: Handle) -> Container:
        self._require_engine()
        found = self._find(handle)
        if found is None or not found.started_ns or found.is_over():
            raise RuntimeFault(f"{handle.name!r} does not run (any more).", code="no_terminal", retry=False)
        return found

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

    def _rest(self, container: Container) -> None:
        left_s = min(self._sample_every_s, max(0.0, container.ends - container.now))
        self._changed.wait_for(lambda: self._is_away or container.now >= container.ends, left_s)

    def published(self, handle: Handle) -> tuple[PublicPort, ...]:
        with self._changed:
            self._require_engine()
            found = self._find(handle)
            if found is None or not found.started_ns or found.now >= found.ends:
                return ()
            return tuple(replace(one, host_port=49_152 + number) for number, one in enumerate(found.spec.public))

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
        return self._images.info(reference, pull=pull, login=login)

    def export(self, reference: str) -> Generator[bytes, None, None]:
        with self._changed:
            self._require_engine()
        yield from self._images.export(reference)

    def read_file(self, image: str, path: str, limit_bytes: int) -> bytes | None:
        with self._changed:
            self._require_engine()
            self.read.append((image, path))
        return self._images.read_file(image, path, limit_bytes)

    def ping(self) -> str:
        with self._changed:
            self._require_engine()
        return "Fake engine 1"

    # -- within -------------------------------------------------------------------------------------------------------

    def _find(self, handle: Handle) -> Container | None:
        found = self._containers.get(handle.name)
        return found if found is not None and handle.id in ("", found.id) else None

    def _require_engine(self) -> None:
        if self._is_away:
            raise RuntimeFault("The fake engine is away: call back().", code="engine_away", retry=True)
