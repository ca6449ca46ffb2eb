"""The launch spec: what a version becomes after parsing, whatever its format; and what is made of it.

Everything here is a frozen value. Readers (appdef.py, bytenite.py) make a LaunchSpec; validate.py makes
a Launch from a LaunchSpec and a Submission; plan.py makes a RunPlan (run_plan.py) from a Launch and the Site's answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from apps_catalog.launch.findings import Fault, Finding, Json, Level
from apps_catalog.launch.parameters import Parameter
from apps_catalog.launch.run_plan import PlanConnect, PlanFile, PlanLimits, PlanMount, PlanVariable, RunPlan


@dataclass(frozen=True)
class Identity:
    """Who a program is in its container. `uid` and `gid` are None where nobody chose them: then they are the site's."""

    username: str = "nimbix"
    group: str = "nimbix"
    uid: int | None = None
    gid: int | None = None


@dataclass(frozen=True)
class AccountVariable:
    """A variable of jobenv.sh whose value an operator sets on a person or a team.

    `inherit`: the team's value serves where the person has none. `required`: without a value the app does not launch.
    `userowned` is kept and shown, and treated as false, as the specification says.
    """

    key: str
    name: str = ""
    description: str = ""
    userowned: bool = False
    inherit: bool = False
    required: bool = False

    @property
    def label(self) -> str:
        return self.name or self.key


@dataclass(frozen=True)
class Command:
    """One way to run a version: an entry point (words of `path`) and typed parameters, in the author's order.

    `machines`, `scale_max`, `hints` are None where the command does not override the app's.
    `parameters` maps the key exactly as written to its Parameter.
    `cmdscript` is the script itself, decoded and with its first line, "" where there is none.
    `extra` keeps every key of the author's that has no field here.
    `order` is a curator's: keys of parameters in the order in which a form shows them, before the rest; the command line
    keeps the author's.
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
    variables: Mapping[str, AccountVariable] = field(default_factory=dict)
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
    order: tuple[str, ...] = ()
    schema: Mapping[str, Json] | None = None

    @property
    def in_order(self) -> tuple[Parameter, ...]:
        """The parameters as a form shows them."""
        keys = dict.fromkeys((*self.order, *self.parameters))
        return tuple(self.parameters[key] for key in keys if key in self.parameters)


@dataclass(frozen=True)
class Requirements:
    """What a ByteNite bundle asks of a machine: vCPUs, GiB of memory, and any one of these GPU models (none: no GPU)."""

    min_cpu: int = 2
    min_memory_gib: float = 2
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True)
class LaunchSpec:
    """A parsed definition. `digest` is the sha256 of the verbatim text it was read from.

    The fields from `role` on are of ByteNite bundles: `entrypoint` is a file of app/, `secrets` are names, `image` is the
    container that the manifest names ("": none), `private_image` whether a login is needed for it, `major` and `minor` its
    version.
    """

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
    variables: Mapping[str, AccountVariable] = field(default_factory=dict)
    identity: Identity | None = None
    icon_base64: str = ""
    icon_type: str = ""
    definition_version: int | None = None
    extra: Mapping[str, Json] = field(default_factory=dict)
    role: Literal["app", "partitioner", "assembler"] = "app"
    entrypoint: str = ""
    image: str = ""
    requirements: Requirements | None = None
    secrets: tuple[str, ...] = ()
    private_image: bool = False
    major: int = 0
    minor: int = 0

    def machines_of(self, command: Command) -> tuple[str, ...]:
        return self.machines if command.machines is None else command.machines

    def variables_of(self, command: Command) -> Mapping[str, AccountVariable]:
        """The app's account variables and the command's; where both name one, the command's counts."""
        return {**self.variables, **command.variables}


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
    network: Literal["none", "outgoing"] = "none"
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


__all__ = [
    "AccountVariable",
    "Command",
    "Fault",
    "Finding",
    "Identity",
    "Json",
    "Launch",
    "LaunchSpec",
    "Level",
    "MachineSize",
    "PlanConnect",
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
