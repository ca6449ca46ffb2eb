"""One job: its page with tabs, and what can be done to it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from apps_catalog.help_pages import cleaned
from jobs import connections, idle, plan_words, services
from jobs.models import Attempt, Job
from jobs.results import name_field, renamed, results_of
from jobs.states import JobState
from jobs.views import job_stages
from jobs.views.job_words import command_of, cost, events_of, given, sentence, steps
from jobs.views.terminal_words import terminal_of
from portal.errors import NotFound
from portal.people import signed_in
from portal.people.models import Team, User

RESULTS_SHOWN = 500
TABLE_ROWS = 24


def find_job(request: HttpRequest, number: int) -> Job:
    """The job, if the person may see it. Raises NotFound."""
    rows = Job.objects.visible_to(signed_in(request)).select_related(
        "version__app", "machine_type", "owner", "team", "vault", "retry_of"
    )
    job = rows.defer("version__app__icon", "version__app__search", "version__findings").filter(number=number).first()
    if job is None:
        raise NotFound(f"There is no job {number}, or it is not yours to see.")
    return job


def attempts_of(job: Job) -> list[Attempt]:
    """All attempts at a job's one task. Of a job in stages, which may have tens of thousands, none: see its tasks."""
    if job.in_stages:
        return []
    rows = Attempt.objects.filter(task__job=job).select_related("host").order_by("task__index", "number")
    return list(rows)


def chosen_attempt(request: HttpRequest, attempts: list[Attempt]) -> Attempt | None:
    """The attempt that `?attempt=` names, else the newest."""
    wanted = request.GET.get("attempt", "")
    for attempt in attempts:
        if str(attempt.number) == wanted:
            return attempt
    if wanted:
        raise NotFound(f"This job has no attempt {wanted[:20]}.")
    return attempts[-1] if attempts else None


def shown_head(request: HttpRequest, number: int, tab: str) -> dict[str, Any]:
    """What the head of every tab needs."""
    user = signed_in(request)
    job = find_job(request, number)
    attempts = attempts_of(job)
    newest = attempts[-1] if attempts else None
    changes = services.may_change(job, user)
    results = results_of(job)
    found = connections.connection_of(job, user)
    shown = {
        "job": job,
        "app": job.version.app,
        "tab": tab,
        "attempts": attempts,
        "newest": newest,
        "sentence": sentence(job, newest),
        "steps": steps(job, newest),
        "waiting": job.state == JobState.QUEUED or (found is not None and found.waits),
        "connection": found,
        "idle_left": _idle_left(job) if found and not job.terminal else "",
        "may_keep": changes or (found is not None and found.may),
        "stopping": bool(job.cancel_requested_at and not job.terminal),
        "may_cancel": changes and not job.terminal and not job.cancel_requested_at,
        "may_pause": changes and job.state == JobState.RUNNING and not job.cancel_requested_at,
        "may_share": changes,
        **_shells(job, user),
        "teams": list(user.teams.all()) if changes else [],
        "result_count": results.count() if job.terminal else 0,
        "log_text": reverse("jobs:job-log-text", args=[job.number]),
        "log_stream": f"/streams/jobs/{job.number}/log",
    }
    return shown | job_stages.head(job, user) if job.in_stages else shown


def _idle_left(job: Job) -> str:
    """How long until it is stopped as nobody uses it, "20 min"; "" where that is far off."""
    left = idle.stops_in(job)
    return "" if left is None else idle.in_minutes(left)


def _shells(job: Job, user: User) -> dict[str, Any]:
    """Whether the person may open a shell now, on which nodes, and those that are open."""
    if not services.may_open_shell(job, user) or services.why_no_shell(job):
        return {"may_open_shell": False}
    opened = job.shells.filter(ended_at=None)
    return {"may_open_shell": True, "open_shells": list(opened), "node_numbers": range(1, job.nodes + 1)}


@require_safe
def overview(request: HttpRequest, number: int) -> HttpResponse:
    shown = shown_head(request, number, "overview")
    job = shown["job"]
    if job.in_stages:
        return job_stages.overview(request, shown)
    plan = plan_words.plan_of(job.plan)
    words = plan_words.words(plan) if plan else []
    command = command_of(job)
    terminal = terminal_of(job, signed_in(request))
    more = {
        "words": words,
        "legend": plan_words.legend(words, ()),
        "plan": plan,
        "user_words": plan_words.user_words(plan) if plan else "",
        "cost": cost(job, timezone.now()),
        "tails": command is not None and command.noconnect,
        "help": cleaned(job.version.help_html) if not job.terminal else "",
        "terminal": terminal if terminal and terminal.state != "ended" else None,
        "attempt": shown["newest"],
        "events": events_of(job),
    }
    return render(request, "jobs/job.html", shown | more)


@require_safe
def log(request: HttpRequest, number: int) -> HttpResponse:
    shown = shown_head(request, number, "log")
    if shown["job"].in_stages:
        return job_stages.log(request, shown)
    shown["attempt"] = chosen_attempt(request, shown["attempts"])
    return render(request, "jobs/job_log.html", shown)


