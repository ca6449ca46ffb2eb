"""Addresses of launching, jobs, files and hosts."""

from __future__ import annotations

from django.urls import URLPattern

from jobs.views import (
    connecting,
    curation,
    files,
    hosts,
    job,
    job_output,
    jobs,
    launch,
    schemas,
    terminals,
    uploads,
    vaults,
)

app_name = "jobs"
urlpatterns: list[URLPattern] = [
    *jobs.urls,
    *job.urls,
    *job_output.urls,
    *terminals.urls,
    *connecting.urls,
    *launch.urls,
    *vaults.urls,
    *files.urls,
    *uploads.urls,
    *hosts.urls,
    *curation.urls,
    *schemas.urls,
]
