"""Keys that clients send so that asking twice makes one job: the same key and body give the job that was made first."""

from __future__ import annotations

import hashlib

from django.db import connection

from jobs.models import IdempotencyKey, Job
from portal.errors import Invalid
from portal.people.models import User


def made_before(owner: User, key: str, body_digest: str) -> Job | None:
    """The job that this key has made; None where it is new, or none was sent.

    Who asks with the same key waits until the transaction that it is called in ends. Raises Invalid for another body.
    """
    if not key:
        return None
    digest = hashlib.sha256(f"{owner.pk}:{key}".encode()).digest()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (int.from_bytes(digest[:8], "big", signed=True),))
    rows = IdempotencyKey.objects.select_related("job__version__app", "job__machine_type")
    found = rows.filter(owner=owner, key=key).first()
    if found is None:
        return None
    if found.body_digest != body_digest:
        raise Invalid(
            f"This Idempotency-Key came before with another body, and made job {found.job_id}. Use a new key.",
            code="idempotency_mismatch",
        )
    return found.job


def keep_key(owner: User, key: str, body_digest: str, job: Job) -> None:
    """The key, where one was sent, has made this job."""
    if key:
        IdempotencyKey.objects.create(owner=owner, key=key, body_digest=body_digest, job=job)
