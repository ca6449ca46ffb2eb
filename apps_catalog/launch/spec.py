"""The launch spec: what a version becomes after parsing, whatever its format; and what is made of it.

Everything here is a frozen value. Readers (appdef.py, later bytenite.py) make a LaunchSpec; validate.py makes
a Launch from a LaunchSpec and a Submission; plan.py makes a RunPlan from a Launch and the Site's answers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from apps_catalog.launch.findings import Fault, Finding, Json, Level
from apps_catalog.launch.parameters import Parameter


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
    """A folder the container sees. kind: `vault` (/data), `results` (/results), `home` ($HOME and workdir), `tmp` (tmpfs).

    Of a stage: `base` (its folder, with what it writes), `bundle` (its code), `source` (the imported files), `chunk` (one
    file), `gathered` (the files of all tasks), `shared_cache` and `user_cache`.
    """

    kind: Literal[
        "vault",
        "results",
        "home",
        "tmp",
        "base",
        "bundle",
        "source",
        "chunk",
        "gathered",
        "shared_cache",
        "user_cache",
    ]
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
    network: Literal["none", "outgoing"]
    slave_memory_mib: int = 0
    slave_gpus: int = 0


@dataclass(frozen=True)
class RunPlan:
    """What exactly will be executed. The preview is this plan; argv is a list to the end.

    `authored` are the indexes of words that are the author's text: the tokens that have a value of their own in each job
    (%JOBNAME%, %RANDOM64%, %APIKEY%, ...) stay in them as written, and `binding.bind` fills them in when it starts. So
    the plan is equal for equal submissions, and holds no secret. `expanded` are those of them that a shell in the
    container expands; in them `$(name)` of one of `names` is the value of that variable. `tokens` are values that are
    known already but may not stand in a word before its other tokens are filled in. `withheld` names the tokens that
    stay as they are, because the app is neither certified nor the submitter's. `secrets` are names: their values are
    fetched when it starts. `cores` and `memory_mib` of the limits
    are of one node; there are `nodes` of them.
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
    names: tuple[str, ...] = ()
    tokens: Mapping[str, str] = field(default_factory=dict)
    withheld: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """A dict of JSON types only; `from_json` gives an equal plan back."""
        made = asdict(self)
        if not self.secrets:
            del made["secrets"]  # only bundles have some: the plans of AppDefs stay, digest and all, what they were
        return json.loads(json.dumps(made))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, raw: Mapping[str, Json]) -> RunPlan:
        """A plan as `as_json` wrote it, or as an earlier release did: what that did not have is as if left out."""
        known = {name.name for name in fields(cls)}
        made: dict[str, Any] = {name: value for name, value in raw.items() if name in known}
        for name in ("argv", "authored", "expanded", "names", "withheld", "secrets"):
            made[name] = tuple(made.get(name, ()))
        for name, kind in (("files", PlanFile), ("mounts", PlanMount), ("variables", PlanVariable)):
            made[name] = tuple(kind(**one) for one in made.get(name, ()))
        return cls(**{**made, "env": dict(made["env"]), "limits": PlanLimits(**made["limits"])})

    @property
    def digest(self) -> str:
        """sha256 over the canonical JSON: equal plans, whatever door they came through, have equal digests."""
        text = json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


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
