"""The catalog app's configuration."""

from __future__ import annotations

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "apps_catalog"
    verbose_name = "Catalog"
