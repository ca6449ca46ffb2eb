"""Addresses of launching, jobs, files and hosts."""

from __future__ import annotations

from django.urls import URLPattern

from jobs.views import launch

app_name = "jobs"
urlpatterns: list[URLPattern] = [*launch.urls]
