"""The one judge of jobs in stages, whatever door they come through: all faults at once, with pointers."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

from apps_catalog.launch.document import text_fault
from apps_catalog.launch.positions import join
from apps_catalog.launch.requirements import cheapest, satisfies, why_none, why_not
from apps_catalog.launch.spec import Fault, Identity, Json, LaunchSpec, Requirements, RunPlan, Site, VaultMount
from apps_catalog.launch.stage_plan import stage_plan
from apps_catalog.models import App, Version
from apps_catalog.services import not_launchable, spec_of
from apps_catalog.services.tags import usable_by
from jobs import fan_config, sources, stage_secrets
from jobs.fan_config import Config
from jobs.models import Job, MachineType
from jobs.services.fan_out.asking import SECTIONS, FanOut, fan_out_of
from jobs.services.fan_out.machines import Machines
from jobs.services.fan_out.parameters import values_of
from jobs.services.identities import persona
from jobs.services.resolving import size_of
from jobs.states import Stage
from portal.errors import Conflict
from portal.people.models import User

NAME_MAX, DESCRIPTION_MAX = 200, 10_000


@dataclass(frozen=True)
class StageJudged:
    """One stage as it will run. `plan` None: passthrough."""

    version: Version | None
    machine: MachineType
    machine_asked: str
    plan: RunPlan | None


@dataclass(frozen=True)
class Judged:
    """A job in stages that was found good."""

    stages: Mapping[Stage, StageJudged]
    config: Config


def check(what: Job | FanOut, *, owner: User | None = None) -> list[Fault]:
    """Everything that is wrong with a draft, or with what is asked for by `owner` (which a FanOut needs)."""
    found = judge(what, owner=owner)
    return found if isinstance(found, list) else []


def judge(what: Job | FanOut, *, owner: User | None = None) -> Judged | list[Fault]:
    """The stages as they would run, or all faults."""
    asked = fan_out_of(what) if isinstance(what, Job) else what
    owner = what.owner if isinstance(what, Job) else owner
    if owner is None:
        raise TypeError("A FanOut is judged for somebody: name the owner.")
    faults = [*text_faults(asked), *fan_config.faults_of(asked.config), *_shape_faults(asked)]
    faults += _end_faults(asked, owner)
    config = Config.of(asked.config if isinstance(asked.config, Mapping) else {})
    machines = Machines.here()
    stages = {}
    for stage in Stage:
        version = asked.version(stage)
        row, wrong = _stage(asked, stage, version, owner, machines, config)
        faults += wrong
        if row is not None:
            stages[stage] = row
    if faults or len(stages) < len(Stage):
        return faults
    return Judged(stages, config)


def _stage(
    asked: FanOut, stage: Stage, version: Version | None, owner: User, machines: Machines, config: Config
) -> tuple[StageJudged | None, list[Fault]]:
    name = asked.machines.get(str(stage)) or "" if isinstance(asked.machines, Mapping) else ""
    name = name if isinstance(name, str) else ""
    if version is None:
        faults = _unused(asked, stage)
        machine, wrong = _machine(Requirements(0, 0), SECTIONS[stage], stage, name, machines)
        row = None if machine is None else StageJudged(None, machine, name, None)
        return row, [*faults, *wrong]
    faults = _version_faults(stage, version, owner)
    if faults:
        return None, faults
    spec = spec_of(version)
    section = SECTIONS[stage]
    faults += stage_secrets.faults_of(spec, owner, f"/{section}")
    values = values_of(spec, asked.section(stage), f"/params/{section}", asked.alternatives.get(section, {}))
    if isinstance(values, list):
        faults, values = [*faults, *values], {}
    machine, wrong = _machine(spec.requirements or Requirements(), spec.name, stage, name, machines)
    faults += wrong
    if machine is None or faults:
        return None, faults
    plan = _plan(spec, stage, values, version, machine, owner, config)
    return StageJudged(version, machine, name, plan), []


def _plan(
    spec: LaunchSpec,
    stage: Stage,
    values: Mapping[str, Json],
    version: Version,
    machine: MachineType,
    owner: User,
    config: Config,
) -> RunPlan:
    who, _ = persona(Identity(), version=version, vault=None, vault_readonly=True)
    usual = min(settings.WALLTIME_DEFAULT_HOURS, settings.WALLTIME_MAX_HOURS) * 3600
    site = Site(
        image=version.image_pinned or version.image,
        machine=size_of(machine, version),
        vault=VaultMount("", "NONE"),
        uid=who.uid,
        gid=who.gid,
        user=owner.username,
        username=who.username,
        group=who.group,
        runs_as_root=version.runs_as_root,
        writable_root=version.writable_root,
    )
    walltime_s = config.task_timeout_s if stage == Stage.RUN else usual
    return stage_plan(spec, str(stage), values, site, walltime_s=walltime_s)


def _version_faults(stage: Stage, version: Version, owner: User) -> list[Fault]:
    """Whether this version may be that stage of a job of this person's, and can be launched now."""
    section = SECTIONS[stage]
    app = version.app
    if not App.objects.filter(usable_by(owner), pk=app.pk).exists():
        return [Fault(f"/{section}", "unknown", "There is no such bundle, or it is not yours to see.")]
    if app.kind != App.Kind.BYTENITE or app.role != section:
        said = f"'{app.slug}' is not an {section}" if section[0] == "a" else f"'{app.slug}' is not a {section}"
        kind = "an AppDef" if app.kind != App.Kind.BYTENITE else f"a bundle for: {app.role}"
        return [Fault(f"/{section}", "role", f"{said} but {kind}. Choose another.")]
    if reason := not_launchable(version):
        return [Fault(f"/{section}", "not_launchable", reason)]
    try:
        spec_of(version)
    except Conflict as refused:
        return [Fault(f"/{section}", refused.code, refused.message)]
    return []


