"""Bundles for tests: code in the store, a version that names it, and jobs in stages made of them."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import zipfile
from collections.abc import Mapping
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from apps_catalog.models import App, Version
from jobs import claim, mounts, stages
from jobs.models import Attempt, Host, Job, JobStage, MachineType
from jobs.outcomes import Chunk, Outcome
from jobs.services import fan_out
from jobs.services.fan_out import FanOut
from jobs.states import Stage
from portal.people.models import User
from tests.factories import make_app, make_host, make_machine, make_version

_numbers = itertools.count(1)
PASSES = "print('done')\n"


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return into.getvalue()


def make_bundle(
    role: str = "app",
    code: str = PASSES,
    *,
    files: Mapping[str, str] | None = None,
    schema: Mapping[str, Any] | None = None,
    **manifest: Any,
) -> Version:
    """A version of a bundle of one file app/main.py (or of `files`, below app/), which everyone may use. It asks for less
    than any machine type has, unless `device_requirements` says otherwise."""
    name = manifest.pop("name", f"{role}-bundle-{next(_numbers)}")
    over = {key: manifest.pop(key) for key in ("image_pinned", "app", "state", "label", "minor") if key in manifest}
    device = {"min_cpu": 1, "min_memory": 0.0625} | manifest.pop("device_requirements", {})
    definition = {"name": name, "version": "1.0", "type": role, "device_requirements": device, **manifest}
    schema_text = json.dumps(schema) if schema is not None else ""
    data = zipped(
        {f"app/{path}": text for path, text in (files or {"main.py": code}).items()}
        | {"manifest.json": json.dumps(definition)}
    )
    mounts.mark()
    digest = hashlib.sha256(data).hexdigest()
    stored = f"bundles/{digest}.zip"
    if not default_storage.exists(stored):
        default_storage.save(stored, ContentFile(data))
    app = over.pop("app", None) or make_app(slug=name, name=name, kind=App.Kind.BYTENITE, role=role)
    kept: dict[str, Any] = {
        "label": "1.0",
        "bundle": stored,
        "bundle_digest": digest,
        "bundle_bytes": len(data),
        "major": 1,
        "minor": 0,
    }
    return make_version(app, definition=definition, schema_text=schema_text, **kept | over)


def asked(**over: Any) -> FanOut:
    """A job with a partitioner and an assembler that pass, unless said otherwise."""
    parts: dict[str, Any] = {"app": None, "partitioner": True, "assembler": True, **over}
    for name, role in (("app", "app"), ("partitioner", "partitioner"), ("assembler", "assembler")):
        if parts[name] is True or (name == "app" and parts[name] is None):
            parts[name] = make_bundle(role)
    return FanOut(**parts)


def submit(owner: User, **over: Any) -> Job:
    make_machine()
    return fan_out.submit(owner=owner, asked=asked(**over)).job


def begin(job: Job, machine: MachineType | None = None) -> Attempt:
    """The next attempt that a slot would take up; it must be of this job."""
    host = Host.objects.first() or make_host()
    machine = machine or make_machine()
    attempt = claim.claim(host=host, incarnation=host.incarnation, machine_id=machine.pk, slot=0, prefix="slipway-test")
    assert attempt is not None
    assert attempt.task.job_id == job.number
    return attempt


def done(attempt: Attempt, reason: str = "Finished.", **over: Any) -> None:
    stages.settle(attempt, Outcome(over.pop("failure", None), reason, over.pop("exit_code", 0), **over))


def partitioned(job: Job, chunks: int) -> None:
    """Its partitioner has run and made so many chunks."""
    made = tuple(Chunk(f"chunks/{job.number}/{index}", 10) for index in range(chunks))
    done(begin(job), chunks=made)


def stage(job: Job, which: Stage) -> JobStage:
    return JobStage.objects.get(job=job, stage=which)


def figures(job: Job, which: Stage = Stage.RUN) -> tuple[str, int, int, int, int]:
    """State, total, succeeded, failed, cancelled."""
    row = stage(job, which)
    return row.state, row.total, row.succeeded, row.failed, row.cancelled
