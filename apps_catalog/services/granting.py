"""What an operator grants to one version: a mark of trust, and profiles for images that need more than others may."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from apps_catalog.models import Version
from apps_catalog.services.publishing import locked
from portal.errors import Conflict, Forbidden, Invalid
from portal.people.audit import audit
from portal.people.models import AuditEvent, User

REASON_MIN, REASON_MAX = 5, 1000


@dataclass(frozen=True)
class Grant:
    """One thing that can be granted. `words` go after "Runs with"; `meaning` is what an operator has to know."""

    what: str
    title: str
    words: str
    meaning: str


GRANTS = {
    grant.what: grant
    for grant in (
        Grant(
            "certified",
            "Certified",
            "the mark of certified apps",
            "You vouch for this version. Its jobs may act over the API for whoever launches them: %APIURL%, %APIUSER% and "
            "%APIKEY% are filled in, the key being a token of that job alone which ends with it. Without this mark they "
            "are filled in only where the person who launches brought the app in.",
        ),
        Grant(
            "runs_as_root",
            "Runs as root",
            "root in its container",
            "Its program is user 0 in its container. Whoever breaks out of a container as root is root on the host. Grant "
            "it only to images that you know and that can't work otherwise.",
        ),
        Grant(
            "writable_root",
            "Writable system",
            "a writable file system",
            "It may write anywhere in its container, not only in its home, /tmp, /results and the vault. What it writes "
            "there is gone when it ends, and fills the disk of the host meanwhile.",
        ),
        Grant(
            "outgoing_network",
            "Outgoing network",
            "outgoing network",
            "Its jobs may open connections to other machines, so anything that they can read may be sent away. Services "
            "of this installation and of the host stay out of reach.",
        ),
    )
}


@dataclass(frozen=True)
class Granted:
    """A grant that holds, with who gave it and why, as the audit trail has it."""

    grant: Grant
    by: str
    at: datetime | None
    reason: str


def require_operator(actor: User) -> None:
    if not actor.operates:
        raise Forbidden("Only operators may grant this. Ask one of them, or an administrator to make you one.")


def set_grant(*, version: Version, actor: User, what: str, on: bool, reason: str) -> Version:
    """Grant one thing to one version, or take it back. Raises Forbidden, Invalid for a grant that is none or without a reason, Conflict
    where it is so already. Jobs that run keep what they were started with."""
    require_operator(actor)
    if what not in GRANTS:
        raise Invalid(f"There is no such grant. Those are: {', '.join(GRANTS)}.", code="unknown_grant")
    reason = " ".join(reason.replace("\0", "").split())
    if not REASON_MIN <= len(reason) <= REASON_MAX:
        raise Invalid(
            f"Say why, in {REASON_MIN} to {REASON_MAX} characters: it is shown on the app's page.", code="bad_reason"
        )
    with transaction.atomic():
        _app, version = locked(version)
        if getattr(version, what) == on:
            raise Conflict("It is so already. Somebody else was faster.", code="unchanged")
        setattr(version, what, on)
        version.save(update_fields=[what])
        action = "version.grant" if on else "version.take_back"
        audit(action, actor=actor, target=str(version), version=version.pk, what=what, reason=reason)
    return version


def grants_of(version: Version) -> list[Granted]:
    """What is granted to a version, in the order of GRANTS. One query, and none for a version without."""
    held = [what for what in GRANTS if getattr(version, what)]
    if not held:
        return []
    rows = AuditEvent.objects.filter(action="version.grant", detail__version=version.pk).order_by("id")
    last = {str(row.detail.get("what")): row for row in rows}
    return [_granted(what, last.get(what)) for what in held]


def _granted(what: str, row: AuditEvent | None) -> Granted:
    if row is None:
        return Granted(GRANTS[what], "an administrator", None, "")
    return Granted(GRANTS[what], row.actor_name or "an administrator", row.at, str(row.detail.get("reason", "")))


def held(versions: Iterable[Version]) -> dict[int, list[str]]:
    """The titles of what each version holds, by its pk."""
    return {one.pk: [grant.title for what, grant in GRANTS.items() if getattr(one, what)] for one in versions}
