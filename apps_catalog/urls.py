"""Addresses of the catalog and the curate area."""

from __future__ import annotations

from django.urls import URLPattern

app_name = "apps_catalog"
urlpatterns: list[URLPattern] = []
