"""The pages of terminals: a program's own, and shells that people open beside their jobs."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST, require_safe

from jobs import services
from jobs.models import Job, Shell
from jobs.views.job import find_job
from jobs.views.terminal_words import Shown, shell_of, terminal_of
from portal.errors import Invalid, NotFound
from portal.people import signed_in


@require_safe
def terminal(request: HttpRequest, number: int) -> HttpResponse:
    job = find_job(request, number)
    shown = terminal_of(job, signed_in(request))
    if shown is None:
        raise NotFound(f"Job {number} has no terminal, or it is not yours to look at.")
    return _page(request, job, shown, title=f"Terminal of job {number}")


@require_safe
def shell(request: HttpRequest, number: int, pk: int) -> HttpResponse:
    job = find_job(request, number)
    found = Shell.objects.filter(pk=pk, job=job, opened_by=signed_in(request)).first()
    if found is None or job.owner_id != found.opened_by_id:
        raise NotFound(f"There is no shell {pk} in job {number}, or it is not yours.")
    return _page(request, job, shell_of(found), title=f"Shell in job {number}", shell=found)


def _page(request: HttpRequest, job: Job, shown: Shown, *, title: str, shell: Shell | None = None) -> HttpResponse:
    given = {"job": job, "app": job.version.app, "terminal": shown, "title": title, "shell": shell}
    return render(request, "jobs/terminal.html", given)


@require_POST
def open_shell(request: HttpRequest, number: int) -> HttpResponse:
    job = find_job(request, number)
    node = request.POST.get("node", "1")
    if not (node.isascii() and node.isdigit() and len(node) < 5):
        raise Invalid(f"{node[:20]!r} is no node of job {number}. Pick one of its {job.nodes}.")
    made = services.open_shell(job=job, actor=signed_in(request), node=int(node), request=request)
    return redirect(made.get_absolute_url())


urls: list[URLPattern] = [
    path("jobs/<int:number>/terminal/", terminal, name="job-terminal"),
    path("jobs/<int:number>/shells/", open_shell, name="job-open-shell"),
    path("jobs/<int:number>/shells/<int:pk>/", shell, name="job-shell"),
]
