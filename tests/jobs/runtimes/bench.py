"""Both runtimes under one bench: a case says what a real container runs, and what the fake does in its place."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from apps_catalog.launch import harness
from jobs.runtimes.base import POST, ContainerSpec, Exited, LogLine, Missing, Mount, PublicPort, Tmpfs
from jobs.runtimes.docker import DockerRuntime
from jobs.runtimes.fake import FakeProgram, FakeRuntime
from tests.jobs.runtimes.saved_images import saved

IMAGE = "slipway-python:bookworm"
LABEL = "slipway.test"
Does = Callable[[ContainerSpec], FakeProgram]


@dataclass
class Bench:
    """A runtime under test."""

    runtime: DockerRuntime | FakeRuntime
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    does: dict[str, Does] = field(default_factory=dict)
    images: list[str] = field(default_factory=list)

    def spec(self, *argv: str, does: FakeProgram | Does | None = None, **over: Any) -> ContainerSpec:
        program = does if does is not None else FakeProgram()
        values: dict[str, Any] = {
            "name": f"contract-{uuid.uuid4().hex}",
            "image": IMAGE,
            "argv": argv,
            "env": {},
            "uid": 505,
            "gid": 505,
            "workdir": "/tmp",
            "tmpfs": (Tmpfs("/tmp", 16),),
            "memory_mib": 64,
            "labels": {LABEL: self.mark},
        }
        spec = ContainerSpec(**values | over)
        self.does[spec.name] = (lambda _: program) if isinstance(program, FakeProgram) else program
        return spec

    def python(self, code: str, *words: str, does: FakeProgram | Does | None = None, **over: Any) -> ContainerSpec:
        return self.spec("python3", "-u", "-c", code, *words, does=does, **over)

    def run(self, spec: ContainerSpec) -> tuple[Exited | Missing, list[LogLine]]:
        handle = self.runtime.start(spec)
        return self.runtime.wait(handle), list(self.runtime.follow(handle))


@dataclass
class KeptBench(Bench):
    """Docker Engine, each spec as a process in a kept container, made as it would be one of its own."""

    root: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="slipway-kept-")))

    def spec(self, *argv: str, does: FakeProgram | Does | None = None, **over: Any) -> ContainerSpec:
        return kept_in(self.root, super().spec(*argv, does=does, **over))


def kept_in(root: Path, spec: ContainerSpec, name: str = "") -> ContainerSpec:
    """The spec as a task of a kept container `name`, whose folder is made below `root`."""
    name = name or f"kept-{spec.name}"
    post = root / name
    post.mkdir(exist_ok=True)
    os.chown(post, spec.uid, spec.gid)
    texts = {"start.py": harness.TEXT, "keeper.py": harness.KEEPER, "remains.py": harness.REMAINS}
    for script, text in texts.items():
        (root / script).write_text(text)
        (root / script).chmod(0o644)
    root.chmod(0o755)
    scripts = (Mount(str(root / script), f"/opt/slipway/{script}", readonly=True) for script in texts)
    kept = replace(
        spec,
        name=name,
        argv=("python3", "/opt/slipway/keeper.py", POST, "/opt/slipway/start.py"),
        env={},
        mounts=(*spec.mounts, Mount(str(post), POST), *scripts),
    )
    return replace(spec, kept=kept)


def make_image(bench: Bench, layer: bytes) -> str:
    """An image of one layer, known to this runtime alone; a real one is taken away with the bench."""
    name = f"slipway-test-{bench.mark[:12]}:1"
    if isinstance(bench.runtime, FakeRuntime):
        bench.runtime.keep(name, saved(layer))
        return name
    bench.runtime._call.import_image_from_data(layer, repository=name.partition(":")[0], tag="1")
    bench.images.append(name)
    return name


def text(lines: list[LogLine], stream: str = "stdout") -> bytes:
    return b"".join(line.data for line in lines if line.stream == stream)


# What must never reach an engine, and a word of what is said.
OUT = {"network": "outgoing"}
UNSOUND: list[tuple[dict[str, Any], str]] = [
    ({"uid": 0}, "uid"),
    ({"gid": 0}, "gid"),
    ({"uid": True}, "uid"),
    ({"uid": "505:0"}, "uid"),
    ({"gid": 2**32 - 1}, "gid"),
    ({"uid": 0, "gid": 0, "as_root": 1}, "uid"),
    ({"uid": "0", "gid": 0, "as_root": True}, "uid"),
    ({"as_root": True}, "granted"),
    ({"uid": 0, "as_root": True}, "granted"),
    ({"argv": ()}, "no program"),
    ({"argv": ("",)}, "no program"),
    ({"argv": ("echo", "a\0b")}, "NUL"),
    ({"argv": ("echo", "\udc80")}, "Unicode"),
    ({"env": {"A=B": "1"}}, "environment"),
    ({"env": {"": "1"}}, "environment"),
    ({"name": "../x"}, "name"),
    ({"workdir": "tmp"}, "absolute"),
    ({"tmpfs": (Tmpfs("/tmp/../etc", 1),)}, "absolute"),
    ({"tmpfs": (Tmpfs("/", 1),)}, "root folder"),
    ({"tmpfs": (Tmpfs("/tmp", 1), Tmpfs("/tmp", 1))}, "one target"),
    ({"cores": 0.0}, "too small"),
    ({"pids": 0}, "too small"),
    ({"pids": -1}, "too small"),
    ({"network": "host"}, "none or outgoing"),
    ({"network": "bridge"}, "none or outgoing"),
    ({"hostname": "Node 1"}, "no name for a host"),
    ({"hostname": "-"}, "no name for a host"),
    ({"private_network": "job"}, "no name for a host"),
    ({"private_network": "../job", "hostname": "node1"}, "no name for a network"),
    ({"memory_mib": 0}, "too small"),
    ({"public": (PublicPort(80, "tcp", "192.0.2.7"),)}, "outgoing network alone"),
    ({"public": (PublicPort(80, "tcp", "192.0.2.7"),), "private_network": "x", "hostname": "n"}, "outgoing network"),
    ({**OUT, "public": (PublicPort(0, "tcp", "192.0.2.7"),)}, "no port"),
    ({**OUT, "public": (PublicPort(True, "tcp", "192.0.2.7"),)}, "no port"),
    ({**OUT, "public": (PublicPort(80, cast("Any", "icmp"), "192.0.2.7"),)}, "no port"),
    ({**OUT, "public": (PublicPort(80, "tcp", ""),)}, "no address"),
    ({**OUT, "public": (PublicPort(80, "tcp", "0.0.0.0"),)}, "no address"),
    ({**OUT, "public": (PublicPort(80, "tcp", "::"),)}, "no address"),
    ({**OUT, "public": (PublicPort(80, "tcp", "example.org"),)}, "no address"),
    ({**OUT, "public": (PublicPort(80, "tcp", "192.0.2.7", 22),)}, "which the engine chooses"),
    ({**OUT, "public": (PublicPort(80, "tcp", "192.0.2.7"), PublicPort(81, "udp", "192.0.2.7"))}, "several protocols"),
    ({**OUT, "public": (PublicPort(80, "tcp", "192.0.2.7"),) * 2}, "is there twice"),
    ({**OUT, "public": tuple(PublicPort(n, "tcp", "192.0.2.7") for n in range(1, 42))}, "more than 40"),
]
