"""What makes another job of a job in stages: retry what failed, duplicate; and a draft that is not wanted any more."""

from __future__ import annotations

import re

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from jobs import services
from jobs.views.job import find_job
from portal.people import signed_in

TOKEN = re.compile(r"[0-9a-f]{32}")


@require_POST
def retry(request: HttpRequest, number: int) -> HttpResponse:
    key = request.POST.get("token", "")
    job = find_job(request, number)
    made = services.fan_out.retry_failed(
        job=job, actor=signed_in(request), key=f"retry-{key}" if TOKEN.fullmatch(key) else "", via="web"
    )
    messages.success(request, f"Job {made.number} takes over what finished of job {number}, and runs the rest.")
    return redirect("jobs:job", made.number)


@require_POST
def duplicate(request: HttpRequest, number: int) -> HttpResponse:
    made = services.fan_out.duplicate(job=find_job(request, number), actor=signed_in(request))
    messages.success(
        request, f"Draft {made.number} asks for the same as job {number}. Nothing runs until you launch it."
    )
    return redirect(f"{reverse('jobs:launch', args=[made.version.app.slug])}?draft={made.number}")


@require_POST
def delete_draft(request: HttpRequest, number: int) -> HttpResponse:
    services.fan_out.delete_draft(job=find_job(request, number), actor=signed_in(request))
    messages.success(request, f"Draft {number} is deleted.")
    return redirect("jobs:jobs")


urls: list[URLPattern] = [
    path("jobs/<int:number>/retry/", retry, name="job-retry"),
    path("jobs/<int:number>/duplicate/", duplicate, name="job-duplicate"),
    path("jobs/<int:number>/delete/", delete_draft, name="job-delete"),
]
