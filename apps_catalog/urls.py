"""Addresses of the catalog and the curate area."""

from __future__ import annotations

from django.urls import URLPattern

from apps_catalog.views import app, bundles, catalog, compare, curate, eula, grants, images, overlay, runs, versions

app_name = "apps_catalog"
urlpatterns: list[URLPattern] = [
    *catalog.urlpatterns,
    *app.urlpatterns,
    *curate.urlpatterns,
    *bundles.urlpatterns,
    *versions.urlpatterns,
    *compare.urlpatterns,
    *eula.urlpatterns,
    *grants.urlpatterns,
    *overlay.urlpatterns,
    *images.urlpatterns,
    *runs.urlpatterns,
]
