"""A job as clients of ByteNite read it: its state, the time of each step, and all that it was made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from django.utils import timezone

from apps_catalog.launch.spec import Json
from jobs import sources
from jobs.bytenite.data_sources import theirs
from jobs.models import Job, JobStage, JobTemplate
from jobs.services.fan_out import tags
from jobs.states import JobState, Stage
from jobs.ten_steps import Reached, current

PREFIX: Final = "JOB_STATE_"
FAILED: Final = "FAILED"


def state_of(job: Job, steps: Sequence[Reached]) -> str:
    """JOB_STATE_NEW to JOB_STATE_COMPLETE; a job that was aborted reads as FAILED, as there is no other word."""
    if job.state in (JobState.FAILED, JobState.CANCELLED):
        return PREFIX + FAILED
    return PREFIX + steps[current(steps)].step


def stamps(job: Job, steps: Sequence[Reached]) -> dict[str, str]:
    """The time of each step that was reached, by the state's name."""
    found = {PREFIX + one.step: when(one.at) for one in steps if one.at is not None}
    if job.state in (JobState.FAILED, JobState.CANCELLED):
        found[PREFIX + FAILED] = when(job.finished_at)
    return {name: at for name, at in found.items() if at}


def when(at: datetime | None) -> str | None:
    """RFC 3339 in UTC, with milliseconds."""
    if at is None:
        return None
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def job_object(
    job: Job, stages: Sequence[JobStage], steps: Sequence[Reached], *, upload_address: str = ""
) -> dict[str, Any]:
    """The whole job. `stages` are its three rows, with their versions; `steps` are those of ten_steps."""
    state = state_of(job, steps)
    run = next(row for row in stages if row.stage == Stage.RUN)
    info = template_info(job.template) if job.template else info_of(stages, job)
    began = job.started_at
    return {
        "id": str(job.number),
        "templateId": info["id"],
        "name": job.label,
        "description": job.description,
        "config": job.config,
        "priority": "EXECUTION_PRIORITY_UNDEFINED",
        "state": state,
        "stateTimestamps": stamps(job, steps),
        "dataSource": theirs(sources.masked(job.source), upload_address=upload_address),
        "dataDestination": theirs(sources.masked(job.destination)),
        "params": params_of(job.parameters),
        "duration": round(((job.finished_at or timezone.now()) - began).total_seconds(), 3) if began else 0,
        "numChunks": run.total,
        "tasksCompleted": run.succeeded,
        "errorMessage": job.reason if state == PREFIX + FAILED else "",
        "createdAt": when(job.created_at),
        "submittedAt": next((when(one.at) for one in steps if one.step == "STARTED" and one.at), None),
        "startedAt": when(began),
        "endedAt": when(job.finished_at),
        "appId": tags.tag_of(job.version),
        "templateInfo": info,
    }


def params_of(given: Json) -> dict[str, Any]:
    known = given if isinstance(given, Mapping) else {}
    return {name: known.get(name, {}) for name in ("partitioner", "app", "assembler")}


def template_info(template: JobTemplate) -> dict[str, Any]:
    """What answers say of a template beside a job."""
    return {
        "id": template.slug,
        "owner": template.owner.username,
        "description": template.description,
        "app": template.app,
        "partitioner": template.partitioner,
        "assembler": template.assembler,
    }


def info_of(stages: Sequence[JobStage], job: Job) -> dict[str, Any]:
    """The same of a job that was made without a template, or whose template is gone."""
    versions = {Stage(row.stage): row.version for row in stages}
    return {
        "id": "",
        "owner": job.owner.username,
        "description": "",
        "app": tags.tag_of(versions[Stage.RUN]),
        "partitioner": tags.tag_of(versions[Stage.PARTITION]),
        "assembler": tags.tag_of(versions[Stage.ASSEMBLE]),
    }


def template_object(template: JobTemplate) -> dict[str, Any]:
    """A template in full."""
    return {
        **template_info(template),
        "name": template.name,
        "createdAt": when(template.created_at),
        "updatedAt": when(template.updated_at),
        "isPublic": template.everyone,
        "userName": template.owner.username,
        "dataSource": theirs(sources.masked(template.source)),
        "dataDestination": theirs(sources.masked(template.destination)),
        "params": params_of(template.parameters),
        "config": template.config,
    }


def page(total: int, offset: int, shown: int) -> dict[str, Any]:
    """`pagination` of a list."""
    return {"total": total, "offset": offset, "hasPrevious": offset > 0, "hasNext": offset + shown < total}
