"""Addresses of launching, jobs, files and hosts."""

from __future__ import annotations

from django.urls import URLPattern

from jobs.views import files, hosts, job, job_output, jobs, launch, schemas, uploads

app_name = "jobs"
urlpatterns: list[URLPattern] = [
    *jobs.urls,
    *job.urls,
    *job_output.urls,
    *launch.urls,
    *files.urls,
    *uploads.urls,
    *hosts.urls,
    *schemas.urls,
]
