"""Addresses of the REST API; each app brings its own under v1."""

from __future__ import annotations

from django.urls import URLPattern

app_name = "api"
urlpatterns: list[URLPattern] = []
