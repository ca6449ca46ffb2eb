"""Bundles in the store: a zip by its digest, so that the same files are kept once."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction

from apps_catalog.launch.bundle_files import Packed
from apps_catalog.models import Version
from portal.disk import disk_faults
from portal.errors import NotFound


class Ground:
    """`prove` is called before a file is stored: the app `jobs`, which knows all folders of the installation, sets it."""

    prove: Callable[[], None] = staticmethod(lambda: None)


def store(packed: Packed) -> str:
    """Its name in the store. Raises Full where the disk is."""
    Ground.prove()
    name = f"bundles/{packed.digest}.zip"
    settings.STORE_ROOT.mkdir(mode=0o700, parents=True, exist_ok=True)
    if default_storage.exists(name) and default_storage.size(name) == packed.size:
        return name
    default_storage.delete(name)  # what a crash left of it
    try:
        with disk_faults():
            default_storage.save(name, File(packed.file))
    except BaseException:
        default_storage.delete(name)
        raise
    return name


def forget(name: str) -> None:
    """Remove it after the commit, unless a version still has it."""

    transaction.on_commit(lambda: forget_now(name), robust=True)


def forget_now(name: str) -> None:
    """Remove it, unless a version has it."""
    if name and not Version.objects.filter(bundle=name).exists():
        default_storage.delete(name)


def opened(version: Version) -> IO[bytes]:
    """The zip of a version. Raises NotFound where it has none, or it is gone."""
    if not version.bundle or not default_storage.exists(version.bundle):
        raise NotFound(f"Version {version.label} of {version.app.name} has no bundle in the store.")
    return default_storage.open(version.bundle, "rb")
