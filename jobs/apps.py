"""The jobs app's configuration."""

from __future__ import annotations

from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        from jobs import mounts  # its models are there only now
        from portal import disk

        disk.claimed_by(mounts.mark)
