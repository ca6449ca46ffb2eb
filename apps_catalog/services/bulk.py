"""Many definitions at once, from files or a browser: each for itself, no bad one stops the rest, all of it in one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db import transaction

from apps_catalog.launch.spec import Finding, Reading
from apps_catalog.models import ImportRun, Version
from apps_catalog.services.importing import Imported, import_definition
from apps_catalog.services.publishing import publish, require_curator
from portal.errors import PortalError
from portal.people.audit import audit
from portal.people.models import User

Entry = dict[str, Any]
ENTRIES_MAX = 5_000


@dataclass(frozen=True)
class Wish:
    """In whose name, with which image, and whether to publish what is imported, or only to look."""

    actor: User
    image: str = ""
    publish: bool = False
    dry_run: bool = False


def import_one(wish: Wish, path: str, text: str | bytes | Finding) -> Entry:
    """Import one definition, or say why not. `text` may be the finding that says why it was not even read."""
    if isinstance(text, Finding):
        return _entry(path, Reading(None, (text,)))
    try:
        with transaction.atomic():
            done = import_definition(text=text, actor=wish.actor, image=wish.image, dry_run=wish.dry_run)
            if wish.publish and not wish.dry_run and done.version and done.version.state != Version.State.PUBLISHED:
                publish(version=done.version, actor=wish.actor)
    except PortalError as refusal:
        return _entry(path, Reading(None, (Finding("error", refusal.code, refusal.message),)))
    return _entry(path, done.reading, done)


def record_run(wish: Wish, entries: Sequence[Entry], *, source: str) -> ImportRun:
    """Keep what came of a run, for curators to look over."""
    require_curator(wish.actor)
    actor = wish.actor if wish.actor.pk else None
    run = ImportRun.objects.create(
        actor=actor, source=source[:300].replace("\0", ""), entries=list(entries[:ENTRIES_MAX])
    )
    failed = sum(not entry["ok"] for entry in entries)
    audit("import.run", actor=wish.actor, target=str(run.pk), files=len(entries), refused=failed)
    return run


def _entry(path: str, reading: Reading, done: Imported | None = None) -> Entry:
    spec = reading.spec
    app = done.app if done else None
    version = done.version if done else None
    return {
        "path": path.encode("utf-8", "replace").decode().replace("\0", "\ufffd"),
        "ok": reading.ok,
        "app": spec.name if spec else None,
        "slug": app.slug if app else None,
        "version": version.label if version else None,
        "created": bool(done and done.created),
        "commands": list(spec.commands) if spec else [],
        "findings": [asdict(finding) for finding in reading.findings],
    }
