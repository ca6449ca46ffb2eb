"""Imports AppDefs from files and folders: `manage.py import_apps PATH... [--dry-run] [--json]`."""

from __future__ import annotations

import json
import os
import stat
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps_catalog import services
from apps_catalog.launch.document import too_large
from apps_catalog.launch.spec import Finding
from apps_catalog.management.acting import MARKS, curator_named
from apps_catalog.services.bulk import Entry, Wish, import_one, record_run
from apps_catalog.services.reading import size_limit_bytes
from apps_catalog.wording import counted


class Command(BaseCommand):
    help = "Import AppDef files, and every *.json below folders. A bad file is reported and the next one is read."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", metavar="PATH", help="a file, or a folder with *.json at any depth")
        parser.add_argument("--dry-run", action="store_true", help="read and report, write nothing")
        parser.add_argument("--json", action="store_true", help="one JSON object a file, one a line")
        parser.add_argument("--image", default="", help="container image of the new versions")
        parser.add_argument("--publish", action="store_true", help="publish what is imported")
        parser.add_argument("--as", dest="username", default="", help="the curator in whose name it is done")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["image"] and not services.image_fits(options["image"]):
            raise CommandError(f"--image {options['image']!r} is no image reference. Write registry/name:tag.")
        wish = Wish(curator_named(options["username"]), options["image"], options["publish"], options["dry_run"])
        entries: list[Entry] = []
        for path in _files(options["paths"]):
            entry = import_one(wish, str(path), _text_of(path))
            entries.append(entry)
            self.stdout.write(json.dumps(entry) if options["json"] else _as_text(entry, wish))
        failed = sum(not entry["ok"] for entry in entries)
        verb = "can be imported" if wish.dry_run else "imported"
        self.stderr.write(f"{len(entries) - failed} of {counted(len(entries), 'file')} {verb}.")
        if not wish.dry_run:
            run = record_run(wish, entries, source="manage.py import_apps " + " ".join(options["paths"]))
            self.stderr.write(f"All remarks: {settings.PUBLIC_URL}{run.get_absolute_url()}")
        if failed:
            raise SystemExit(1)


def _files(given: list[str]) -> Iterator[Path]:
    """What is named, and every *.json below a folder that is named, in order."""
    if "" in given:  # which Path reads as the folder we are in
        raise CommandError("A PATH is empty, as an unset variable of a shell is. Name a file or a folder.")
    for path in map(Path, given):
        if os.path.isdir(path):  # noqa: PTH112  Path.is_dir raises where a folder above can't be entered
            yield from sorted(found for found in path.rglob("*") if found.suffix.lower() == ".json") or [path]
        else:
            yield path


def _text_of(path: Path) -> bytes | Finding:
    limit = size_limit_bytes()
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            return Finding("error", "no-files", "There is no *.json file in this folder.")
        if not stat.S_ISREG(found.st_mode):
            return Finding("error", "unreadable", "This is no ordinary file.")
        if found.st_size > limit:
            return too_large(found.st_size, limit)
        with path.open("rb") as file:
            return file.read(limit + 1)
    except (OSError, ValueError) as fault:
        why = fault.strerror if isinstance(fault, OSError) else str(fault)
        return Finding("error", "unreadable", f"The file can't be read: {why}.")


def _as_text(result: Entry, wish: Wish) -> str:
    if not result["ok"]:
        head = f"REFUSED  {result['path']}"
    else:
        where = (
            "new app" if wish.dry_run and not result["slug"] else f"{result['slug']} {result['version'] or ''}".strip()
        )
        known = "" if result["created"] or wish.dry_run else ", there already"
        head = f"ok       {result['path']}: {result['app']} ({counted(len(result['commands']), 'command')}) -> {where}{known}"
    lines = [_finding_line(finding) for finding in result["findings"]]
    return "\n".join([head, *lines]).encode("utf-8", "replace").decode()


def _finding_line(finding: dict[str, Any]) -> str:
    place = f"{finding['line']}:{finding['column']} " if finding["line"] else ""
    pointer = f" [{finding['pointer']}]" if finding["pointer"] else ""
    return f"         {MARKS[finding['level']]} {place}{finding['message']}{pointer}"
