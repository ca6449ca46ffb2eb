"""The jobs app's configuration."""

from __future__ import annotations

from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        from apps_catalog.services.bundle_store import Ground
        from jobs import mounts

        Ground.prove = staticmethod(mounts.mark)
