"""The proof that every process sees the same store and vaults: a marker file in each that holds the installation's id."""

from __future__ import annotations

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
            marker.write_text(str(ours.pk), encoding="ascii")
        if marker.read_text(encoding="ascii").strip() != str(ours.pk):
            raise MountsRefused(f"{root} belongs to another installation (its {MARKER} differs). Check the mounts.")
    Installation.objects.filter(pk=ours.pk).update(marked=True)
    _marked.update(roots())


def _may_mark(root: Path, ours: Installation) -> None:
    if ours.marked:
        raise MountsRefused(
            f"{root} has no {MARKER}, though this installation has marked its folders. Check the mounts."
        )
    if root.is_dir() and any(root.iterdir()):
        raise MountsRefused(f"{root} holds files but no {MARKER}: it is not this installation's folder.")
