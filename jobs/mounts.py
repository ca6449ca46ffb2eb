"""The proof that every process sees the same store and vaults: a marker file in each that holds the installation's id."""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

from django.conf import settings

from jobs.models import Installation
from portal.errors import PortalError

MARKER = ".slipway-installation"
_marked: set[Path] = set()


class MountsRefused(PortalError):
    """Raised where a folder is not this installation's: what was found there, and what to do."""

    code = "mounts_refused"
    status = 503


def roots() -> tuple[Path, Path]:
    return settings.STORE_ROOT, settings.VAULT_ROOT


def mark() -> None:
    """Before this process's first file: prove the folders, and mark them if no process of the installation ever has."""
    if _marked.issuperset(roots()):
        return
    ours = Installation.get()
    for root in roots():
        marker = root / MARKER
        if not marker.exists():
            _may_mark(root, ours)
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_once(marker, str(ours.pk))
        if marker.read_text(encoding="ascii").strip() != str(ours.pk):
            raise MountsRefused(f"{root} belongs to another installation (its {MARKER} differs). Check the mounts.")
    Installation.objects.filter(pk=ours.pk).update(marked=True)
    _marked.update(roots())


def _write_once(marker: Path, text: str) -> None:
    """Whole or not at all, for two processes may begin at once, and the other one reads it."""
    draft = marker.with_name(f"{MARKER}-{uuid.uuid4().hex}")
    draft.write_text(text, encoding="ascii")
    with contextlib.suppress(FileExistsError):
        os.link(draft, marker)
    draft.unlink()


def _may_mark(root: Path, ours: Installation) -> None:
    if ours.marked:
        raise MountsRefused(
            f"{root} has no {MARKER}, though this installation has marked its folders. Check the mounts."
        )
    if root.is_dir() and any(not path.name.startswith(MARKER) for path in root.iterdir()):
        raise MountsRefused(f"{root} holds files but no {MARKER}: it is not this installation's folder.")
