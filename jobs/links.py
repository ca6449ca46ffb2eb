"""Links to results that need no sign-in and expire: signed, for one file each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import BinaryIO, cast

from django.conf import settings
from django.core import signing
from django.core.files.storage import default_storage
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from jobs.models import BucketFile, Job, Result
from jobs.results import name_field, open_result, renamed, results_of
from portal.errors import NotFound

SALT = "slipway.result-link"
GONE = "This link is not one of ours, or its time is over. Open the job's page for its results, or run it again."
BUCKET, RESULT = "b", "r"


@dataclass(frozen=True)
class Link:
    name: str
    size: int
    url: str
    expires_at: datetime


@dataclass(frozen=True)
class Linked:
    """What a link leads to."""

    name: str
    file: BinaryIO


def of_job(job: Job) -> Iterator[Link]:
    """Links to the results of a job: to those in its bucket where that is its destination, else to its own."""
    if isinstance(job.destination, dict) and job.destination.get("kind") == "bucket":
        for row in BucketFile.objects.filter(job=job, expires_at__gt=Now()).order_by("name"):
            yield Link(row.name, row.size, _url(BUCKET, row.pk, row.expires_at), row.expires_at)
        return
    until = timezone.now() + timedelta(hours=settings.RESULT_LINK_HOURS)
    field = name_field(job)
    for result in renamed(results_of(job).exclude(stored="").order_by(field), field):
        yield Link(result.path, result.size, _url(RESULT, result.pk, until), until)


def opened(token: str) -> Linked:
    """What the link leads to. Raises NotFound for one that is no good, or whose time is over."""
    try:
        kind, key, until = signing.loads(token, salt=SALT)
    except (signing.BadSignature, ValueError, TypeError):
        raise NotFound(GONE) from None
    if until < timezone.now().timestamp():
        raise NotFound(GONE)
    if kind == RESULT:
        result = Result.objects.filter(pk=key).exclude(stored="").first()
        if result is None:
            raise NotFound(GONE)
        return Linked(result.flat_name or result.path, open_result(result))
    row = BucketFile.objects.filter(pk=key, expires_at__gt=Now()).first()
    if row is None:
        raise NotFound(GONE)
    try:
        return Linked(row.name, cast("BinaryIO", default_storage.open(row.stored, "rb")))
    except FileNotFoundError:
        raise NotFound(GONE) from None


def _url(kind: str, key: int, until: datetime) -> str:
    token = signing.dumps([kind, key, int(until.timestamp())], salt=SALT)
    return settings.PUBLIC_URL + reverse("jobs:result-link", args=[token])
