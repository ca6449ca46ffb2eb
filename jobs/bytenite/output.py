"""What comes out of a job: its results by links that expire, and its logs by stage, task and level."""

from __future__ import annotations

from typing import Any

from jobs import links, stage_logs
from jobs.bytenite.answers import Act, Endpoint
from jobs.bytenite.calls import Call, Caller, malformed
from jobs.bytenite.finding import find_job, stages_of
from jobs.bytenite.words import state_of, when
from jobs.models import Attempt, Job
from jobs.stage_logs import Level
from jobs.states import JobState, Stage
from jobs.ten_steps import ten_steps
from portal.errors import Conflict

SERVICES = {"partitioner": Stage.PARTITION, "taskrunner": Stage.RUN, "assembler": Stage.ASSEMBLE}
LINES_MAX = 2000  # of each stage
LEVELS = {"warn": Level.WARNING, "fatal": Level.ERROR, "critical": Level.ERROR, "trace": Level.DEBUG}


def results(call: Call, who: Caller) -> dict[str, Any]:
    """Raises Conflict while the job is not complete."""
    job = find_job(who.user, call.named["job"])
    if job.state != JobState.SUCCEEDED:
        state = state_of(job, ten_steps(job, stages_of(job)))
        why = f" {job.reason}" if job.reason and job.terminal else ""
        raise Conflict(f"Job {job.number} is not complete: its state is {state}.{why}", code="not_complete")
    found = [
        {"name": link.name, "link": link.url, "size": link.size, "expiresAt": when(link.expires_at)}
        for link in links.of_job(job)
    ]
    return {"results": found}


def logs(call: Call, who: Caller) -> dict[str, Any]:
    """`{"jobId", "taskIds", "levels", "services"}`; an empty list means all.

    A line has the time at which its program started: that of each single line is not kept.
    """
    job = find_job(who.user, call.text("job_id", required=True))
    services = [_known(word, SERVICES, "services") for word in call.words("services")] or list(SERVICES)
    levels = frozenset(_level(word) for word in call.words("levels"))
    tasks = frozenset(_index(word, job) for word in call.words("task_ids"))
    found: dict[str, Any] = {}
    for service, stage in SERVICES.items():
        lines = _lines(job, stage, levels, tasks if stage == Stage.RUN else frozenset()) if service in services else {}
        if stage == Stage.RUN:
            found[service] = {f"{job.number}-{stage}-{index}": {"logs": told} for index, told in lines.items()}
        else:
            found[service] = [one for told in lines.values() for one in told]
    return found


def _lines(job: Job, stage: Stage, levels: frozenset[Level], tasks: frozenset[int]) -> dict[int, list[dict[str, Any]]]:
    """The lines by task."""
    found: dict[int, list[dict[str, Any]]] = {}
    after, left = (0, 0), LINES_MAX
    while left > 0:
        page = stage_logs.page(job, stage, levels=levels, tasks=tasks, after=after, limit=left)
        for line in page.lines:
            found.setdefault(line.task, []).append({"log": line.text, "level": line.level.upper()})
        left -= len(page.lines)
        if page.next is None or not page.lines:
            break
        after = page.next
    times = dict(
        Attempt.objects.filter(task__job=job, task__stage=stage, task__index__in=found)
        .order_by("number")
        .values_list("task__index", "started_at")
    )
    for index, told in found.items():
        at = when(times.get(index) or job.started_at or job.created_at)
        for one in told:
            one["timestamp"] = at
    return found


def _known(word: str, known: Any, name: str) -> str:
    if word.lower() not in known:
        raise malformed(f"'{word[:40]}' is none of {name}: {', '.join(known)}.")
    return word.lower()


def _level(word: str) -> Level:
    name = word.lower()
    if name in LEVELS:
        return LEVELS[name]
    return Level(_known(name, list(Level), "levels"))


def _index(word: str, job: Job) -> int:
    """Of "12-run-3", "3" and the like: the chunk's number."""
    last = word.rpartition("-")[2]
    if not (last.isascii() and last.isdecimal() and len(last) <= 9):
        raise malformed(f"'{word[:40]}' is no task of job {job.number}. Tasks are called {job.number}-run-0 and so on.")
    return int(last)


ENDPOINTS = (
    Endpoint("jobs/(?P<job>[^/]+)/results", "job-results", {"GET": Act(results)}),
    Endpoint("logs", "logs", {"POST": Act(logs)}),
)
