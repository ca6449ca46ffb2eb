"""What a job tells: its events, its log by offset, its results."""

from __future__ import annotations

from pathlib import PurePosixPath

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from jobs import logs
from jobs.api.jobs import find_job
from jobs.models import Attempt, Job
from jobs.results import name_field, open_result, renamed, results_of
from jobs.serializers import EventRead, LogQuery, ResultRead
from jobs.states import Stage
from jobs.views.downloads import Attachment
from portal.api.pages import Keyset, listed, query
from portal.api.views import PortalView, person
from portal.errors import NotFound

EVENTS_MAX = 1000
RESULTS_LISTED = listed(ResultRead)


class JobEvents(PortalView):
    """The live stream has this same address, ahead of Django; this answers where only WSGI is served."""

    @extend_schema(
        tags=["jobs"],
        summary="Follow a job",
        description="Server-sent events: state, progress and new log. A connection that was cut goes on where it was, "
        "by Last-Event-ID. A server without streams answers with what has happened so far, as JSON.",
        parameters=[OpenApiParameter("Last-Event-ID", str, OpenApiParameter.HEADER)],
        responses={
            (200, "text/event-stream"): OpenApiTypes.STR,
            (200, "application/json"): EventRead(many=True),
        },
    )
    def get(self, request: Request, number: int) -> Response:
        job = find_job(person(request), number)
        return Response(EventRead(job.events.order_by("id")[:EVENTS_MAX], many=True).data)


def _header(name: str, text: str) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, response=[200], description=text)


LOG_HEADERS = (
    _header("X-Log-Offset", "Where this piece begins."),
    _header("X-Log-Next-Offset", "Where to go on."),
    _header("X-Log-Total", "How long the log is by now."),
    _header("X-Log-Closed", "true: nothing will be added."),
)


def log_answer(attempt: Attempt | None, offset: int, limit: int, *, closed: bool) -> HttpResponse:
    """A piece of the attempt's log; of none an empty one."""
    piece = logs.LogPiece(b"", 0, 0, 0, closed=closed) if attempt is None else logs.read(attempt, offset, limit)
    return HttpResponse(
        piece.data,
        content_type="text/plain; charset=utf-8",
        headers={
            "X-Log-Offset": str(piece.offset),
            "X-Log-Next-Offset": str(piece.next_offset),
            "X-Log-Total": str(piece.total),
            "X-Log-Closed": "true" if piece.closed else "false",
        },
    )


class JobLog(PortalView):
    @extend_schema(
        tags=["jobs"],
        summary="Read a log from an offset",
        description="Bytes as the program wrote them. Ask again with X-Log-Next-Offset until X-Log-Closed is true and "
        "nothing comes.",
        parameters=[LogQuery, *LOG_HEADERS],
        responses={(200, "text/plain"): OpenApiTypes.STR},
    )
    def get(self, request: Request, number: int) -> HttpResponse:
        job = find_job(person(request), number)
        asked = query(LogQuery, request)
        attempt = _attempt(job, asked["task"], asked.get("attempt"))
        return log_answer(attempt, asked["offset"], asked["limit"], closed=job.terminal)


def _attempt(job: Job, task: int, number: int | None) -> Attempt | None:
    rows = Attempt.objects.filter(task__job=job, task__stage=Stage.RUN, task__index=task).order_by("-number")
    if number is None:
        return rows.first()
    found = rows.filter(number=number).first()
    if found is None:
        raise NotFound(f"Job {job.number} has no attempt {number} at task {task}.")
    return found


class JobResults(PortalView):
    @extend_schema(
        tags=["jobs"],
        summary="List results",
        description="Of a job in stages: what its assembler wrote, or, where it has none, the files of all tasks by flat names.",
        **RESULTS_LISTED,
    )
    def get(self, request: Request, number: int) -> Response:
        job = find_job(person(request), number)
        named = name_field(job)
        pages = Keyset(named, "id")
        found = pages.page(results_of(job).select_related("task"), request)
        return pages.answer(ResultRead(renamed(found, named), many=True).data)


class JobResult(PortalView):
    @extend_schema(
        tags=["jobs"],
        summary="Download a result",
        responses={(200, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY, description="Its bytes.")},
    )
    def get(self, request: Request, number: int, path: str) -> Attachment:
        job = find_job(person(request), number)
        rows = results_of(job)
        result = rows.filter(**{name_field(job): path}).order_by("id").first() if "\0" not in path else None
        if result is None:
            raise NotFound(f"Job {number} has no such result. They are listed at /api/v1/jobs/{number}/results.")
        return Attachment(open_result(result), PurePosixPath(path).name)
