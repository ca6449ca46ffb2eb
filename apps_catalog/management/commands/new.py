"""Writes a bundle to start from: `manage.py new app|partitioner|assembler NAME [--in FOLDER]`."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps_catalog.launch.bytenite import ROLES
from apps_catalog.samples import write_sample
from portal.errors import PortalError


class Command(BaseCommand):
    help = "Write the folder of a bundle, with comments, that can be pushed and run as it is. Nothing is overwritten."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("role", choices=ROLES, help="what it is to be")
        parser.add_argument("name", metavar="NAME", help="letters, digits, '-' and '_', at most 64")
        parser.add_argument("--in", dest="parent", default=".", metavar="FOLDER", help="where; here, if left out")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = write_sample(options["role"], options["name"], Path(options["parent"]))
        except PortalError as refused:
            raise CommandError(str(refused)) from refused
        for path in made:
            self.stdout.write(str(path))
        folder = Path(options["parent"]) / options["name"]
        self.stderr.write(f"Change what you like, then: manage.py push {folder} --activate")
