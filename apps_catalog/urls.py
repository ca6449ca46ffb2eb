"""Addresses of the catalog and the curate area."""

from __future__ import annotations

from django.urls import URLPattern

from apps_catalog.views import app, catalog, curate, eula, images, overlay, versions

app_name = "apps_catalog"
urlpatterns: list[URLPattern] = [
    *catalog.urlpatterns,
    *app.urlpatterns,
    *curate.urlpatterns,
    *versions.urlpatterns,
    *eula.urlpatterns,
    *overlay.urlpatterns,
    *images.urlpatterns,
]
