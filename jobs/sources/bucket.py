"""Results in a bucket of the portal's own: kept for BUCKET_KEEP_HOURS, and fetched by links that need no sign-in and expire."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models.functions import Now

from jobs.gathering import link_or_copy
from jobs.models import BucketFile
from jobs.sources.base import Fields, Files, Kind
from jobs.sources.passage import Passage
from jobs.store import disk_faults
from portal.errors import NotFound
from portal.people.models import User


@dataclass(frozen=True)
class ToOwnBucket:
    trivial: ClassVar[bool] = False

    def deliver(self, files: Files, passage: Passage) -> None:
        for name, there in files:
            passage.going()
            _keep(passage.job_number, name, there)
            passage.count(there.stat().st_size)
            passage.arrived()

    def look(self) -> str:
        return f"The results are kept for {settings.BUCKET_KEEP_HOURS} hours, with links that expire then."


def _keep(job_number: int, name: str, there: Path) -> None:
    stored = f"bucket/{job_number}/{uuid.uuid4().hex}"
    place = Path(default_storage.path(stored))
    try:
        with disk_faults():
            place.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            link_or_copy(there, place)
    except FileNotFoundError:
        raise NotFound(f"The result '{name}' is not in the store any more.") from None
    values = {
        "stored": stored,
        "size": place.stat().st_size,
        "expires_at": Now() + timedelta(hours=settings.BUCKET_KEEP_HOURS),
    }
    with transaction.atomic():
        old = BucketFile.objects.select_for_update().filter(job_id=job_number, name=name).first()
        BucketFile.objects.update_or_create(job_id=job_number, name=name, defaults=values)
        if old is not None:
            transaction.on_commit(lambda: default_storage.delete(old.stored))


def purge_expired(*, at_most: int = 500) -> int:
    """Remove the files whose time is over; how many."""
    with transaction.atomic():
        expired = BucketFile.objects.filter(expires_at__lt=Now()).order_by("expires_at")
        rows = list(expired.select_for_update(skip_locked=True)[:at_most])
        BucketFile.objects.filter(pk__in=[row.pk for row in rows]).delete()
    for row in rows:
        default_storage.delete(row.stored)
    return len(rows)


def _read(fields: Fields, owner: User) -> ToOwnBucket:
    return ToOwnBucket()


DESTINATION = Kind("bucket", "Links that expire", (), _read)
