"""What pages say about a job: its state in a sentence, its steps with times, what tells it from others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps_catalog.launch.parameters import Parameter
from apps_catalog.launch.spec import Command
from apps_catalog.services import spec_of
from jobs.models import Attempt, Job, JobEvent
from jobs.placement import why_waiting
from jobs.prices import price, total
from jobs.states import AttemptState, FailureClass, JobState
from portal.errors import Conflict
from portal.templatetags.portal_ui import duration

EVENTS_SHOWN = 200
TOLD_PARAMETERS = 3
TOLD_LENGTH = 40
FAILURES = {
    FailureClass.USER: "The program ended with a fault",
    FailureClass.OOM: "It needed more memory than its machine type has",
    FailureClass.TIMEOUT: "It reached its walltime",
    FailureClass.CANCELLED: "It was cancelled",
    FailureClass.INFRA: "The portal's own machinery failed, not your program",
}


@dataclass(frozen=True)
class Step:
    """One station of a job's life. state: done, now, todo, or how it ended (succeeded, failed, cancelled)."""

    label: str
    state: str
    at: datetime | None = None


@dataclass(frozen=True)
class Given:
    """An input as a person reads it. `usual`: it has its default."""

    key: str
    label: str
    text: str
    usual: bool
    upload: str = ""


def sentence(job: Job, attempt: Attempt | None) -> str:
    """The state in plain words, with the reason and, where there is one, what to do."""
    if job.cancel_requested_at and not job.terminal:
        return "Stopping: the program was asked to end, and is ended by force if it does not."
    match job.state:
        case JobState.DRAFT:
            return "Held: it is not queued yet."
        case JobState.QUEUED:
            return why_waiting(job) or "Waiting to be placed."
        case JobState.RUNNING:
            return _running(job, attempt)
        case JobState.SUCCEEDED:
            return f"Finished{_took(job)}."
        case JobState.CANCELLED:
            return job.reason or "Cancelled."
    if job.failure_class == FailureClass.USER and job.reason:
        return job.reason  # it says how the program ended, and where: nothing is left to say before it
    words = FAILURES.get(FailureClass(job.failure_class), "It failed") if job.failure_class else "It failed"
    return f"{words}. {job.reason}" if job.reason else f"{words}."


def _running(job: Job, attempt: Attempt | None) -> str:
    if attempt is None or attempt.ended_at is not None:
        reason = job.tasks.order_by("index").values_list("reason", flat=True).first()
        return f"Waiting for another try. {reason}".strip() if reason else "Waiting for another try."
    if attempt.state == AttemptState.STARTING:
        return f"Starting on host {attempt.host.name}."
    if job.paused:
        held = "It keeps its memory and its slot, and its time limit goes on counting."
        return f"Paused on host {attempt.host.name}. {held} Resume lets it go on."
    return f"Running on host {attempt.host.name}."


def _took(job: Job) -> str:
    if not (job.started_at and job.finished_at):
        return ""
    return f" in {duration((job.finished_at - job.started_at).total_seconds())}"


def steps(job: Job, attempt: Attempt | None) -> list[Step]:
    """Submitted, queued, starting, running, and how it ended."""
    times = [
        ("Submitted", job.created_at),
        ("Queued", job.created_at if job.state != JobState.DRAFT else None),
        ("Starting", attempt.claimed_at if attempt else None),
        ("Running", attempt.started_at if attempt else None),
    ]
    reached = max(index for index, (_, at) in enumerate(times) if at is not None)
    found = []
    for index, (label, at) in enumerate(times):
        state = "done" if at and (job.terminal or index < reached) else "now" if index == reached else "todo"
        if job.terminal and at is None:
            state = "skipped"
        found.append(Step(label, state, at))
    end = {JobState.SUCCEEDED: "Done", JobState.FAILED: "Failed", JobState.CANCELLED: "Cancelled"}
    word = end.get(JobState(job.state), "Done")
    return [*found, Step(word, job.state if job.terminal else "todo", job.finished_at)]


def command_of(job: Job) -> Command | None:
    """The job's command; None where its definition can't be read any more."""
    try:
        return spec_of(job.version).commands.get(job.command)
    except Conflict:
        return None


def parameters_of(job: Job) -> Mapping[str, Parameter]:
    """The parameters of the job's command; none where its definition can't be read any more."""
    command = command_of(job)
    return command.parameters if command else {}


def cost(job: Job, now: datetime) -> str:
    """What the job has cost so far, or did cost; "" where its machine type is free."""
    if not job.price_per_hour:
        return ""
    hourly = f"{price(job.price_per_hour * job.nodes)} per hour{' for all nodes' if job.nodes > 1 else ''}"
    if job.started_at is None:
        return "nothing" if job.terminal else f"nothing yet; {hourly} once it runs"
    words = total(job.cost(now))
    return f"{words} at {hourly}" if job.terminal else f"{words} so far, {hourly}"


def given(job: Job, uploads: Mapping[str, str]) -> list[Given]:
    """Every input that was sent with the job, in the author's order. `uploads` maps ids to file names."""
    known = parameters_of(job)
    ordered = [key for key in known if key in job.parameters]
    ordered += [key for key in job.parameters if key not in known]
    return [_given(key, known.get(key), job.parameters[key], uploads) for key in ordered]


def _given(key: str, parameter: Parameter | None, value: Any, uploads: Mapping[str, str]) -> Given:
    label = parameter.label if parameter else key
    upload = str(value["upload"]) if isinstance(value, dict) and "upload" in value else ""
    usual = parameter is not None and value == parameter.default
    return Given(key, label, uploads.get(upload, "a file") if upload else _text(parameter, value), usual, upload)


def _text(parameter: Parameter | None, value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if parameter is not None and isinstance(value, int):
        for option in parameter.hint().options:
            if option.index == value:
                return option.label
    return str(value)


def summary(job: Job) -> str:
    """What tells the job from others: its label, or the first inputs that are not as usual."""
    if job.label:
        return job.label
    if job.in_stages:
        return _of_app(job.parameters)
    unusual = [one for one in given(job, {}) if not one.usual][:TOLD_PARAMETERS]
    return ", ".join(f"{one.label} = {_short(one.text)}" for one in unusual)


def _of_app(parameters: Any) -> str:
    """Of a job in stages: the first parameters of its app."""
    own = parameters.get("app") if isinstance(parameters, Mapping) else None
    if not isinstance(own, Mapping):
        return ""
    texts = [f"{key} = {_short(value if isinstance(value, str) else json.dumps(value))}" for key, value in own.items()]
    return ", ".join(texts[:TOLD_PARAMETERS])


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= TOLD_LENGTH else flat[: TOLD_LENGTH - 1] + "…"


def events_of(job: Job) -> list[JobEvent]:
    """The latest events, the newest first. What is said twice in a row stands once: a job that is stopped says why, and so
    does its end."""
    latest = list(job.events.order_by("-id")[:EVENTS_SHOWN])
    return [
        one
        for one, newer in zip(latest, [None, *latest], strict=False)
        if newer is None or one.message != newer.message
    ]
