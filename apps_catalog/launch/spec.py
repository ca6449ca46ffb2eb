"""The launch spec: what a version becomes after parsing, whatever its format; and what is made of it.

Everything here is a frozen value. Readers (appdef.py, later bytenite.py) make a LaunchSpec; validate.py makes
a Launch from a LaunchSpec and a Submission; plan.py makes a RunPlan from a Launch and the Site's answers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from apps_catalog.launch.findings import Fault, Finding, Json, Level
from apps_catalog.launch.parameters import Parameter


@dataclass(frozen=True)
class Command:
    """One way to run a version: an entry point (words of `path`) and typed parameters, in the author's order.

    `machines`, `scale_max`, `hints` are None where the command does not override the app's.
    `parameters` maps the key exactly as written to its Parameter.
    `extra` keeps every key of the author's that has no field here.
    """

    key: str
    name: str
    description: str
    path: tuple[str, ...]
    parameters: Mapping[str, Parameter]
    machines: tuple[str, ...] | None = None
    scale_max: int | None = None
    hints: tuple[str, ...] | None = None
    variables: Mapping[str, Json] = field(default_factory=dict)
    walltime_s: int | None = None
    interactive: bool = False
    publicip: bool = False
    ports: tuple[str, ...] = ()
    noconnect: bool = False
    url: str = ""
    webshell: bool = False
    desktop: bool = False
    verboseinit: bool = False
    cmdscript: str = ""
    mpirun: bool = False
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class LaunchSpec:
    """A parsed definition. `digest` is the sha256 of the verbatim text it was read from."""

    kind: Literal["appdef", "bytenite"]
    digest: str
    name: str
    description: str
    author: str
    categories: tuple[str, ...]
    commands: Mapping[str, Command]
    machines: tuple[str, ...]
    vault_types: tuple[str, ...]
    licensed: bool = True
    scale_max: int | None = None
    hints: tuple[str, ...] = ()
    variables: Mapping[str, Json] = field(default_factory=dict)
    identity: Mapping[str, Json] | None = None
    icon_base64: str = ""
    icon_type: str = ""
    definition_version: int | None = None
    extra: Mapping[str, Json] = field(default_factory=dict)

    def machines_of(self, command: Command) -> tuple[str, ...]:
        return self.machines if command.machines is None else command.machines


@dataclass(frozen=True)
class Reading:
    """What came of reading a definition: a spec unless a finding is an error."""

    spec: LaunchSpec | None
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return self.spec is not None


@dataclass(frozen=True)
class Submission:
    """What a person or a client sends, before any judgement. `parameters` may hold anything JSON can say."""

    command: str
    parameters: Mapping[str, Json] = field(default_factory=dict)
    machine: str = ""
    nodes: int = 1
    vault: str = ""
    vault_readonly: bool = False
    label: str = ""
    walltime_s: int | None = None


@dataclass(frozen=True)
class Launch:
    """A submission found good: values are clean (typed, defaults filled, absent ones left out)."""

    spec: LaunchSpec
    command: Command
    values: Mapping[str, Json]
    machine: str
    nodes: int = 1
    label: str = ""
    walltime_s: int | None = None


@dataclass(frozen=True)
class MachineSize:
    """What a plan must know of a machine type. GPUs are counted per node."""

    name: str
    cores: int
    ram_mib: int
    gpus: int = 0
    pids: int = 1024
    disk_mib: int = 10240
    network: Literal["none", "bridge"] = "none"


@dataclass(frozen=True)
class VaultMount:
    """The vault of a job as a plan sees it. `source` is resolved by the worker from the vault's id."""

    name: str
    type: Literal["NONE", "FILE", "OBJECT", "BLOCK", "BLOCK_ARRAY"]
    readonly: bool = False


@dataclass(frozen=True)
class Site:
    """What the installation answers for one launch: image, machine, vault, user ids and time limits."""

    image: str
    machine: MachineSize
    vault: VaultMount
    uid: int
    gid: int
    job_name: str = ""
    walltime_default_s: int = 24 * 3600
    walltime_max_s: int = 7 * 24 * 3600


@dataclass(frozen=True)
class PlanFile:
    """A file that the container finds at `path`: `text`, or the uploaded bytes named by `upload` (an upload id),
    or the bytes that `base64` says."""

    path: str
    text: str = ""
    upload: str = ""
    mode: int = 0o444
    base64: str = ""


@dataclass(frozen=True)
class PlanMount:
    """A folder the container sees. kind: `vault` (/data), `results` (/results), `home` ($HOME and workdir), `tmp` (tmpfs)."""

    kind: Literal["vault", "results", "home", "tmp"]
    target: str
    readonly: bool = False


@dataclass(frozen=True)
class PlanLimits:
    cores: int
    memory_mib: int
    gpus: int
    pids: int
    disk_mib: int
    walltime_s: int
    network: Literal["none", "bridge"]


@dataclass(frozen=True)
class RunPlan:
    """What exactly will be executed. The preview is this plan; argv is a list to the end."""

    image: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    files: tuple[PlanFile, ...]
    mounts: tuple[PlanMount, ...]
    uid: int
    gid: int
    workdir: str
    limits: PlanLimits

    def as_json(self) -> dict[str, Json]:
        """A dict of JSON types only; `from_json` gives an equal plan back."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, raw: Mapping[str, Json]) -> RunPlan:
        return cls(
            image=raw["image"],
            argv=tuple(raw["argv"]),
            env=dict(raw["env"]),
            files=tuple(PlanFile(**f) for f in raw["files"]),
            mounts=tuple(PlanMount(**m) for m in raw["mounts"]),
            uid=raw["uid"],
            gid=raw["gid"],
            workdir=raw["workdir"],
            limits=PlanLimits(**raw["limits"]),
        )

    @property
    def digest(self) -> str:
        """sha256 over the canonical JSON: equal plans, whatever door they came through, have equal digests."""
        text = json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


__all__ = [
    "Command",
    "Fault",
    "Finding",
    "Json",
    "Launch",
    "LaunchSpec",
    "Level",
    "MachineSize",
    "PlanFile",
    "PlanLimits",
    "PlanMount",
    "Reading",
    "RunPlan",
    "Site",
    "Submission",
    "VaultMount",
]
