"""People and rows for tests, with defaults that are good enough: make_job(owner=...), make_version(definition=...)."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from typing import Any

from django.utils import timezone

from apps_catalog.models import App, ImageImport, ImportRun, Version
from jobs import mounts
from jobs.models import Attempt, Host, Job, JobTemplate, MachineType, OwnerLoad, Result, Task, Upload, Vault
from jobs.states import ATTEMPT_OPEN, JOB_TERMINAL, TASK_TERMINAL, AttemptState, JobState, TaskState
from portal.people import secrets
from portal.people.models import Membership, Secret, Team, User

_numbers = itertools.count(1)
PASSWORD = "a long enough one"
DEFINITION: dict[str, Any] = {
    "name": "Pi by chance",
    "description": "Throws darts.",
    "author": "Slipway",
    "licensed": True,
    "classifications": ["Mathematics/Monte Carlo"],
    "machines": ["n*"],
    "vault-types": ["FILE", "NONE"],
    "commands": {
        "throw": {
            "path": "/usr/bin/python3",
            "name": "Throw",
            "description": "Throws them.",
            "parameters": {
                "darts": {
                    "name": "Darts",
                    "description": "How many.",
                    "type": "RANGE",
                    "positional": True,
                    "required": True,
                    "min": 10,
                    "max": 1000,
                    "step": 10,
                    "value": 100,
                },
                "-seed": {
                    "name": "Seed",
                    "description": "Of chance.",
                    "type": "INT",
                    "positional": False,
                    "required": False,
                    "min": 0,
                    "max": 99,
                },
            },
        }
    },
}


def make_person(username: str = "", **over: Any) -> User:
    name = username or f"person{next(_numbers)}"
    return User.objects.create(username=name, email=over.pop("email", f"{name}@example.org"), **over)


def make_team(*members: User, name: str = "") -> Team:
    number = next(_numbers)
    team = Team.objects.create(name=name or f"Team {number}", slug=f"team-{number}")
    Membership.objects.bulk_create(Membership(team=team, user=member) for member in members)
    return team


def make_machine(name: str = "n1", **over: Any) -> MachineType:
    return MachineType.objects.get_or_create(name=name, defaults=over)[0]


def make_host(name: str = "one", **over: Any) -> Host:
    fields: dict[str, Any] = {"serves": {"n1": 2}, "heartbeat_at": timezone.now(), "started_at": timezone.now()}
    return Host.objects.create(name=name, **fields | over)


def make_version(app: App | None = None, *, definition: dict[str, Any] | None = None, **over: Any) -> Version:
    """A published version that can be launched, of an app that everyone sees; it is the app's default."""
    text = json.dumps(definition or DEFINITION)
    app = app or make_app()
    fields: dict[str, Any] = {
        "label": f"1.{next(_numbers)}",
        "state": Version.State.PUBLISHED,
        "image": "slipway-python:bookworm",
        "image_pinned": "sha256:" + "0" * 64,
        "image_state": Version.ImageState.FOUND,
        "published_at": timezone.now(),
    }
    version = Version.objects.create(
        app=app, definition=text, digest=Version.digest_of(text, over.get("schema_text", "")), **fields | over
    )
    if version.state == Version.State.PUBLISHED:
        app.default_version, app.published = version, True
        app.save()
    return version


def make_app(**over: Any) -> App:
    fields: dict[str, Any] = {"slug": f"app-{next(_numbers)}", "name": "Pi by chance", "summary": "Throws darts."}
    return App.objects.create(**fields | over)


def make_image_import(actor: User, **over: Any) -> ImageImport:
    fields: dict[str, Any] = {"image": "docker.io/acme/echo:1"}
    return ImageImport.objects.create(actor=actor, **fields | over)


def make_import_run(**over: Any) -> ImportRun:
    return ImportRun.objects.create(**over)


def make_vault(owner: User | Team, **over: Any) -> Vault:
    number = next(_numbers)
    whose = {"owner": owner} if isinstance(owner, User) else {"team": owner}
    fields: dict[str, Any] = {"name": f"vault-{number}", "folder": f"v{number}"} | whose
    return Vault.objects.create(**fields | over)


def make_secret(whose: User | Team, name: str = "S3_RESULTS", kind: str = "value", **parts: str) -> Secret:
    held = parts or {"value": "open sesame"}
    who = {"user": whose} if isinstance(whose, User) else {"team": whose}
    return secrets.set_secret(name=name, kind=kind, parts=held, **who)


def make_upload(owner: User, **over: Any) -> Upload:
    fields: dict[str, Any] = {
        "name": "case.csv",
        "complete": True,
        "expires_at": timezone.now() + timedelta(hours=1),
    }
    return Upload.objects.create(owner=owner, **fields | over)


def make_job(owner: User, *, state: JobState = JobState.QUEUED, **over: Any) -> Job:
    """A job of one task in `state`, counted in its owner's load."""
    version = over.pop("version", None) or make_version()
    machine = over.pop("machine_type", None) or make_machine()
    now = timezone.now()
    fields: dict[str, Any] = {
        "command": "throw",
        "parameters": {"darts": 100},
        "walltime_s": 3600,
        "plan": {},
        "plan_digest": "0" * 64,
        "started_at": None if state == JobState.QUEUED else now,
        "finished_at": now if state in JOB_TERMINAL else None,
        "failure_class": "user" if state == JobState.FAILED else "",
    }
    job = Job.objects.create(owner=owner, version=version, machine_type=machine, state=state, **fields | over)
    load, _ = OwnerLoad.objects.get_or_create(owner=owner)
    load.queued += state == JobState.QUEUED
    load.running += state == JobState.RUNNING
    load.save()
    make_task(job)
    return job


def make_template(owner: User, **over: Any) -> JobTemplate:
    fields: dict[str, Any] = {"slug": f"template-{next(_numbers)}", "app": "some-app"}
    return JobTemplate.objects.create(owner=owner, **fields | over)


def make_task(job: Job, **over: Any) -> Task:
    same = {JobState.QUEUED: TaskState.READY, JobState.DRAFT: TaskState.HELD}
    state = same.get(JobState(job.state)) or TaskState(job.state)
    fields: dict[str, Any] = {"state": state, "machine_type": job.machine_type, "owner": job.owner}
    if state == TaskState.RUNNING:
        fields |= {"host": over.pop("host", None) or Host.objects.first() or make_host(), "attempt_number": 1}
    task = Task.objects.create(job=job, **fields | over)
    if task.state not in (TaskState.READY, TaskState.HELD):
        make_attempt(task)
    return task


def make_attempt(task: Task, **over: Any) -> Attempt:
    ended = task.state in TASK_TERMINAL
    fields: dict[str, Any] = {
        "number": task.attempt_number or 1,
        "name": f"slipway-{task.pk}-{task.attempt_number or 1}",
        "state": AttemptState.EXITED if ended else AttemptState.RUNNING,
        "host": task.host or Host.objects.first() or make_host(),
        "walltime_s": task.job.walltime_s,
        "started_at": timezone.now(),
    }
    fields |= over
    if fields["state"] not in ATTEMPT_OPEN:
        fields.setdefault("ended_at", timezone.now())
    return Attempt.objects.create(task=task, **fields)


def make_result(job: Job, path: str = "pi.txt", data: bytes = b"3.14\n", **over: Any) -> Result:
    """A result whose bytes are in the store."""
    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage

    task = over.pop("task", None) or job.tasks.get()
    mounts.mark()
    stored = default_storage.save(f"results/{job.number}/{path}", ContentFile(data))
    return Result.objects.create(job=job, task=task, path=path, size=len(data), stored=stored, **over)