@require_safe
def metrics(request: HttpRequest, number: int) -> HttpResponse:
    shown = shown_head(request, number, "metrics")
    attempt = chosen_attempt(request, shown["attempts"])
    points = points_of(attempt)
    every = max(1, -(-len(points) // TABLE_ROWS))
    shown |= {"attempt": attempt, "points": points[::every], "has_points": bool(points)}
    return render(request, "jobs/job_metrics.html", shown)


def points_of(attempt: Attempt | None) -> list[list[float]]:
    """Points of [seconds, CPU percent, memory bytes, processes]."""
    series = getattr(attempt, "usage", None) if attempt else None
    return series.points if series else []


@require_safe
def inputs(request: HttpRequest, number: int) -> HttpResponse:
    shown = shown_head(request, number, "inputs")
    job = shown["job"]
    if job.in_stages:
        return job_stages.inputs(request, shown)
    uploads = {str(upload.pk): upload for upload in job.uploads.all()}
    names = {key: upload.name for key, upload in uploads.items()}
    plan = plan_words.plan_of(job.plan)
    files = plan_words.files(plan) if plan else []
    shown |= {
        "given": given(job, names),
        "plan": plan,
        "mounts": [(mount, plan_words.MOUNT_WORDS[mount.kind]) for mount in plan.mounts] if plan else [],
        "files": files,
        "legend": plan_words.legend((), (line for file in files for line in file.lines)),
    }
    return render(request, "jobs/job_inputs.html", shown)


@require_safe
def results(request: HttpRequest, number: int) -> HttpResponse:
    shown = shown_head(request, number, "results")
    job = shown["job"]
    named = name_field(job)
    rows = results_of(job).select_related("task").order_by(named, "id")
    after = request.GET.get("after", "")
    if after and "\0" not in after:
        rows = rows.filter(**{f"{named}__gt": after})
    found = renamed(rows[: RESULTS_SHOWN + 1], named)
    page = found[:RESULTS_SHOWN]
    shown |= {
        "results": page,
        "next_after": page[-1].path if len(found) > RESULTS_SHOWN else "",
        "several_tasks": job.tasks_total > 1 and not job.in_stages,
        "stored_any": any(result.stored for result in page),
    }
    return render(request, "jobs/job_results.html", shown)


@require_POST
def cancel(request: HttpRequest, number: int) -> HttpResponse:
    job = find_job(request, number)
    job = services.cancel(job=job, actor=signed_in(request))
    messages.success(request, f"Job {number} is cancelled." if job.terminal else f"Job {number} is asked to stop.")
    return redirect("jobs:job", number)


@require_POST
def pause(request: HttpRequest, number: int) -> HttpResponse:
    services.pause(job=find_job(request, number), actor=signed_in(request))
    messages.success(request, f"Job {number} is paused.")
    return redirect("jobs:job", number)


@require_POST
def resume(request: HttpRequest, number: int) -> HttpResponse:
    services.resume(job=find_job(request, number), actor=signed_in(request))
    messages.success(request, f"Job {number} goes on.")
    return redirect("jobs:job", number)


@require_POST
def keep(request: HttpRequest, number: int) -> HttpResponse:
    services.keep_running(job=find_job(request, number), actor=signed_in(request))
    messages.success(request, f"Job {number} is kept running.")
    return redirect("jobs:job", number)


@require_POST
def rerun(request: HttpRequest, number: int) -> HttpResponse:
    made = services.rerun(job=find_job(request, number), actor=signed_in(request))
    messages.success(request, f"Job {made.number} runs job {number} again with the same inputs.")
    return redirect("jobs:job", made.number)


@require_POST
def share(request: HttpRequest, number: int) -> HttpResponse:
    job = find_job(request, number)
    slug = request.POST.get("team", "")
    team = Team.objects.filter(slug=slug).first() if slug else None
    if slug and team is None:
        raise NotFound("There is no such team, or you are not in it.")
    services.share(job=job, actor=signed_in(request), team=team)
    messages.success(request, f"Shared with {team.name}." if team else "No longer shared.")
    return redirect("jobs:job", number)


urls: list[URLPattern] = [
    path("jobs/<int:number>/", overview, name="job"),
    path("jobs/<int:number>/log/", log, name="job-log"),
    path("jobs/<int:number>/metrics/", metrics, name="job-metrics"),
    path("jobs/<int:number>/inputs/", inputs, name="job-inputs"),
    path("jobs/<int:number>/results/", results, name="job-results"),
    path("jobs/<int:number>/cancel/", cancel, name="job-cancel"),
    path("jobs/<int:number>/pause/", pause, name="job-pause"),
    path("jobs/<int:number>/resume/", resume, name="job-resume"),
    path("jobs/<int:number>/keep/", keep, name="job-keep"),
    path("jobs/<int:number>/rerun/", rerun, name="job-rerun"),
    path("jobs/<int:number>/share/", share, name="job-share"),
]
