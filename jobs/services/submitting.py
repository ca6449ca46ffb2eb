"""From a submission to rows: one validator for every door, one commit, then the doorbell."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.db import connection, transaction

from apps_catalog.judging import judge
from apps_catalog.launch.parameters import File
from apps_catalog.launch.parameters import Upload as UploadParameter
from apps_catalog.launch.plan import plan as make_plan
from apps_catalog.launch.spec import (
    Fault,
    Json,
    Launch,
    RunPlan,
    Submission,
)
from apps_catalog.launch.validate import validate
from apps_catalog.models import App, Version
from apps_catalog.services import not_launchable, spec_of
from jobs import limits, placement
from jobs.events import record
from jobs.models import IdempotencyKey, Job, MachineType, Task, Upload
from jobs.services.resolving import Resolved, resolve
from jobs.states import JobState, Stage
from jobs.uploads import from_base64
from portal.errors import Conflict, Invalid, NotFound
from portal.people.models import Team, User


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
) -> Submitted:
    """Accept a submission as a job, whole or not at all.

    With a `key`, the same key and body give the first job again. Raises Invalid with every fault, Full at the limit of
    queued jobs, Conflict where the version can't be launched, NotFound where the app is not the owner's to see.
    """
    if not App.objects.visible_to(owner).filter(pk=version.app_id).exists():
        raise NotFound("There is no such app, or it is not yours to see.")
    with transaction.atomic():
        if key:
            _serialise(owner, key)
            if earlier := _earlier(owner, key, body_digest):
                return Submitted(earlier, replayed=True)
        if reason := not_launchable(version):
            raise Conflict(reason, code="not_launchable")
        resolved, launch = _judge(owner, version, submission)
        launch = _store_inline_uploads(owner, launch)
        resolved = dataclasses.replace(resolved, uploads=resolved.uploads | _upload_ids(launch))
        plan = make_plan(launch, resolved.site)
        job = Job(
            owner=owner,
            team=team,
            version=version,
            command=launch.command.key,
            parameters=_as_given(submission.parameters, launch),
            machine_type=resolved.machine,
            vault=resolved.vault,
            vault_readonly=submission.vault_readonly,
            label=launch.label,
            priority=priority,
            walltime_s=plan.limits.walltime_s,
            notify=notify and settings.MAIL_ENABLED,
            rerun_safe=rerun_safe,
            plan=plan.as_json(),
            plan_digest=plan.digest,
            retry_of=retry_of,
        )
        _write(job, resolved, via)
        if key:
            IdempotencyKey.objects.create(owner=owner, key=key, body_digest=body_digest, job=job)
        placement.wake({resolved.machine.name})
    return Submitted(job, replayed=False)


def preview(*, owner: User, version: Version, submission: Submission) -> Preview:
    """The plan that submitting this would run. Writes nothing; what is wrong comes back as faults."""
    try:
        resolved, launch = _judge(owner, version, submission)
    except Invalid as invalid:
        faults = tuple(Fault(f.pointer, f.code, f.message) for f in invalid.faults)
        return Preview(None, faults)
    plan = make_plan(launch, resolved.site)
    hours = Decimal(plan.limits.walltime_s) / 3600
    estimate = (resolved.machine.price_per_hour * hours * launch.nodes).quantize(Decimal("0.01"))
    return Preview(plan, (), resolved.machine, estimate)


def _judge(owner: User, version: Version, submission: Submission) -> tuple[Resolved, Launch]:
    """Both halves of the judgement, so that all faults are told at once: the definition's, and the installation's."""
    spec = spec_of(version)
    resolved, faults = resolve(owner=owner, version=version, spec=spec, submission=submission)
    if resolved is not None:
        submission = dataclasses.replace(submission, machine=resolved.machine.name)
    judged = validate(spec, submission, judge)
    if isinstance(judged, list):
        faults = [*judged, *(f for f in faults if f.pointer not in {other.pointer for other in judged})]
    if faults or resolved is None or isinstance(judged, list):
        count = len(faults)
        words = "1 thing to fix" if count == 1 else f"{count} things to fix"
        raise Invalid(f"{words} before launching.", faults=faults)
    return resolved, judged


def _serialise(owner: User, key: str) -> None:
    """One at a time for the same owner and key, until the transaction ends."""
    digest = hashlib.sha256(f"{owner.pk}:{key}".encode()).digest()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (int.from_bytes(digest[:8], "big", signed=True),))


def _earlier(owner: User, key: str, body_digest: str) -> Job | None:
    row = IdempotencyKey.objects.select_related("job__version__app", "job__machine_type").filter(owner=owner, key=key)
    found = row.first()
    if found is None:
        return None
    if found.body_digest != body_digest:
        raise Invalid(
            f"This Idempotency-Key came before with another body, and made job {found.job_id}. Use a new key.",
            code="idempotency_mismatch",
        )
    return found.job


def _store_inline_uploads(owner: User, launch: Launch) -> Launch:
    """Base64 text sent for an UPLOAD becomes an upload, so that plans and rows hold an id and never the bytes."""
    values = dict(launch.values)
    for key, parameter in launch.command.parameters.items():
        if isinstance(parameter, UploadParameter) and isinstance(values.get(key), str) and values[key]:
            name = parameter.target.rsplit("/", 1)[-1]
            limit = parameter.size or settings.UPLOAD_LIMIT_MIB * 2**20
            values[key] = {"upload": str(from_base64(owner=owner, name=name, text=values[key], limit_bytes=limit).pk)}
    return dataclasses.replace(launch, values=values)


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
    load = limits.lock(job.owner_id)
    first = limits.accept(load)
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
        state=first,
        machine_type=resolved.machine,
        owner_id=job.owner_id,
        priority=job.priority,
    )
    record(job.number, "submitted", f"Submitted by {job.owner.username} ({via}).")
