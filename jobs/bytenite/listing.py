"""Lists: jobs, what runs of them, templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db.models import Q, QuerySet

from jobs.bytenite.answers import Act, Endpoint
from jobs.bytenite.calls import Call, Caller, malformed, plain, snake
from jobs.bytenite.finding import jobs_of, stages_of
from jobs.bytenite.jobs import create
from jobs.bytenite.words import PREFIX, job_object, page, state_of, template_object, when
from jobs.models import Attempt, Job, JobTemplate
from jobs.states import JOB_ACTIVE, JobState, TaskState
from jobs.ten_steps import Reached, TenStep, ten_steps_each

ORDERS = {
    "created_at": "number",
    "id": "number",
    "name": "label",
    "started_at": "started_at",
    "ended_at": "finished_at",
}
TASKS_MAX = 1000
# States that a column tells. The others are steps of a job that is under way, and are looked for among those alone.
PLAIN: Mapping[str, Q] = {
    TenStep.NEW: Q(state=JobState.DRAFT),
    TenStep.COMPLETE: Q(state=JobState.SUCCEEDED),
    "FAILED": Q(state__in=(JobState.FAILED, JobState.CANCELLED)),
}
STATES = frozenset({*TenStep, "FAILED"})


def listed(call: Call, who: Caller) -> dict[str, Any]:
    return _page(call, _own(who))


def filtered(call: Call, who: Caller) -> dict[str, Any]:
    """By what `filter` (or the body itself) names. Raises PortalError (400) for a filter that is not known."""
    given = plain(call.fields.get("filter", call.fields.get("filters")), "filter")
    given = given or {key: value for key, value in call.fields.items() if key not in ("pagination", "order_by")}
    rows = _own(who)
    for name, value in given.items():
        if name not in FILTERS:
            raise malformed(f"'{name[:60]}' is not a filter. Known are: {', '.join(sorted(FILTERS))}.")
        if value not in (None, "", []):
            rows = FILTERS[name](rows, value)
    return _page(call, rows)


def _own(who: Caller) -> QuerySet[Job]:
    return jobs_of(who.user).filter(owner=who.user, purged_at=None)


def _page(call: Call, rows: QuerySet[Job]) -> dict[str, Any]:
    offset, limit = call.window()
    found = list(_ordered(rows, call.asked("orderBy"))[offset : offset + limit])
    steps = _steps_of(found)
    data = [job_object(job, stages_of(job), steps[job.number]) for job in found]
    return {"pagination": page(rows.count(), offset, len(data)), "data": data}


def _ordered(rows: QuerySet[Job], text: str) -> QuerySet[Job]:
    """`createdAt`, `createdAt desc` or `-createdAt`; the newest first where nothing is said."""
    text = text.strip()
    if not text:
        return rows.order_by("-number")
    name, _, direction = text.lstrip("-").partition(" ")
    column = ORDERS.get(snake(name))
    if column is None or direction.strip().lower() not in ("", "asc", "desc"):
        raise malformed(f"'orderBy' is '{text[:40]}'. Write createdAt, name, startedAt or endedAt, and desc behind it.")
    falls = text.startswith("-") or direction.strip().lower() == "desc"
    return rows.order_by(f"{'-' if falls else ''}{column}", "-number")


def _steps_of(jobs: Sequence[Job]) -> dict[int, list[Reached]]:
    return ten_steps_each([(job, stages_of(job)) for job in jobs])


def _texts(value: Any, name: str) -> list[str]:
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str | int) and "\0" not in str(one) for one in found):
        raise malformed(f"'{name}' must be a text or a list of texts.")
    return [str(one) for one in found]


def _by_state(rows: QuerySet[Job], value: Any) -> QuerySet[Job]:
    wanted = {one.upper().removeprefix(PREFIX) for one in _texts(value, "state")}
    if unknown := sorted(wanted - STATES):
        raise malformed(f"'{unknown[0][:40]}' is no state. Known are: {', '.join(sorted(STATES))}.")
    chosen = Q(pk__in=[])
    for name in wanted & PLAIN.keys():
        chosen |= PLAIN[name]
    if steps := {PREFIX + name for name in wanted - PLAIN.keys()}:
        active = list(rows.filter(state__in=JOB_ACTIVE))
        reached = _steps_of(active)
        chosen |= Q(pk__in=[job.pk for job in active if state_of(job, reached[job.number]) in steps])
    return rows.filter(chosen)


def _by_id(rows: QuerySet[Job], value: Any) -> QuerySet[Job]:
    return rows.filter(pk__in=[int(one) for one in _texts(value, "id") if one.isdecimal() and len(one) <= 18])


def _by_template(rows: QuerySet[Job], value: Any) -> QuerySet[Job]:
    return rows.filter(template__slug__in=_texts(value, "templateId"))


def _by_name(rows: QuerySet[Job], value: Any) -> QuerySet[Job]:
    chosen = Q()
    for text in _texts(value, "name"):
        chosen |= Q(label__icontains=text)
    return rows.filter(chosen)


FILTERS: Mapping[str, Callable[[QuerySet[Job], Any], QuerySet[Job]]] = {
    "state": _by_state,
    "states": _by_state,
    "id": _by_id,
    "ids": _by_id,
    "job_id": _by_id,
    "job_ids": _by_id,
    "template_id": _by_template,
    "template_ids": _by_template,
    "name": _by_name,
    "search": _by_name,
}


def running_tasks(call: Call, who: Caller) -> dict[str, Any]:
    """What runs now of the caller's jobs, or of those that `jobId` or `jobIds` names."""
    rows = Attempt.objects.filter(task__state=TaskState.RUNNING, task__job__owner=who.user, task__job__in_stages=True)
    ids = [*call.words("job_ids"), *([call.text("job_id")] if call.text("job_id") else [])]
    if ids:
        rows = rows.filter(task__job__in=[int(one) for one in ids if one.isdecimal() and len(one) <= 18])
    rows = (
        rows.filter(ended_at=None).select_related("task", "host").order_by("task__job_id", "task__stage", "task__index")
    )
    tasks = [
        {
            "id": f"{attempt.task.job_id}-{attempt.task.stage}-{attempt.task.index}",
            "jobId": str(attempt.task.job_id),
            "service": SERVICES[attempt.task.stage],
            "chunkNumber": attempt.task.index if attempt.task.stage == "run" else None,
            "attempt": attempt.number,
            "state": "running" if attempt.started_at else "starting",
            "device": attempt.host.name,
            "startedAt": when(attempt.started_at),
        }
        for attempt in rows[:TASKS_MAX]
    ]
    return {"tasks": tasks}


SERVICES = {"partition": "partitioner", "run": "taskrunner", "assemble": "assembler"}


def templates(call: Call, who: Caller) -> dict[str, Any]:
    """Those the caller may use, as `data` and, for early clients, as `templates`."""
    offset, limit = call.window()
    rows = JobTemplate.objects.visible_to(who.user).select_related("owner").order_by("slug")
    found = [template_object(template) for template in rows[offset : offset + limit]]
    return {"pagination": page(rows.count(), offset, len(found)), "data": found, "templates": found}


ENDPOINTS = (
    Endpoint("jobs", "jobs", {"GET": Act(listed), "POST": Act(create, "launch")}),
    Endpoint("jobs/filter", "jobs-filter", {"POST": Act(filtered)}),
    Endpoint("jobs/running_?[Tt]asks", "jobs-running", {"POST": Act(running_tasks)}),
    Endpoint("jobs/templates", "jobs-templates", {"GET": Act(templates)}),
)
