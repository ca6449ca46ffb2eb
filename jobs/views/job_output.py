"""What came out of a job, as bytes: its log as text, its usage as JSON, its results to look at and to download."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_safe

from jobs import logs, stage_logs
from jobs.care import rest
from jobs.models import Attempt, Job, Result
from jobs.previews import IMAGE_BYTES, image_type, preview
from jobs.results import name_field, open_result, renamed, results_of
from jobs.states import Stage
from jobs.views.downloads import Attachment
from jobs.views.job import attempts_of, chosen_attempt, find_job, points_of
from jobs.views.job_stages import read_stage
from jobs.zips import zip_of
from portal.downloads import SANDBOX, Streamed
from portal.errors import NotFound

LOG_PIECE_BYTES = 4 * 1024 * 1024  # a packed log is unpacked from its start for each piece, so few large ones


@require_safe
def log_text(request: HttpRequest, number: int) -> HttpResponseBase:
    """The log so far as plain text; `?download` saves it. X-Log-End says at which offset to follow it live from.

    Of a job in stages: the logs of all tasks of `?stage=` behind one another.
    """
    job = find_job(request, number)
    if job.in_stages:
        stage = read_stage(request.GET.get("stage", ""))
        answer = Streamed(_closing(stage_logs.whole(job, stage)), content_type="text/plain; charset=utf-8")
        return _as_log(request, answer, f"job-{number}-{stage}.log")
    return log_answer(request, chosen_attempt(request, attempts_of(job)), f"job-{number}.log")


def _closing(pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    finally:
        rest()


def log_answer(request: HttpRequest, attempt: Attempt | None, name: str) -> HttpResponseBase:
    """An attempt's log so far; of none an empty one."""
    end = attempt.log_bytes if attempt else 0
    answer = Streamed(_log_pieces(attempt, end) if attempt else [], content_type="text/plain; charset=utf-8")
    answer["X-Log-End"] = str(end)
    answer["X-Log-Attempt"] = str(attempt.number if attempt else 0)
    return _as_log(request, answer, name)


def _as_log(request: HttpRequest, answer: HttpResponseBase, name: str) -> HttpResponseBase:
    kind = "attachment" if "download" in request.GET else "inline"
    answer["Content-Disposition"] = f'{kind}; filename="{name}"'
    return _sealed(answer)


def _log_pieces(attempt: Attempt, end: int) -> Iterator[bytes]:
    offset = 0
    while offset < end:
        try:
            piece = logs.read(Attempt.objects.get(pk=attempt.pk), offset, min(LOG_PIECE_BYTES, end - offset))
        finally:
            rest()  # not kept while a slow reader takes its time
        if not piece.data:
            return
        offset = piece.next_offset
        yield piece.data


@require_safe
def usage(request: HttpRequest, number: int) -> JsonResponse:
    """The samples of an attempt as columns: seconds, CPU percent, memory in bytes, processes."""
    attempt = chosen_attempt(request, attempts_of(find_job(request, number)))
    points = points_of(attempt)
    columns = [list(column) for column in zip(*points, strict=True)] if points else [[], [], [], []]
    return JsonResponse({"columns": columns, "ended": bool(attempt and attempt.ended_at)})


def find_result(job: Job, path: str, task: str) -> Result:
    """The result at this path. Where several tasks left one, `task` (its index) chooses; else the first.

    Of a job in stages: one of the job's own by its name there, else one that the task of its app left.
    """
    if "\0" in path:
        raise NotFound(f"Job {job.number} has no such result.")
    rows = results_of(job).select_related("task").filter(**{name_field(job): path})
    chosen = {"task__index": int(task)} if task.isascii() and task.isdigit() and len(task) < 10 else {}
    found = rows.filter(**chosen).order_by("task__index").first()
    if found is None and job.in_stages and chosen:
        of_task = job.results.select_related("task").filter(task__stage=Stage.RUN, path=path, **chosen)
        found = of_task.first()
    if found is None:
        raise NotFound(f"Job {job.number} has no result {path[:200]}.")
    found.path = path
    return found


@require_safe
def download(request: HttpRequest, number: int, path: str) -> Attachment:
    result = find_result(find_job(request, number), path, request.GET.get("task", ""))
    return Attachment(open_result(result), PurePosixPath(result.path).name)


@require_safe
def view(request: HttpRequest, number: int, path: str) -> HttpResponse:
    """A page with a look into one result."""
    job = find_job(request, number)
    result = find_result(job, path, request.GET.get("task", ""))
    with open_result(result) as stream:
        shown = preview(stream, result.path, result.size)
    task = f"?task={result.task.index}"
    addresses = {
        "get_url": reverse("jobs:job-result", args=[number, result.path]) + task,
        "image_url": reverse("jobs:job-result-image", args=[number, result.path]) + task,
        "back_url": reverse("jobs:job-results", args=[number]),
        "back_words": "Results",
    }
    return render(request, "jobs/result.html", {"job": job, "result": result, "preview": shown, **addresses})


@require_safe
def image(request: HttpRequest, number: int, path: str) -> HttpResponseBase:
    """A PNG, JPEG, GIF or WebP to be drawn by an <img>: typed by its own first bytes, sandboxed, never sniffed."""
    return image_answer(find_result(find_job(request, number), path, request.GET.get("task", "")))


def image_answer(result: Result) -> HttpResponseBase:
    """Raises NotFound for what is no picture that may be shown."""
    with open_result(result) as stream:
        head = stream.read(16)
        media_type = image_type(head)
        if not media_type or result.size > IMAGE_BYTES:
            raise NotFound("This result is not an image that can be shown. Download it instead.")
        answer = HttpResponse(head + stream.read(IMAGE_BYTES), content_type=media_type)
    answer["Content-Disposition"] = "inline"
    return _sealed(answer)


@require_safe
def everything(request: HttpRequest, number: int) -> HttpResponseBase:
    """All results as one zip."""
    job = find_job(request, number)
    rows = renamed(results_of(job).select_related("task").order_by("task__index", "path"), name_field(job))
    if not rows:
        raise NotFound(f"Job {number} left no results.")
    by_task = job.tasks_total > 1 and not job.in_stages
    answer = Streamed(zip_of(rows, by_task=by_task), content_type="application/zip")
    answer["Content-Disposition"] = f'attachment; filename="job-{number}-results.zip"'
    return _sealed(answer)


def _sealed(answer: HttpResponseBase) -> HttpResponseBase:
    answer["Content-Security-Policy"] = SANDBOX
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Cross-Origin-Resource-Policy"] = "same-origin"
    answer["Cache-Control"] = "private, no-store"
    return answer


urls: list[URLPattern] = [
    path("jobs/<int:number>/log.txt", log_text, name="job-log-text"),
    path("jobs/<int:number>/usage.json", usage, name="job-usage"),
    path("jobs/<int:number>/results.zip", everything, name="job-results-zip"),
    path("jobs/<int:number>/results/view/<path:path>", view, name="job-result-view"),
    path("jobs/<int:number>/results/image/<path:path>", image, name="job-result-image"),
    path("jobs/<int:number>/results/get/<path:path>", download, name="job-result"),
]
