"""Drafts: jobs in stages that can be edited until they are run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.db import transaction

from apps_catalog.launch.bytenite import COMMAND
from apps_catalog.launch.document import text_fault
from apps_catalog.launch.spec import Fault, Json
from apps_catalog.models import Version
from jobs import sources
from jobs.events import record
from jobs.fan_config import Config
from jobs.models import Job, JobStage, MachineType
from jobs.services.fan_out.asking import FanOut, fan_out_of
from jobs.services.fan_out.checking import check, text_faults
from jobs.services.once_a_key import keep_key, made_before
from jobs.services.rights import may_change
from jobs.states import JobState, Stage
from portal.errors import Conflict, Forbidden, Invalid
from portal.people.models import Team, User

PART_BYTES_MAX = 2**20
OBJECTS = {
    "parameters": "/params",
    "source": "/dataSource",
    "destination": "/dataDestination",
    "config": "/config",
    "machines": "/machines",
}


def draft(
    *,
    owner: User,
    asked: FanOut,
    team: Team | None = None,
    project: str = "",
    priority: int = 0,
    notify: bool = False,
    key: str = "",
    body_digest: str = "",
    via: str = "web",
    retry_of: Job | None = None,
) -> Job:
    """A draft, which counts in no limit. With a `key`, the same key and body give the first one again.

    It may be unfinished: what `check` finds is no hindrance, only what can't be stored is. Keys that come with a source or
    a destination are moved into a secret of the owner's. Raises Invalid, and Conflict where there is no machine type.
    """
    _storable(asked)
    with transaction.atomic():
        if found := made_before(owner, key, body_digest):
            return found
        asked = _without_keys(asked, owner)
        job = Job(
            owner=owner,
            team=team,
            version=asked.app,
            command=COMMAND,
            in_stages=True,
            project=project,
            priority=priority,
            notify=notify and settings.MAIL_ENABLED,
            retry_of=retry_of,
            state=JobState.DRAFT,
            plan={},
            plan_digest="",
            tasks_total=0,
            machine_type=_some_machine(),
            **_columns(asked),
        )
        job.save(force_insert=True)
        _keep_stages(job, asked)
        record(job.number, "drafted", f"Drafted by {owner.username} ({via}).")
        keep_key(owner, key, body_digest, job)
    return job


def change(*, job: Job, actor: User, strict: bool = False, **parts: Any) -> Job:
    """Change parts of a draft, each as a field of FanOut. `strict`: refuse what is wrong with the parts that are changed.

    Raises Forbidden, Conflict where it was run already, Invalid.
    """
    with transaction.atomic():
        locked = locked_draft(job, actor, "changed")
        asked = replace(fan_out_of(locked), **parts)
        _storable(asked)
        asked = _without_keys(asked, locked.owner)
        if strict:
            pointers = tuple(OBJECTS.get(name, f"/{name}") for name in parts)
            faults = [fault for fault in check(asked, owner=locked.owner) if fault.pointer.startswith(pointers)]
            if faults:
                raise Invalid.of(faults)
        for name, value in {"version": asked.app, **_columns(asked)}.items():
            setattr(locked, name, value)
        locked.save()
        _keep_stages(locked, asked)
    return locked


def delete_draft(*, job: Job, actor: User) -> None:
    """Forget a draft. Raises Forbidden, and Conflict where it was run already."""
    with transaction.atomic():
        locked_draft(job, actor, "deleted").delete()


def duplicate(*, job: Job, actor: User, via: str = "web") -> Job:
    """A new draft of the actor's that asks for the same as a job in stages, run or not."""
    if not job.in_stages:
        raise Conflict(f"Job {job.number} has no stages. Run it again instead.", code="not_in_stages")
    return draft(owner=actor, asked=fan_out_of(job), project=job.project, priority=job.priority, via=via)


def locked_draft(job: Job, actor: User, what: str) -> Job:
    """The draft's row, locked until the transaction ends. Raises Forbidden, and Conflict where it is no draft any more."""
    if not may_change(job, actor):
        raise Forbidden("Only the owner of a job and operators may change it.")
    locked = Job.objects.select_for_update(of=("self",)).select_related("owner", "version__app", "template")
    found = locked.filter(pk=job.pk).first()
    if found is None or found.state != JobState.DRAFT:
        raise Conflict(f"Job {job.number} is no draft any more, so it can't be {what}.", code="not_a_draft")
    return found


def _columns(asked: FanOut) -> dict[str, Any]:
    return {
        "template": asked.template,
        "label": asked.name,
        "description": asked.description,
        "parameters": asked.parameters,
        "source": asked.source,
        "destination": asked.destination,
        "config": asked.config,
        "walltime_s": Config.of(asked.config).task_timeout_s,
    }


def _without_keys(asked: FanOut, owner: User) -> FanOut:
    """The same with nothing in it that must not be kept in clear."""
    return replace(
        asked,
        source=sources.put_away(asked.source, owner),
        destination=sources.put_destination_away(asked.destination, owner),
    )


def _keep_stages(job: Job, asked: FanOut) -> None:
    """The three rows of a draft. The machine types are provisional: run chooses them."""
    versions: dict[Stage, Version | None] = {stage: asked.version(stage) for stage in Stage}
    machines = asked.machines
    JobStage.objects.bulk_create(
        [
            JobStage(
                job=job,
                stage=stage,
                version=versions[stage],
                machine_type_id=job.machine_type_id,
                machine_asked=str(machines.get(str(stage)) or ""),
            )
            for stage in Stage
        ],
        update_conflicts=True,
        unique_fields=["job", "stage"],
        update_fields=["version", "machine_asked"],
    )


def _some_machine() -> MachineType:
    found = MachineType.objects.order_by("-enabled", "order", "name").first()
    if found is None:
        raise Conflict("There is no machine type here yet. Ask an operator to make one.", code="no_machine")
    return found


def _storable(asked: FanOut) -> None:
    """A draft may be wrong, but its parts are objects of text that a database can keep."""
    faults = []
    for name, pointer in OBJECTS.items():
        given = getattr(asked, name)
        if not isinstance(given, Mapping):
            faults.append(Fault(pointer, "type", "must be an object"))
        elif said := unfit(given):
            faults.append(Fault(pointer, "text", said))
    faults += text_faults(asked)
    if not faults:
        faults += [
            Fault(f"/machines/{stage}", "text", "must be the name of a machine type, at most 40 characters")
            for stage in Stage
            if len(str(asked.machines.get(str(stage)) or "")) > JobStage._meta.get_field("machine_asked").max_length  # type: ignore[operator]
        ]
    if faults:
        raise Invalid.of(faults)


def unfit(given: Json) -> str:
    """Why a database can't keep it, or "" where it can."""
    for text in _texts(given):
        if fault := text_fault(text):
            return fault
    size = len(json.dumps(given, ensure_ascii=False).encode())
    return "" if size <= PART_BYTES_MAX else f"is more than {PART_BYTES_MAX // 1024} KiB; put data into files"


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
