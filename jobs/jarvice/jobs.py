"""Jobs of a person and their teams: lists, status, information, and what is done to one that runs."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

from django.db.models import QuerySet

from apps_catalog.help_pages import cleaned
from jobs import connections, services
from jobs.jarvice import entries
from jobs.jarvice.answers import Endpoint
from jobs.jarvice.calls import Call, malformed
from jobs.jarvice.names import NOT_RUNNING, find_job, find_own_job, shown
from jobs.job_values import password_of
from jobs.models import Job, Task
from jobs.states import JOB_ACTIVE, JOB_TERMINAL, JobState, TaskState
from portal.errors import Conflict, Forbidden, NotFound
from portal.people.models import User

LISTED_MAX = 1000  # the newest; a client gets all it asks for in one answer
SUSPEND, RESUME = 20, 18
FIRST_PROCESS = 1  # of a container: the one that is paused with all others


def held_among(jobs: list[Job]) -> set[int]:
    """The numbers of those that wait because their owner has no room."""
    queued = [job.number for job in jobs if job.state == JobState.QUEUED]
    return set(Task.objects.filter(job__in=queued, state=TaskState.HELD).values_list("job_id", flat=True))


def _listed(call: Call, rows: QuerySet[Job]) -> dict[str, Any]:
    states = JOB_TERMINAL if call.says("completed") else JOB_ACTIVE
    jobs = list(shown(rows).filter(state__in=states).order_by("-number")[:LISTED_MAX])
    return entries.keyed(jobs, held_among(jobs), entries.entry)


def jobs(call: Call, user: User) -> dict[str, Any]:
    return _listed(call, Job.objects.filter(owner=user))


def teamjobs(call: Call, user: User) -> dict[str, Any]:
    """Those of one's own and those shared with one's teams."""
    return _listed(call, Job.objects.visible_to(user))


def status(call: Call, user: User) -> dict[str, Any]:
    job = find_job(call, user)
    return entries.keyed([job], held_among([job]), entries.status)


def info(call: Call, user: User) -> dict[str, Any]:
    """About and help of the app, as HTML; the page that leads into it, and address and password, once it answers."""
    job = find_job(call, user)
    found = connections.connection_of(job, user)
    opens = found is not None and found.opens
    address, password = _way_in(job, found)
    about = job.version.app.summary.strip()
    help_html = cleaned(job.version.help_html).strip()
    return {
        "url": connections.absolute(found.url) if found and opens and found.url else None,
        "about": f"<p>{escape(about)}</p>" if about else None,
        "help": str(help_html) or None,
        "actions": None,
        "address": address,
        "password": password,
    }


def connect(call: Call, user: User) -> dict[str, Any]:
    """Address and password of what runs. 404 until it answers, so that a client may ask again and again."""
    job = find_job(call, user)
    if job.state != JobState.RUNNING:
        raise NotFound(NOT_RUNNING)
    found = connections.connection_of(job, user)
    if found is None:
        raise NotFound(f"Job {job.number} offers nothing to connect to.")
    address, password = _way_in(job, found)
    if address is None:
        raise NotFound(f"Job {job.number} can't be connected to now. {found.message}".strip())
    return {"address": address, "password": password}


def _way_in(job: Job, found: connections.Connection | None) -> tuple[str | None, str | None]:
    """The host's address where the job's ports are public, else the name under which the portal shows what it serves.

    With the password of the job, for those who may connect to it. None and None while there is no way in.
    """
    if found is None or not found.opens:
        return None, None
    return found.host, password_of(job)


def shutdown(call: Call, user: User) -> dict[str, Any]:
    job = find_own_job(call, user)
    if job.state != JobState.RUNNING:
        raise NotFound(NOT_RUNNING)
    _done(services.cancel, job, user)
    return {"status": "shutdown requested"}


def terminate(call: Call, user: User) -> dict[str, Any]:
    _done(services.cancel, find_own_job(call, user), user)
    return {"status": "terminated"}


def signal(call: Call, user: User) -> dict[str, Any]:
    number = call.whole("signal", SUSPEND)
    wanted = {SUSPEND: services.pause, RESUME: services.resume}.get(number)
    if wanted is None:
        raise malformed(f"Signal {number} is not sent here. Use {SUSPEND} to suspend a job and {RESUME} to resume it.")
    job = find_own_job(call, user)
    _done(wanted, job, user)
    return {"signal": number, "pid": FIRST_PROCESS}


def _done(act: Callable[..., Job], job: Job, user: User) -> None:
    """Do it; what has ended in the meantime, or is another's, is a job that does not run."""
    try:
        act(job=job, actor=user)
    except (Conflict, Forbidden):
        raise NotFound(NOT_RUNNING) from None


def action(call: Call, user: User) -> dict[str, Any]:
    name = call.text("action").strip()
    if not name:
        raise malformed("Required parameter missing: action.")
    job = find_job(call, user, missing=NOT_RUNNING)
    raise NotFound(f"Job {job.number} has no action '{name[:60]}': apps have no actions here.")


ENDPOINTS = (
    Endpoint("jobs", jobs),
    Endpoint("teamjobs", teamjobs),
    Endpoint("status", status),
    Endpoint("info", info),
    Endpoint("connect", connect),
    Endpoint("shutdown", shutdown, changes=True),
    Endpoint("terminate", terminate, changes=True),
    Endpoint("signal", signal, changes=True),
    Endpoint("action", action, changes=True),
)
