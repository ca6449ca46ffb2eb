"""Installs the engines that come with Slipway, or brings them up to date: `manage.py install_engines`, after migrate.

Exit codes: 0 all are there, 1 some were refused.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from apps_catalog import services
from apps_catalog.management.acting import curator_named
from portal.errors import PortalError


class Command(BaseCommand):
    help = "Install the built-in partitioners and assemblers, or bring them up to date. Safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        actor = curator_named("")
        refused = 0
        for name in services.ENGINES:
            try:
                done = services.install_engine(name, actor)
            except PortalError as refusal:
                self.stderr.write(f"REFUSED  {name}: {refusal}")
                refused += 1
                continue
            if done.version is None:
                said = "; ".join(finding.message for finding in done.reading.findings if finding.level == "error")
                self.stderr.write(f"REFUSED  {name}: {said}")
                refused += 1
                continue
            what = "installed" if done.created else "brought up to date" if done.replaced else "is there"
            self.stdout.write(f"{name} {done.version.label} {what}")
        if refused:
            raise SystemExit(1)
