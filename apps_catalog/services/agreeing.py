"""Licence terms: shown before a launch, agreed to once by each person, asked for anew when the words change."""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from apps_catalog.models import EulaAcceptance, Version
from portal.errors import Conflict
from portal.people.audit import audit
from portal.people.models import User


def eula_digest(version: Version) -> str:
    """sha256 of the words that are agreed to; "" where there are none."""
    return hashlib.sha256(version.eula.encode()).hexdigest() if version.eula else ""


def eula_accepted_at(user: User, version: Version) -> datetime | None:
    """When this person agreed to these words of the app; None where they did not, or there are none."""
    if not version.eula:
        return None
    rows = EulaAcceptance.objects.filter(user=user, app_id=version.app_id, eula_digest=eula_digest(version))
    return rows.values_list("accepted_at", flat=True).first()


def eula_missing(user: User, version: Version) -> bool:
    """Whether this person has still to agree to the terms of this version before launching it."""
    return bool(version.eula) and eula_accepted_at(user, version) is None


def eula_address(version: Version) -> str:
    """Where a person reads the terms and agrees to them, whatever door they came to."""
    return f"{settings.PUBLIC_URL}{reverse('apps_catalog:eula', args=[version.app.slug])}?version={version.label}"


def accept_eula(*, user: User, version: Version, digest: str) -> None:
    """Keep that this person agrees to the words with this digest. Raises Conflict where the words are others by now."""
    if not version.eula:
        raise Conflict("This version has no licence terms to agree to.", code="no_eula")
    if digest != eula_digest(version):
        raise Conflict("The licence terms have changed. Read them again, and agree to those.", code="eula_changed")
    with transaction.atomic():
        _, new = EulaAcceptance.objects.get_or_create(user=user, app_id=version.app_id, eula_digest=digest)
        if new:
            audit("app.eula", actor=user, target=version.app.slug, version=version.label, digest=digest)
