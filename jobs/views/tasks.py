"""The tasks of a job: a table that is read a window at a time, and a page for each task with its log, files and attempts."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_safe

from jobs import task_rows
from jobs.models import Attempt, Job, Result, Task
from jobs.previews import preview
from jobs.results import open_result
from jobs.states import Stage, TaskState
from jobs.task_words import STATE_WORDS
from jobs.views.downloads import Attachment
from jobs.views.job import find_job, shown_head
from jobs.views.job_output import image_answer, log_answer
from jobs.views.job_stages import pictures_of
from portal.errors import NotFound

INDEX_MAX = 2**31 - 1
FIRST_ROWS = 50
FILES_SHOWN = 200
SORT_WORDS = {
    "chunk": "Chunk",
    "-chunk": "Chunk, last first",
    "-duration": "Longest first",
    "duration": "Shortest first",
    "-memory": "Most memory first",
    "memory": "Least memory first",
}


@require_safe
def tasks(request: HttpRequest, number: int) -> HttpResponse:
    """Tiles by state and the first rows; a script reads the others as they come into view, links do without one."""
    shown = shown_head(request, number, "tasks")
    job = shown["job"]
    sought = task_rows.read_sought(request.GET.dict())
    window = task_rows.window(job, sought, after=request.GET.get("after", ""), limit=FIRST_ROWS)
    counts = task_rows.counts(job, sought.text)
    query = {key: value for key, value in (("state", sought.state), ("q", sought.text)) if value}
    sort = {} if sought.sort == "chunk" else {"sort": sought.sort}
    shown |= {
        "window": window,
        "sought": sought,
        "tiles": _tiles(counts, sought, sort),
        "total": counts[sought.state] if sought.state else sum(counts.values()),
        "all_total": sum(counts.values()),
        "state_words": STATE_WORDS,
        "sorts": SORT_WORDS.items(),
        "filtered": bool(query),
        "rows_url": reverse("jobs:job-task-rows", args=[number]),
        "further": urlencode({**query, **sort, "after": window.next}) if window.next else "",
        "begun": "after" in request.GET,
    }
    return render(request, "jobs/stages/tasks.html", shown)


def _tiles(counts: dict[str, int], sought: task_rows.Sought, rest: dict[str, str]) -> list[dict[str, Any]]:
    """All, and each state that a task is in, with the address that shows those."""
    if sought.text:
        rest = {**rest, "q": sought.text}
    found = [{"state": "", "words": "All", "count": sum(counts.values()), "query": urlencode(rest)}]
    for state in TaskState:
        if counts[state] or state in (TaskState.READY, TaskState.RUNNING, TaskState.SUCCEEDED, TaskState.FAILED):
            query = urlencode({"state": str(state), **rest})
            found.append({"state": str(state), "words": STATE_WORDS[state], "count": counts[state], "query": query})
    return found


@require_safe
def rows(request: HttpRequest, number: int) -> JsonResponse:
    """A window of rows: `state`, `q`, `sort`, `after` (a cursor), `skip` (rows behind it), `limit` (200 at most).

    Each row: chunk, state, host, attempt, exit code, duration in s, peak memory in bytes, reason, job it was taken over from.
    """
    job = find_job(request, number)
    sought = task_rows.read_sought(request.GET.dict())
    skip, limit = _whole(request, "skip", 0), _whole(request, "limit", 100)
    window = task_rows.window(job, sought, after=request.GET.get("after", ""), skip=skip, limit=limit)
    answer: dict[str, Any] = {"rows": [astuple(row)[:9] for row in window.rows], "next": window.next}
    if "counts" in request.GET:
        answer["counts"] = task_rows.counts(job, sought.text)
    return JsonResponse(answer)


def _whole(request: HttpRequest, name: str, otherwise: int) -> int:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else otherwise


def find_task(job: Job, stage: str, index: int) -> Task:
    """Raises NotFound."""
    known = stage in set(Stage) and index <= INDEX_MAX
    rows = Task.objects.select_related("machine_type", "host", "taken_from__job").filter(job=job)
    task = rows.filter(stage=stage, index=index).first() if known else None
    if task is None:
        raise NotFound(f"Job {job.number} has no such task. Look at the list of its tasks.")
    return task


def attempts_at(task: Task) -> list[Attempt]:
    """In order; of a task that was taken over, those at the one it was taken from."""
    rows = Attempt.objects.filter(task=task.taken_from_id or task.pk).select_related("host")
    return list(rows.order_by("number"))


def _chosen(request: HttpRequest, attempts: list[Attempt]) -> Attempt | None:
    wanted = request.GET.get("attempt", "")
    found = next((one for one in attempts if str(one.number) == wanted), None)
    if wanted and found is None:
        raise NotFound(f"This task has no attempt {wanted[:20]}.")
    return found or (attempts[-1] if attempts else None)


@require_safe
def task_page(request: HttpRequest, number: int, stage: str, index: int) -> HttpResponse:
    job = find_job(request, number)
    task = find_task(job, stage, index)
    attempts = attempts_at(task)
    attempt = _chosen(request, attempts)
    files = task.results.order_by("path", "id")
    place = [number, stage, index]
    beside = Task.objects.filter(job=job, stage=stage).values_list("index", flat=True)
    shown = {
        "job": job,
        "task": task,
        "title": task_title(task),
        "words": task_words(task),
        "state_word": STATE_WORDS[TaskState(task.state)],
        "attempts": attempts,
        "attempt": attempt,
        "seconds": _seconds(attempt),
        "files": files[:FILES_SHOWN],
        "file_count": files.count(),
        "pictures": pictures_of(task.results.all(), "path"),
        "log_text": reverse("jobs:task-log-text", args=place),
        "log_stream": f"/streams/jobs/{number}/tasks/{stage}/{index}/log",
        "before": beside.filter(index__lt=index).order_by("-index").first(),
        "behind": beside.filter(index__gt=index).order_by("index").first(),
        "source": task.taken_from,
    }
    return render(request, "jobs/stages/task.html", shown)


def task_title(task: Task) -> str:
    return {Stage.PARTITION: "Partition", Stage.ASSEMBLE: "Assembly"}.get(Stage(task.stage), f"Task {task.index:,}")


def task_words(task: Task) -> str:
    """The state of a task in a sentence."""
    match TaskState(task.state):
        case TaskState.HELD | TaskState.READY:
            return f"Waiting. {task.reason}".strip() if task.reason else "Waiting for a free slot."
        case TaskState.RUNNING:
            return f"Running on host {task.host.name}." if task.host else "Running."
        case TaskState.SUCCEEDED:
            return f"{task.reason.rstrip('.')}." if task.taken_from_id and task.reason else "Finished."
        case TaskState.FAILED:
            return task.reason or "It failed."
    return task.reason or "It was not run."


def _seconds(attempt: Attempt | None) -> float | None:
    if attempt is None or attempt.started_at is None or attempt.ended_at is None:
        return None
    return (attempt.ended_at - attempt.started_at).total_seconds()


@require_safe
def task_log_text(request: HttpRequest, number: int, stage: str, index: int) -> HttpResponseBase:
    """As text: `?attempt=`, else the last; `?download` saves it. X-Log-End says where to follow it live from."""
    task = find_task(find_job(request, number), stage, index)
    attempt = _chosen(request, attempts_at(task))
    return log_answer(request, attempt, f"job-{number}-{stage}-{index}.log")


def _file(request: HttpRequest, number: int, stage: str, index: int, path: str) -> tuple[Task, Result]:
    task = find_task(find_job(request, number), stage, index)
    found = task.results.filter(path=path).first() if "\0" not in path else None
    if found is None:
        raise NotFound(f"This task left no file {path[:200]}.")
    found.task = task
    return task, found


@require_safe
def task_file(request: HttpRequest, number: int, stage: str, index: int, path: str) -> Attachment:
    _, result = _file(request, number, stage, index, path)
    return Attachment(open_result(result), PurePosixPath(path).name)


@require_safe
def task_file_image(request: HttpRequest, number: int, stage: str, index: int, path: str) -> HttpResponseBase:
    return image_answer(_file(request, number, stage, index, path)[1])


@require_safe
def task_file_view(request: HttpRequest, number: int, stage: str, index: int, path: str) -> HttpResponse:
    """A page with a look into one file of a task."""
    task, result = _file(request, number, stage, index, path)
    with open_result(result) as stream:
        look = preview(stream, result.path, result.size)
    place = [number, stage, index, path]
    shown = {
        "job": task.job,
        "task": task,
        "title": task_title(task),
        "result": result,
        "preview": look,
        "get_url": reverse("jobs:task-file", args=place),
        "image_url": reverse("jobs:task-file-image", args=place),
        "back_url": reverse("jobs:job-task", args=place[:3]),
        "back_words": task_title(task),
    }
    return render(request, "jobs/result.html", shown)


TASK = "jobs/<int:number>/tasks/<str:stage>/<int:index>/"
urls: list[URLPattern] = [
    path("jobs/<int:number>/tasks/", tasks, name="job-tasks"),
    path("jobs/<int:number>/tasks/rows.json", rows, name="job-task-rows"),
    path(TASK, task_page, name="job-task"),
    path(f"{TASK}log.txt", task_log_text, name="task-log-text"),
    path(f"{TASK}files/get/<path:path>", task_file, name="task-file"),
    path(f"{TASK}files/image/<path:path>", task_file_image, name="task-file-image"),
    path(f"{TASK}files/view/<path:path>", task_file_view, name="task-file-view"),
]
