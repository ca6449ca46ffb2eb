"""From a submission to rows: one validator for every door, one commit, then the doorbell."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction

from apps_catalog.judging import judge
from apps_catalog.launch.document import text_fault
from apps_catalog.launch.identity import IDENTITY_KEYS
from apps_catalog.launch.parameters import File
from apps_catalog.launch.parameters import Upload as UploadParameter
from apps_catalog.launch.plan import plan as make_plan
from apps_catalog.launch.run_plan import digest_of_plan
from apps_catalog.launch.spec import (
    Fault,
    Json,
    Launch,
    RunPlan,
    Submission,
)
from apps_catalog.launch.validate import validate
from apps_catalog.models import Version
from apps_catalog.services import accept_eula, eula_address, eula_digest, eula_missing, not_launchable, spec_of
from jobs import limits, placement, vault_locks
from jobs.events import record
from jobs.models import Job, MachineType, Task, Upload
from jobs.services import batches
from jobs.services.once_a_key import keep_key, made_before
from jobs.services.resolving import Resolved, resolve
from jobs.states import JobState, Stage, TaskState
from jobs.uploads import from_base64, once
from portal.errors import Conflict, Invalid, NotFound
from portal.people.models import Team, User

PROJECT_MAX = 200


@dataclass(frozen=True)
class Submitted:
    """`replayed`: the same key came before, and this is the job it made then."""

    job: Job
    replayed: bool


@dataclass(frozen=True)
class Preview:
    """What a submission would run, or everything that is wrong with it. `estimate` is the price of the whole time limit."""

    plan: RunPlan | None
    faults: tuple[Fault, ...]
    machine: MachineType | None = None
    estimate: Decimal | None = None


def submit(
    *,
    owner: User,
    version: Version,
    submission: Submission,
    team: Team | None = None,
    priority: int = 0,
    notify: bool = False,
    rerun_safe: bool = False,
    key: str = "",
    body_digest: str = "",
    via: str = "web",
    retry_of: Job | None = None,
    project: str = "",
    eula: str = "",
) -> Submitted:
    """Accept a submission as a job, whole or not at all. `eula` is the digest of licence terms agreed to in this very act.

    With a `key`, the same key and body give the first job again. Raises Invalid with every fault, Full at the limit of
    queued jobs, Conflict where the version can't be launched, NotFound where the app is not the owner's to see.
    """
    if not batches.runs_scripts(version.app) and not version.app.is_visible_to(owner):
        raise NotFound("There is no such app, or it is not yours to see.")
    _check_project(project)
    with transaction.atomic():
        if found := made_before(owner, key, body_digest):
            return Submitted(found, replayed=True)
        if reason := not_launchable(version):
            raise Conflict(reason, code="not_launchable")
        resolved, launch = _judge(owner, version, submission, eula)
        if eula:
            accept_eula(user=owner, version=version, digest=eula)
        launch = _store_inline_uploads(owner, launch)
        resolved = dataclasses.replace(resolved, uploads=resolved.uploads | _upload_ids(launch))
        job = Job(
            owner=owner,
            team=team,
            version=version,
            priority=priority,
            project=project,
            notify=notify and settings.MAIL_ENABLED,
            rerun_safe=rerun_safe,
            retry_of=retry_of,
            **_asked_for(launch, resolved, submission),
        )
        _write(job, resolved, via)
        keep_key(owner, key, body_digest, job)
        placement.wake({resolved.machine.name})
    return Submitted(job, replayed=False)


def preview(*, owner: User, version: Version, submission: Submission, eula: str = "", dry_run: bool = False) -> Preview:
    """The plan that submitting this would run. Writes nothing; what is wrong comes back as faults.

    A dry run is a curator's, with made-up values: files need not be there, and licence terms not be agreed to.
    """
    if dry_run:
        eula = eula_digest(version)
    try:
        resolved, launch = _judge(owner, version, submission, eula, dry_run=dry_run)
    except Invalid as invalid:
        faults = tuple(Fault(f.pointer, f.code, f.message) for f in invalid.faults)
        return Preview(None, faults)
    plan = make_plan(launch, resolved.site)
    hours = Decimal(plan.limits.walltime_s) / 3600
    estimate = (resolved.machine.price_per_hour * hours * launch.nodes).quantize(Decimal("0.01"))
    return Preview(plan, (), resolved.machine, estimate)


def _judge(
    owner: User, version: Version, submission: Submission, eula: str, *, dry_run: bool = False
) -> tuple[Resolved, Launch]:
    """Both halves of the judgement, so that all faults are told at once: the definition's, and the installation's."""
    spec = spec_of(version)
    resolved, faults = resolve(owner=owner, version=version, spec=spec, submission=submission, dry_run=dry_run)
    machine = resolved.machine if isinstance(resolved, Resolved) else resolved
    if machine is not None:
        submission = dataclasses.replace(submission, machine=machine.name, machine_aliases=tuple(machine.aliases))
    faults = [*faults, *_eula_faults(owner, version, eula)]
    judged = validate(spec, submission, judge)
    if isinstance(judged, list):
        here = {fault.pointer for fault in faults if fault.pointer == "/machine"}  # it knows which there are
        judged = [fault for fault in judged if fault.pointer not in here]
        faults = [*judged, *(f for f in faults if f.pointer not in {other.pointer for other in judged})]
    if faults or not isinstance(resolved, Resolved) or isinstance(judged, list):
        raise Invalid.of(faults, "launching")
    return resolved, judged


def _eula_faults(owner: User, version: Version, agreed: str) -> list[Fault]:
    """Licence terms come first: whatever the door, nobody launches without having agreed to them."""
    if not eula_missing(owner, version) or agreed == eula_digest(version):
        return []
    said = f"has to be agreed to before launching. Read the licence terms and agree to them at {eula_address(version)}"
    return [Fault("/eula", "eula", said)]


def _store_inline_uploads(owner: User, launch: Launch) -> Launch:
    """Base64 text sent for an UPLOAD becomes an upload, so that plans and rows hold an id and never the bytes."""
    values = dict(launch.values)
    for key, parameter in launch.command.parameters.items():
        if isinstance(parameter, UploadParameter) and isinstance(values.get(key), str) and values[key]:
            name = parameter.target.rsplit("/", 1)[-1]
            limit = parameter.size or settings.UPLOAD_LIMIT_MIB * 2**20
            sent = from_base64(owner=owner, name=name, text=values[key], limit_bytes=limit)
            values[key] = {"upload": str(once(sent).pk)}
    return dataclasses.replace(launch, values=values)


def _asked_for(launch: Launch, resolved: Resolved, submission: Submission) -> dict[str, Any]:
    """The columns of a job that say what is run, and at which price."""
    plan = make_plan(launch, resolved.site)
    written = plan.as_json()
    return {
        "command": launch.command.key,
        "parameters": _as_given(submission.parameters, launch),
        "machine_type": resolved.machine,
        "nodes": launch.nodes,
        "price_per_hour": resolved.machine.price_per_hour,
        "vault": resolved.vault,
        "vault_readonly": submission.vault_readonly,
        "identity": _identity(launch, submission),
        "label": launch.label,
        "walltime_s": plan.limits.walltime_s,
        "plan": written,
        "plan_digest": digest_of_plan(written),
    }


def _identity(launch: Launch, submission: Submission) -> dict[str, Json]:
    """What was sent of one, for running again; nothing where the author's own went before it unread."""
    sent = submission.identity if launch.spec.identity is None else None
    return {key: sent[key] for key in sorted(IDENTITY_KEYS) if key in sent} if sent else {}


