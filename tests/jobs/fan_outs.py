"""Jobs in stages over the runtime in memory: what its containers do to the folders that are mounted in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from jobs.runtimes.base import ContainerSpec
from jobs.runtimes.fake import FakeProgram, FakeRuntime

Step = Callable[[ContainerSpec], "FakeProgram | None"]


def place(spec: ContainerSpec, path: str) -> Path:
    """Where a path of the container lies on this host: the deepest mount that holds it."""
    mount = max((m for m in spec.mounts if f"{path}/".startswith(f"{m.target}/")), key=lambda m: len(m.target))
    return Path(mount.source) / path[len(mount.target) :].lstrip("/") if path != mount.target else Path(mount.source)


def stage_of(spec: ContainerSpec) -> str:
    return spec.argv[2]


def chunks(number: int) -> Step:
    def write(spec: ContainerSpec) -> None:
        for index in range(number):
            (place(spec, "/job/chunks") / f"data_{index}.bin").write_bytes(b"%d\n" % index)

    return write


def result(spec: ContainerSpec) -> None:
    """out.txt holds the chunk."""
    (place(spec, "/job/results") / "out.txt").write_bytes(place(spec, "/job/task/data.bin").read_bytes())


def joined(spec: ContainerSpec) -> None:
    """all.txt holds the tasks' files in the order of a listing."""
    files = sorted(place(spec, "/job/results").iterdir())
    (place(spec, "/job/output") / "all.txt").write_bytes(b"".join(path.read_bytes() for path in files))


@dataclass
class Stages:
    """A program for the runtime: what each stage does when its container is made, and how long it takes."""

    partition: Step = field(default_factory=lambda: chunks(3))
    run: Step = result
    assemble: Step = joined
    duration_s: float = 0.0
    seen: list[ContainerSpec] = field(default_factory=list)

    def __call__(self, spec: ContainerSpec) -> FakeProgram:
        self.seen.append(spec)
        does: Step = getattr(self, stage_of(spec))
        return does(spec) or FakeProgram(duration_s=self.duration_s, lines=(b"out\n",))

    def runtime(self) -> FakeRuntime:
        return FakeRuntime(self)

    def of(self, stage: str) -> list[ContainerSpec]:
        return [spec for spec in self.seen if stage_of(spec) == stage]


def params(spec: ContainerSpec, name: str) -> object:
    return json.loads(spec.env[name])
