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
    `schema` is an author's JSON Schema that describes the parameters in place of `parameters`, which is empty then. It
    was found good by `json_schema.bounds` when it was imported.
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
    schema: Mapping[str, Json] | None = None


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
    # What clients of a JARVICE send; the author's own identity goes before it.
    identity: Mapping[str, Json] | None = None
    # Other names of the machine type: filled in by the installation, never by clients.
    machine_aliases: tuple[str, ...] = ()
    # Of a form: (pointer into the parameters, "oneOf" or "anyOf") -> the alternative chosen, so that faults speak of it.
    alternatives: Mapping[tuple[str, str], int] = field(default_factory=dict)


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
    """What a plan must know of a machine type. The slave figures are of each node but the first; None: as the master."""

    name: str
    cores: int
    ram_mib: int
    gpus: int = 0
    pids: int = 1024
    disk_mib: int = 10240
    network: Literal["none", "bridge"] = "none"
    slave_ram_mib: int | None = None
    slave_gpus: int | None = None


@dataclass(frozen=True)
class VaultMount:
    """The vault of a job as a plan sees it. `source` is resolved by the worker from the vault's id."""

    name: str
    type: Literal["NONE", "FILE", "OBJECT", "BLOCK", "BLOCK_ARRAY"]
    readonly: bool = False


@dataclass(frozen=True)
class Site:
    """What the installation answers for one launch: image, machine, vault, user ids and time limits.

    `user` is the name of whoever submits. `trusted`: the app is certified or theirs, so %APIURL%, %APIUSER% and
    %APIKEY% are filled in. `account` names the account variables that have a value for them; the values themselves are
    fetched when the job starts. The profiles (`runs_as_root`, `writable_root`) are an operator's grant to the version.
    """

    image: str
    machine: MachineSize
    vault: VaultMount
    uid: int
    gid: int
    user: str = ""
    username: str = "nimbix"
    group: str = "nimbix"
    api_url: str = ""
    trusted: bool = False
    account: frozenset[str] = frozenset()
    runs_as_root: bool = False
    writable_root: bool = False
    url_template: str = ""
    walltime_default_s: int = 24 * 3600
    walltime_max_s: int = 7 * 24 * 3600


@dataclass(frozen=True)
class PlanFile:
    """A file that the container finds at `path`: `text`, or the uploaded bytes named by `upload` (an upload id),
    or the bytes that `base64` says. `late`: the text is written anew when the job starts, by `binding.bind`."""

    path: str
    text: str = ""
    upload: str = ""
    mode: int = 0o444
    base64: str = ""
    late: bool = False


@dataclass(frozen=True)
class PlanVariable:
    """One line of jobenv.sh. `authored`: the author's text, in which the tokens of one job are filled in at the start.
    `account`: an account variable; its value is fetched at the start and never stored with the plan."""

    name: str
    value: str = ""
    authored: bool = False
    account: bool = False


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
    slave_memory_mib: int = 0
    slave_gpus: int = 0


@dataclass(frozen=True)
class RunPlan:
    """What exactly will be executed. The preview is this plan; argv is a list to the end.

    `authored` are the indexes of words that are the author's text: the tokens that have a value of their own in each job
    (%JOBNAME%, %RANDOM64%, %APIKEY%, ...) stay in them as written, and `binding.bind` fills them in when it starts. So
    the plan is equal for equal submissions, and holds no secret. `expanded` are those of them that a shell in the
    container expands. `cores` and `memory_mib` of the limits are of one node; there are `nodes` of them.
    """

    image: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    files: tuple[PlanFile, ...]
    mounts: tuple[PlanMount, ...]
    uid: int
    gid: int
    workdir: str
    limits: PlanLimits
    username: str = "nimbix"
    group: str = "nimbix"
    authored: tuple[int, ...] = ()
    expanded: tuple[int, ...] = ()
    variables: tuple[PlanVariable, ...] = ()
    nodes: int = 1
    url: str = ""
    verbose: bool = False
    runs_as_root: bool = False
    writable_root: bool = False

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
            username=raw["username"],
            group=raw["group"],
            authored=tuple(raw["authored"]),
            expanded=tuple(raw["expanded"]),
            variables=tuple(PlanVariable(**v) for v in raw["variables"]),
            nodes=raw["nodes"],
            url=raw["url"],
            verbose=raw["verbose"],
            runs_as_root=raw["runs_as_root"],
            writable_root=raw["writable_root"],
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
    "PlanVariable",
    "Reading",
    "RunPlan",
    "Site",
    "Submission",
    "VaultMount",
]