def _check_project(project: str) -> None:
    if len(project) > PROJECT_MAX or text_fault(project):
        said = text_fault(project) or f"must have at most {PROJECT_MAX} characters"
        raise Invalid.of([Fault("/project", "text", said)], "launching")


def _upload_ids(launch: Launch) -> frozenset[str]:
    parameters = launch.command.parameters
    return frozenset(
        value["upload"]
        for key, value in launch.values.items()
        if isinstance(parameters.get(key), UploadParameter) and isinstance(value, dict)
    )


def _as_given(parameters: Mapping[str, Json], launch: Launch) -> dict[str, Json]:
    """What was sent, for running again; an inline upload by the id it was stored under."""
    uploads = {key for key, p in launch.command.parameters.items() if isinstance(p, UploadParameter | File)}
    return {key: launch.values.get(key, value) if key in uploads else value for key, value in parameters.items()}


def _write(job: Job, resolved: Resolved, via: str) -> None:
    """The rows of a job: it, its first tasks, the first event. Its tasks begin HELD when the owner has no room."""
    in_turn = vault_locks.enter(job.vault)
    first = limits.accept(job.owner_id)
    job.state = JobState.QUEUED
    job.save(force_insert=True)
    if resolved.uploads:
        # Locked, so that retention, which passes locked ones over, can't take them in this very moment.
        uploads = list(Upload.objects.select_for_update().filter(pk__in=resolved.uploads))
        if len(uploads) < len(resolved.uploads):
            raise Conflict("An uploaded file has expired in this moment. Upload it again.", code="unknown_upload")
        job.uploads.set(uploads)
    Task.objects.create(
        job=job,
        stage=Stage.RUN,
        index=0,
        state=TaskState.HELD if in_turn else first,
        waits_for=job.vault if in_turn else None,
        machine_type=resolved.machine,
        owner_id=job.owner_id,
        priority=job.priority,
    )
    record(job.number, "submitted", f"Submitted by {job.owner.username} ({via}).")
    if in_turn:
        vault_locks.turn(job.vault_id)
