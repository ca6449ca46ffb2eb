"""Docker Engine, with containers that are kept: each task is a fresh process in one, as if it had one of its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, BinaryIO

from jobs.runtimes.base import (
    POST,
    ContainerSpec,
    Exited,
    Handle,
    Kept,
    LogLine,
    Missing,
    Observation,
    Pending,
    Running,
    Usage,
    refuse_unsound,
)
from jobs.runtimes.docker import DockerRuntime
from jobs.runtimes.docker_streams import log_lines
from jobs.runtimes.posts import Bell, Record, records

logger = logging.getLogger(__name__)
BEGINS_S = 30.0  # from the start of a container until its keeper listens, on a busy host
ANSWERS_S = 5.0  # beyond a grace: then the container itself is ended
SAMPLE_S = 1.0
_STEP_S = 0.01
_ASK_S = 0.25  # between two questions to the engine, while a keeper is waited for
_BLOCK_BYTES = 65_536


class KeepingRuntime(DockerRuntime):
    """What DockerRuntime does; and a spec with `kept` runs as a process in that container."""

    keeps = True

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._held: dict[str, Mapping[str, str]] = {}  # the labels of kept containers that ran when we last looked

    # -- starting and ending ------------------------------------------------------------------------------------------

    def start(self, spec: ContainerSpec) -> Handle:
        if spec.kept is None:
            return super().start(spec)
        refuse_unsound(spec)
        kept = Kept(spec.kept.name, next(mount.source for mount in spec.kept.mounts if mount.target == POST))
        record = Record(Path(kept.post), spec.name)
        asked = record.asked
        if not asked:
            self._hold(spec.kept, kept)
            record.ask(spec)
        with suppress(KeeperGone), self._bell(kept):  # whoever waits is told
            pass
        return Handle(spec.name, id=spec.name, adopted=asked, kept=kept)

    def _hold(self, wanted: ContainerSpec, kept: Kept) -> None:
        """Have the container run. One of the name that is made otherwise, or has ended, gives way, with all that is in it."""
        if self._held.get(kept.name) == wanted.labels:
            with suppress(OSError):
                Bell(Path(kept.post)).close()
                return
        found = self._inspect(Handle(kept.name))
        if found is not None:
            labels = found["Config"].get("Labels") or {}
            same = all(labels.get(name) == value for name, value in wanted.labels.items())
            if not same or found["State"]["Status"] not in ("running", "created"):
                self.remove(Handle(kept.name))
                for record in records(Path(kept.post)):
                    record.forget()
        super().start(wanted)
        self._held[kept.name] = wanted.labels

    def wait(self, handle: Handle) -> Exited | Missing:
        if handle.kept is None:
            return super().wait(handle)
        record = _record(handle, handle.kept)
        try:
            while True:
                with self._bell(handle.kept) as bell:
                    while True:
                        if (end := record.ended) is not None:
                            return end
                        if not record.asked:
                            return Missing()
                        if not bell.wait():
                            break
        except KeeperGone as gone:
            # One that was asked for and never begun has not ended with its container: it can be tried elsewhere.
            return record.ended or (gone.end if record.pid else Missing())

    def _bell(self, kept: Kept) -> Bell:
        """A line to the keeper, which hears it. Raises KeeperGone with what became of the container, where there is none."""
        until, ask_at = time.monotonic() + BEGINS_S, 0.0
        while True:
            try:
                return Bell(Path(kept.post))
            except OSError:
                if time.monotonic() >= ask_at:
                    self._demand_running(kept, until)
                    ask_at = time.monotonic() + _ASK_S
            time.sleep(_STEP_S)

    def _demand_running(self, kept: Kept, until: float) -> None:
        match super().observe(Handle(kept.name)):
            case Exited() as end:
                reason = end.reason or "The container that it ran in ended."
                raise KeeperGone(Exited(end.code or 137, end.oom, reason))
            case Missing():
                raise KeeperGone(Missing())
        if time.monotonic() > until:
            logger.warning("The keeper of %s does not answer; its container is ended.", kept.name)
            super().stop(Handle(kept.name), 0)

    def observe(self, handle: Handle) -> Observation:
        if handle.kept is None:
            return super().observe(handle)
        record = _record(handle, handle.kept)
        if not record.asked:
            return Missing()
        if (end := record.ended) is not None:
            return end
        match super().observe(Handle(handle.kept.name)):
            case Running():
                return Running(record.pid) if record.pid else Pending()
            case other:
                return other

    def stop(self, handle: Handle, grace_s: float) -> None:
        if handle.kept is None:
            super().stop(handle, grace_s)
            return
        record = _record(handle, handle.kept)
        if record.over():
            return
        self.resume(handle)
        record.stop(grace_s)
        until = time.monotonic() + grace_s + ANSWERS_S
        try:
            with self._bell(handle.kept) as bell:
                while not record.over() and (left_s := until - time.monotonic()) > 0:
                    if not bell.wait(left_s):
                        return
        except KeeperGone:
            return
        if not record.over():
            logger.warning("The keeper of %s does not end %s; its container is ended.", handle.kept.name, handle.name)
            super().stop(Handle(handle.kept.name), 0)

    def pause(self, handle: Handle) -> None:
        super().pause(_whole(handle))

    def resume(self, handle: Handle) -> None:
        super().resume(_whole(handle))

    def remove(self, handle: Handle) -> None:
        if handle.kept is None:
            self._held.pop(handle.name, None)
            super().remove(handle)
            return
        self.stop(handle, 0)
        _record(handle, handle.kept).forget()

    # -- looking on ---------------------------------------------------------------------------------------------------

    def follow(self, handle: Handle, since: str = "") -> Iterator[LogLine]:
        if handle.kept is None:
            yield from super().follow(handle, since)
        else:
            yield from (line for line in log_lines(self._log(handle, handle.kept)) if line.stamp >= since)

    def _log(self, handle: Handle, kept: Kept) -> Iterator[bytes]:
        record = _record(handle, kept)
        with ExitStack() as opened:
            bell: Bell | None = None
            file: BinaryIO | None = None
            with suppress(KeeperGone):
                bell = opened.enter_context(self._bell(kept))
            while True:
                over = bell is None or record.over()
                file = file or opened.enter_context(record.log())
                while file is not None and (block := file.read(_BLOCK_BYTES)):
                    yield block
                if over:
                    return
                if bell is not None and not bell.wait():
                    bell = None  # once more: what it wrote before it went

    def usage(self, handle: Handle) -> Iterator[Usage]:
        if handle.kept is None:
            yield from super().usage(handle)
            return
        record = _record(handle, handle.kept)
        time.sleep(SAMPLE_S)  # what ends before the first sample has its figures in its end, and needs nobody to listen
        if record.over():
            return
        try:
            with self._bell(handle.kept) as bell:
                at = time.monotonic()
                while not record.over():
                    left_s = at + SAMPLE_S - time.monotonic()
                    if left_s <= 0:
                        at = time.monotonic()
                        if (sample := record.usage) is not None:
                            yield sample
                    elif not bell.wait(left_s):
                        return
        except KeeperGone:
            return

    def written(self, handle: Handle) -> int:
        return super().written(_whole(handle))


class KeeperGone(Exception):
    """Raised where a kept container has no keeper any more."""

    def __init__(self, end: Exited | Missing) -> None:
        super().__init__(str(end))
        self.end = end


def _record(handle: Handle, kept: Kept) -> Record:
    return Record(Path(kept.post), handle.name)


def _whole(handle: Handle) -> Handle:
    """The container itself."""
    return Handle(handle.kept.name) if handle.kept is not None else handle
