"""Addresses of launching, jobs, files and hosts."""

from __future__ import annotations

from django.urls import URLPattern

from jobs.views import (
    connecting,
    curation,
    ends,
    files,
    hosts,
    job,
    job_copies,
    job_output,
    jobs,
    launch,
    palette,
    schemas,
    tasks,
    templates,
    terminals,
    uploads,
    vaults,
)

app_name = "jobs"
urlpatterns: list[URLPattern] = [
    *jobs.urls,
    *job.urls,
    *job_copies.urls,
    *job_output.urls,
    *tasks.urls,
    *templates.urls,
    *terminals.urls,
    *connecting.urls,
    *launch.urls,
    *vaults.urls,
    *files.urls,
    *uploads.urls,
    *ends.urls,
    *hosts.urls,
    *curation.urls,
    *schemas.urls,
    *palette.urls,
]
