"""The folders that outlast a job: one of the installation's, which operators fill, and one for each person."""

from __future__ import annotations

import logging
import os
import shutil
import uuid
from pathlib import Path

from django.conf import settings

from jobs import collect, identity, safe_paths
from jobs.models import Attempt
from jobs.states import ATTEMPT_OPEN
from portal.people.models import User

logger = logging.getLogger(__name__)


def shared() -> Path:
    """Read-only in every job in stages. Operators put there what all may read."""
    folder: Path = settings.CACHE_ROOT / "shared"
    if not folder.is_dir():
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    return folder


def of_person(person: User) -> Path:
    """Theirs alone, in each of their jobs in stages."""
    folder: Path = settings.CACHE_ROOT / "users" / str(person.pk)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with safe_paths.opened(folder) as fd:
        identity.share_folder(fd)
    return folder


def tidy(person: User, besides: Attempt) -> bool:
    """Before a job of theirs begins: empty a cache that is past its limit, unless another task of theirs runs. True if so."""
    folder = of_person(person)
    limit = settings.USER_CACHE_LIMIT_MIB * 2**20
    if collect.measure(folder, limit) <= limit:
        return False
    if Attempt.objects.filter(task__owner=person, state__in=ATTEMPT_OPEN).exclude(pk=besides.pk).exists():
        return False
    gone = folder.with_name(f".{uuid.uuid4().hex}")
    os.rename(folder, gone)  # noqa: PTH104 - beside it, in one step
    shutil.rmtree(gone, ignore_errors=True)
    of_person(person)
    logger.info("The cache of %s was past its limit and is emptied.", person.username)
    return True
