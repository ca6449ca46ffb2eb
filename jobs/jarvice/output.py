"""What a job has said, and what it uses: `tail` while it runs, `output` when it has ended, `metrics`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.http.response import HttpResponseBase

from jobs import log_tails, logs
from jobs.jarvice.answers import Endpoint, text_answer
from jobs.jarvice.calls import Call
from jobs.jarvice.names import NOT_RUNNING, find_job
from jobs.models import Attempt, Job, UsageSeries
from jobs.states import JobState
from portal.errors import NotFound
from portal.people.models import User

LINES = 100
LINES_MAX = 10_000_000
NOT_ENDED = "Completed job is not found"
PIECE_BYTES = 4 * 1024 * 1024  # a packed log is unpacked from its start for each piece, so few large ones


def tail(call: Call, user: User) -> HttpResponseBase:
    job = find_job(call, user)
    if job.state != JobState.RUNNING:
        raise NotFound(f"{NOT_RUNNING}; use output for one that has ended" if job.terminal else NOT_RUNNING)
    return _text(call, job)


def output(call: Call, user: User) -> HttpResponseBase:
    job = find_job(call, user)
    if not job.terminal:
        raise NotFound(f"{NOT_ENDED}; use tail for one that runs")
    return _text(call, job)


def _text(call: Call, job: Job) -> HttpResponseBase:
    lines = min(call.whole("lines", LINES), LINES_MAX)
    attempt = _attempt(job)
    if attempt is None:
        return text_answer([])
    return text_answer([log_tails.last_lines(attempt, lines)] if lines else _whole(attempt))


def _attempt(job: Job) -> Attempt | None:
    """The latest try of the job's first task."""
    return Attempt.objects.filter(task__job=job).order_by("task__index", "-number").first()


def _whole(attempt: Attempt) -> Iterator[bytes]:
    """The log as it is now. The connection is not kept while a slow reader takes its time."""
    offset, end = 0, max(attempt.log_bytes, 1)
    while offset < end:
        try:
            piece = logs.read(Attempt.objects.get(pk=attempt.pk), offset, PIECE_BYTES)
        finally:
            connection.close()
        if not piece.data:
            return
        offset, end = piece.next_offset, max(end, piece.total if piece.closed else end)
        yield piece.data


def metrics(call: Call, user: User) -> dict[str, Any]:
    """The last sample, of the first node: percent of its cores, and kB. The others are not measured."""
    job = find_job(call, user)
    attempt = _attempt(job)
    series = UsageSeries.objects.filter(attempt=attempt).first() if attempt else None
    if series is None or not series.points:
        raise NotFound("Metrics are not available yet for this job")
    _, cpu_percent, memory_bytes, _ = series.points[-1]
    limits = job.machine_type
    cpu = [round(cpu_percent / max(limits.cores, 1))]
    used, total = [int(memory_bytes) // 1024], [limits.ram_mib * 1024]
    return {
        "summary": {"cpu_used": sum(cpu) // len(cpu), "memory_used": sum(used), "memory_total": sum(total)},
        "itemized": {"cpu_used": cpu, "memory_used": used, "memory_total": total},
    }


ENDPOINTS = (Endpoint("tail", tail), Endpoint("output", output), Endpoint("metrics", metrics))