def _machine(
    wanted: Requirements, bundle: str, stage: Stage, name: str, machines: Machines
) -> tuple[MachineType | None, list[Fault]]:
    """The machine type of this name (or alias), else the cheapest that fits."""
    pointer = f"/machines/{stage}"
    if not name:
        best = cheapest(wanted, machines.offers)
        if best is None:
            return None, [Fault(pointer, "no_machine", why_none(bundle, wanted, machines.offers))]
        return machines.rows[best.name], []
    row = machines.named(name)
    if row is None:
        near = difflib.get_close_matches(name, machines.rows, n=1)
        advice = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(list(machines.rows)[:8]) or 'none'}."
        return None, [Fault(pointer, "unknown_machine", f"There is no machine type {name[:60]!r}. {advice}")]
    offer = machines.offer(row)
    if not satisfies(offer, wanted):
        return None, [Fault(pointer, "machine_refused", why_not(bundle, wanted, offer))]
    return row, []


def _shape_faults(asked: FanOut) -> list[Fault]:
    """Parts that are not objects, and keys in them that mean nothing."""
    faults = []
    known = {"/params": (asked.parameters, SECTIONS.values()), "/machines": (asked.machines, map(str, Stage))}
    for pointer, (given, keys) in known.items():
        if not isinstance(given, Mapping):
            faults.append(Fault(pointer, "type", "must be an object"))
            continue
        names = tuple(keys)
        for key in given:
            if key not in names:
                said = f"is none of {', '.join(names)}"
                faults.append(Fault(join(pointer, str(key)[:100]), "unknown", said))
    if isinstance(asked.machines, Mapping):
        for key, value in asked.machines.items():
            if not isinstance(value, str):
                faults.append(Fault(join("/machines", str(key)), "type", "must be the name of a machine type"))
    return faults


def _unused(asked: FanOut, stage: Stage) -> list[Fault]:
    """Parameters for a stage that runs nothing would be lost without a word."""
    given = asked.section(stage) if isinstance(asked.parameters, Mapping) else {}
    pointer = f"/params/{SECTIONS[stage]}"
    if not isinstance(given, Mapping):
        return [Fault(pointer, "type", "must be an object")]
    if given:
        return [Fault(pointer, "unused", f"are for a {SECTIONS[stage]}, and this job has none: it is passthrough")]
    return []


def _end_faults(asked: FanOut, owner: User) -> list[Fault]:
    """What the source and the destination have to say of themselves."""
    found = sources.source_of(asked.source, owner), sources.destination_of(asked.destination, owner)
    return [fault for faults in found if isinstance(faults, list) for fault in faults]


def text_faults(asked: FanOut) -> list[Fault]:
    """What is wrong with the name and the description, which clients may send as anything."""
    faults = []
    for pointer, text, most in (("/name", asked.name, NAME_MAX), ("/description", asked.description, DESCRIPTION_MAX)):
        given: Json = text
        if not isinstance(given, str):
            faults.append(Fault(pointer, "type", "must be a text"))
        elif len(given) > most:
            faults.append(Fault(pointer, "too-long", f"must have at most {most:,} characters"))
        elif text_fault(given):
            faults.append(Fault(pointer, "text", text_fault(given)))
    return faults
