"""A job as JARVICE clients read it: its status, and its entry in a list. Numbers are integers; a time not yet come is 0."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from jobs.models import Job
from jobs.states import FailureClass, JobState

SUBMITTED = "SUBMITTED"
HELD = "SEQUENTIALLY QUEUED"
RUNNING = "PROCESSING STARTING"
COMPLETED = "COMPLETED"
FAILED = "COMPLETED WITH ERROR"
CANCELED = "CANCELED"
TERMINATED = "TERMINATED"
# EXEMPT (a job that is not billed) never occurs: nothing is billed here, and a client that waits does not take it as an end.
SUSPENDED = (1, "Suspended by user")
STOPPING = (2, "Stopping")
PLAIN = (0, "")


def status_word(job: Job, *, held: bool) -> str:
    """The status in JARVICE's words. `held`: it waits because its owner has as many jobs running as the limit allows."""
    match job.state:
        case JobState.QUEUED | JobState.DRAFT:
            return HELD if held else SUBMITTED
        case JobState.RUNNING:
            return RUNNING
        case JobState.SUCCEEDED:
            return COMPLETED
        case JobState.CANCELLED:
            return TERMINATED if job.started_at else CANCELED
        case _:
            return TERMINATED if job.failure_class == FailureClass.TIMEOUT else FAILED


def substatus(job: Job) -> tuple[int, str]:
    """Number and words of what a status leaves out."""
    if job.terminal:
        return PLAIN
    if job.cancel_requested_at:
        return STOPPING
    if job.pause_requested_at:
        return SUSPENDED
    return 0, job.reason if job.state == JobState.QUEUED else ""


def status(job: Job, *, held: bool) -> dict[str, Any]:
    """What `status` says of a job."""
    return {
        "job_name": job.name,
        "job_status": status_word(job, held=held),
        "job_substatus": substatus(job)[0],
        "job_submit_time": seconds(job.created_at),
        "job_start_time": seconds(job.started_at),
        "job_end_time": seconds(job.finished_at),
        "job_application": job.version.app.slug,
        "job_command": job.command,
        "job_walltime": clock(job.walltime_s),
        "job_project": job.project or None,
    }


def entry(job: Job, *, held: bool) -> dict[str, Any]:
    """What `jobs` and `teamjobs` say of each job."""
    now = timezone.now()
    began, ended = job.started_at or job.finished_at or now, job.finished_at or now
    wall_s = whole_seconds(ended - began)
    price = float(job.price_per_hour)
    cost = round(float(job.price_per_hour * job.nodes * Decimal(wall_s) / 3600), 4)
    return {
        **status(job, held=held),
        "job_address": "",
        "job_after": "",
        "job_api_submission": submission(job),
        "job_app_discount": 0,
        "job_app_price": 0.0,
        "job_billed": False,
        "job_billing_code": 0,
        "job_dashboard_visible": 1,
        "job_exitcode": exit_code(job),
        "job_label": job.label,
        "job_mc_discount": 0,
        "job_mc_name": job.machine_type.name,
        "job_mc_scale": job.nodes,
        "job_nodes": "",
        "job_number": job.number,
        "job_owner_username": job.owner.username,
        "job_payer": job.owner.username,
        "job_price": price,
        "job_sched_id": 0,
        "job_sched_job_id": str(job.number),
        "job_stats": {
            "app_cost": 0.0,
            "compute_cost": cost,
            "compute_time": wall_s * job.nodes,
            "job_count": 1,
            "queue_time": whole_seconds(began - job.created_at),
            "wall_time": wall_s,
        },
        "job_substatus_text": substatus(job)[1],
    }


def submission(job: Job) -> dict[str, Any]:
    """What was asked for, without any secret of whoever asked. Each machine type is a queue of its own here."""
    return {
        "app": job.version.app.slug,
        "staging": False,
        "checkedout": False,
        "application": {
            "command": job.command,
            "geometry": "",
            "parameters": job.parameters,
            "walltime": clock(job.walltime_s),
        },
        "machine": {"type": job.machine_type.name, "nodes": job.nodes},
        "vault": {"name": job.vault.name if job.vault else "ephemeral", "readonly": job.vault_readonly, "force": False},
        "job_label": job.label,
        "job_project": job.project,
        "queue": job.machine_type.name,
        "user": {"username": job.owner.username},
    }


def keyed(jobs: list[Job], held: Container[int], made: Any) -> dict[str, Any]:
    return {str(job.number): made(job, held=job.number in held) for job in jobs}


def exit_code(job: Job) -> int:
    """0 until it has ended; 1 where it failed and no program said a code."""
    if job.exit_code is not None:
        return job.exit_code
    return 1 if job.state in (JobState.FAILED, JobState.CANCELLED) else 0


def clock(seconds_: int) -> str:
    """HH:MM:SS, with more than two digits of hours where there are more than 99."""
    minutes, second = divmod(seconds_, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}"


def seconds(at: datetime | None) -> int:
    return int(at.timestamp()) if at else 0


def whole_seconds(length: timedelta) -> int:
    return max(int(length.total_seconds()), 0)
