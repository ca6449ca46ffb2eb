"""Imports bundles from folders and archives: `manage.py push PATH... [--activate] [--dry-run]`.

Exit codes: 0 all went in, 1 some were refused, 2 the call itself was wrong.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps_catalog import services
from apps_catalog.launch.bytenite import MANIFEST
from apps_catalog.launch.spec import Finding
from apps_catalog.management.acting import CALLED_WRONGLY, MARKS, curator_named
from apps_catalog.services import ImportedBundle, tags_of
from portal.errors import PortalError
from portal.people.models import User


class Command(BaseCommand):
    help = "Import bundles: folders, zip or tar archives, or a folder that holds several. Drafts, unless --activate."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "paths", nargs="+", metavar="PATH", help="a bundle's folder or archive, or a folder of such folders"
        )
        parser.add_argument("--activate", action="store_true", help="let it take jobs at once")
        parser.add_argument("--dry-run", action="store_true", help="look it over and report, write nothing")
        parser.add_argument("--as", dest="username", default="", help="the curator in whose name it is done")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = curator_named(options["username"])
        refused = 0
        for path in _bundles(options["paths"]):
            try:
                done = self._push(path, actor, options)
            except PortalError as refusal:
                self.stderr.write(f"REFUSED  {path}: {refusal}")
                refused += 1
                continue
            except OSError as fault:
                self.stderr.write(f"REFUSED  {path}: it can't be read: {fault.strerror or fault}.")
                refused += 1
                continue
            refused += not done.reading.ok
        if refused:
            raise SystemExit(1)

    def _push(self, path: Path, actor: User, options: dict[str, Any]) -> ImportedBundle:
        how = {"actor": actor, "activate": options["activate"], "dry_run": options["dry_run"]}
        if path.is_dir():
            done = services.import_bundle(read=services.from_folder(path), **how)
        else:
            with path.open("rb") as file:
                done = services.import_bundle(read=services.from_archive(file), **how)
        out = self.stdout if done.reading.ok else self.stderr
        out.write(f"{'ok      ' if done.reading.ok else 'REFUSED '} {path}: {_what(done, options)}")
        for finding in done.reading.findings:
            out.write(_line(finding))
        return done


def _what(done: ImportedBundle, options: dict[str, Any]) -> str:
    if not done.reading.ok:
        return "nothing was written"
    if options["dry_run"] or done.version is None:
        return "it can be imported"
    version = done.version
    act = "new" if done.created else "replaced" if done.replaced else "there already"
    where = f"{settings.PUBLIC_URL}{version.get_curate_url()}"
    return f"{tags_of(version)[-1]}, {act}, {version.get_state_display().lower()}  {where}"


def _line(finding: Finding) -> str:
    place = f"{finding.file} " if finding.file else ""
    if finding.line and not finding.message.startswith("Line "):
        place += f"{finding.line}:{finding.column} "
    return f"         {MARKS[finding.level]} {place}{finding.message}"


def _bundles(given: list[str]) -> Iterator[Path]:
    """What is named; of a folder that is no bundle, the bundles directly in it."""
    for text in given:
        path = Path(text)
        if not text or not path.exists():
            raise CommandError(
                f"There is nothing at {text!r}. Name the folder or the archive of a bundle.", returncode=CALLED_WRONGLY
            )
        inner = []
        if path.is_dir() and not (path / MANIFEST).exists():
            inner = sorted(one for one in path.iterdir() if (one / MANIFEST).is_file())
        yield from inner or [path]
