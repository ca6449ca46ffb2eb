"""One-time addresses that a file is sent to, without a sign-in: signed, for one upload, until it is whole or expires."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.core import signing
from django.db.models.functions import Now
from django.urls import reverse

from jobs.models import Upload
from portal.errors import NotFound

SALT = "slipway.upload-address"


def address_of(upload: Upload) -> str:
    """Whoever has it can send this file, and nothing else."""
    token = signing.dumps(upload.pk.hex, salt=SALT)
    return settings.PUBLIC_URL + reverse("jobs:upload-address", args=[token])


def upload_at(token: str) -> Upload:
    """The upload of an address. Raises NotFound where the address is no good, or its time is over."""
    try:
        key = uuid.UUID(signing.loads(token, salt=SALT))
    except (signing.BadSignature, ValueError, TypeError):
        key = None
    row = Upload.objects.filter(pk=key, expires_at__gt=Now()).first() if key else None
    if row is None:
        raise NotFound("This upload address is not one of ours, or its time is over. Ask for a new one.")
    return row
