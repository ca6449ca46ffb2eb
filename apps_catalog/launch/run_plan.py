"""The run plan: what exactly will be executed, as it is previewed, kept in a row, and bound when a job starts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from apps_catalog.launch.findings import Json


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
class PlanConnect:
    """What people can connect to: a program that serves pages (`web`), a desktop, or the command's own `terminal`.

    `port` is the one that it listens on in the container, 0 for a terminal. `path` is opened there, with its query; the
    tokens that each job has of its own stay in it as written, so that no password is in a plan. `source` says where both
    are from: the command's url, the image's url.txt, the ports of the command, or what is usual.
    """

    kind: Literal["web", "terminal", "desktop"]
    port: int = 0
    path: str = "/"
    source: Literal["url", "image", "ports", "default"] = "default"


@dataclass(frozen=True)
class RunPlan:
    """What exactly will be executed. The preview is this plan; argv is a list to the end.

    `authored` are the indexes of words that are the author's text: the tokens that have a value of their own in each job
    (%JOBNAME%, %RANDOM64%, %APIKEY%, ...) stay in them as written, and `binding.bind` fills them in when it starts. So
    the plan is equal for equal submissions, and holds no secret. `expanded` are those of them that a shell in the
    container expands; in them `$(name)` of one of `names` is the value of that variable. `tokens` are values that are
    known already but may not stand in a word before its other tokens are filled in. `withheld` names the tokens that
    stay as they are, because the app is neither certified nor the submitter's. `secrets` are names: their values are
    fetched when it starts. `cores` and `memory_mib` of the limits are of one node; there are `nodes` of them. `connect` is
    what people can connect to, and `published` the ports that are to be reached at a public address of the host (`8080/tcp`).
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
    connect: PlanConnect | None = None
    published: tuple[str, ...] = ()
    verbose: bool = False
    runs_as_root: bool = False
    writable_root: bool = False
    names: tuple[str, ...] = ()
    tokens: Mapping[str, str] = field(default_factory=dict)
    withheld: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """A dict of JSON types only; `from_json` gives an equal plan back."""
        made = dict(vars(self))
        if not self.secrets:
            del made["secrets"]  # only bundles have some: the plans of AppDefs stay, digest and all, what they were
        # `vars` of the parts, as they are met: `asdict` would copy each of thousands of words by itself.
        return json.loads(json.dumps(made, default=vars))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, raw: Mapping[str, Json]) -> RunPlan:
        """A plan as `as_json` wrote it, or as an earlier release did: what that did not have is as if left out."""
        known = {name.name for name in fields(cls)}
        made: dict[str, Any] = {name: value for name, value in raw.items() if name in known}
        for name in ("argv", "authored", "expanded", "names", "withheld", "secrets", "published"):
            made[name] = tuple(made.get(name, ()))
        for name, kind in (("files", PlanFile), ("mounts", PlanMount), ("variables", PlanVariable)):
            made[name] = tuple(kind(**one) for one in made.get(name, ()))
        made["connect"] = PlanConnect(**made["connect"]) if made.get("connect") else None
        return cls(**{**made, "env": dict(made["env"]), "limits": PlanLimits(**made["limits"])})

    @property
    def digest(self) -> str:
        """sha256 over the canonical JSON: equal plans, whatever door they came through, have equal digests."""
        return digest_of_plan(self.as_json())


def digest_of_plan(written: Mapping[str, Json]) -> str:
    """The digest of the plan that `as_json` wrote so: for who needs both, and would have it written twice."""
    text = json.dumps(written, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
