"""The tasks of a job: a list that pages at any number of them, and one with its attempts, log and results."""

from __future__ import annotations

from pathlib import PurePosixPath

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api.jobs import find_job
from jobs.api.output import LOG_HEADERS, RESULTS_LISTED, log_answer
from jobs.models import Attempt, Job, Task
from jobs.results import open_result
from jobs.serializers import ResultRead
from jobs.states import Stage
from jobs.task_serializers import AttemptQuery, TaskDetail, TaskQuery, TaskRead
from jobs.views.downloads import Attachment
from portal.api.pages import Keyset, listed, query
from portal.api.views import PortalView, person
from portal.errors import NotFound

INDEX_MAX = 2**31 - 1


def find_task(job: Job, stage: str, index: int) -> Task:
    """The task, with what a representation needs. Raises NotFound."""
    rows = Task.objects.select_related("machine_type", "taken_from").prefetch_related("attempts__host")
    known = stage in set(Stage) and index <= INDEX_MAX
    task = rows.filter(job=job, stage=stage, index=index).first() if known else None
    if task is None:
        said = f"Job {job.number} has no such task. They are listed at /api/v1/jobs/{job.number}/tasks."
        raise NotFound(said)
    return task


class JobTasks(PortalView):
    @extend_schema(
        tags=["jobs"],
        summary="List tasks",
        description="In the order of stages and chunks. A job without stages has one.",
        **listed(TaskRead, TaskQuery),
    )
    def get(self, request: Request, number: int) -> Response:
        job = find_job(person(request), number)
        asked = query(TaskQuery, request)
        rows = job.tasks.select_related("machine_type", "taken_from").prefetch_related("attempts__host")
        pages = Keyset("id")
        found = pages.page(rows.filter(**asked), request)
        return pages.answer(TaskRead(found, many=True).data)


class JobTask(PortalView):
    @extend_schema(tags=["jobs"], summary="Read a task", responses=TaskDetail)
    def get(self, request: Request, number: int, stage: str, index: int) -> Response:
        task = find_task(find_job(person(request), number), stage, index)
        at = f"/api/v1/jobs/{number}/tasks/{stage}/{index}"
        task.addresses = {"self": at, "log": f"{at}/log", "results": f"{at}/results"}  # type: ignore[attr-defined]
        return Response(TaskDetail(task).data)


class TaskLog(PortalView):
    @extend_schema(
        tags=["jobs"],
        summary="Read a task's log from an offset",
        description="Bytes as the program wrote them. Ask again with X-Log-Next-Offset until X-Log-Closed is true and "
        "nothing comes. Of a task that was taken over: the log of the one it was taken from.",
        parameters=[AttemptQuery, *LOG_HEADERS],
        responses={(200, "text/plain"): OpenApiTypes.STR},
    )
    def get(self, request: Request, number: int, stage: str, index: int) -> HttpResponse:
        task = find_task(find_job(person(request), number), stage, index)
        asked = query(AttemptQuery, request)
        rows = Attempt.objects.filter(task=task.taken_from_id or task.pk).order_by("-number")
        attempt = rows.first() if asked.get("attempt") is None else rows.filter(number=asked["attempt"]).first()
        if attempt is None and asked.get("attempt") is not None:
            raise NotFound(f"This task has no attempt {asked['attempt']}.")
        return log_answer(attempt, asked["offset"], asked["limit"], closed=task.terminal)


class TaskResults(PortalView):
    @extend_schema(tags=["jobs"], summary="List a task's results", **RESULTS_LISTED)
    def get(self, request: Request, number: int, stage: str, index: int) -> Response:
        task = find_task(find_job(person(request), number), stage, index)
        pages = Keyset("path", "id")
        found = pages.page(task.results.select_related("task"), request)
        return pages.answer(ResultRead(found, many=True).data)


class TaskResult(PortalView):
    @extend_schema(
        tags=["jobs"],
        summary="Download a task's result",
        responses={(200, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY, description="Its bytes.")},
    )
    def get(self, request: Request, number: int, stage: str, index: int, path: str) -> Attachment:
        task = find_task(find_job(person(request), number), stage, index)
        result = task.results.filter(path=path).first() if "\0" not in path else None
        if result is None:
            raise NotFound(
                f"This task has no such result. They are listed at /api/v1/jobs/{number}/tasks/{stage}/{index}/results."
            )
        return Attachment(open_result(result), PurePosixPath(path).name)
