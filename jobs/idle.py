"""Apps that nobody uses: after IDLE_STOP_HOURS without traffic they are stopped, with a warning before.

By the database's clock. What counts is traffic to any endpoint of a job that is there to be connected to, and "Keep it
running"; a shell that somebody opened into another job is no reason to stop that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import DurationField, ExpressionWrapper
from django.db.models.functions import Coalesce, Greatest, Now

from jobs.events import record
from jobs.models import Endpoint, Job
from jobs.tended import Tended
from portal.doorbell import chore
from portal.templatetags.portal_ui import duration

IDLE = "idle"  # of Endpoint.mail_due
WARN_BEFORE = timedelta(minutes=30)
Stop = Callable[[Tended, str], None]


def limit() -> timedelta | None:
    """How long an app may go unused; None where it may for ever."""
    return timedelta(hours=settings.IDLE_STOP_HOURS) if settings.IDLE_STOP_HOURS else None


def idle_for(job_numbers: Iterable[int] | None = None, attempts: Iterable[int] | None = None) -> dict[int, timedelta]:
    """Attempt -> how long nobody has used any of its endpoints. Those of these jobs, or these attempts."""
    rows = Endpoint.objects.live()
    if job_numbers is not None:
        rows = rows.filter(job_id__in=job_numbers)
    if attempts is not None:
        rows = rows.filter(attempt_id__in=attempts)
    used = Greatest(Coalesce("last_traffic_at", "since"), "since")
    spans = rows.annotate(idle=ExpressionWrapper(Now() - used, DurationField())).values_list("attempt_id", "idle")
    found: dict[int, timedelta] = {}
    for attempt, span in spans:
        found[attempt] = min(span, found.get(attempt, span))
    return found


def look(tending: Iterable[Tended], stop: Stop) -> None:
    """Warn of, and stop, what nobody uses. Called by the process that tends them."""
    most = limit()
    if most is None:
        return
    apps = {t.attempt.pk: t for t in tending if t.job.plan.get("connect") and not t.stopping}
    if not apps:
        return
    for pk, span in idle_for(attempts=apps).items():
        tended = apps[pk]
        if span >= most:
            stop(
                tended, f"Stopped, because nobody had used it for {in_minutes(most)}. Launch it again when you need it."
            )
        elif span >= most - WARN_BEFORE:
            _warn(tended, span, most - span)
        else:
            Endpoint.objects.filter(attempt_id=pk, idle_warned_at__isnull=False).update(idle_warned_at=None)


def _warn(tended: Tended, span: timedelta, left: timedelta) -> None:
    """Once, until somebody uses it."""
    rows = Endpoint.objects.live().filter(attempt=tended.attempt, idle_warned_at=None)
    with transaction.atomic():
        if not rows.update(idle_warned_at=Now()):
            return
        said = f"Nobody has used it for {in_minutes(span)}. It is stopped in {in_minutes(left)}, unless somebody does."
        record(tended.job.number, "idle", said)
        if tended.job.notify and (first := Endpoint.objects.live().filter(attempt=tended.attempt).first()):
            Endpoint.objects.filter(pk=first.pk).update(mail_due=IDLE)
            chore("mail_about_app", first.pk)


def in_minutes(span: timedelta) -> str:
    """In whole minutes: seconds would say more than is known."""
    return duration(max(round(span.total_seconds() / 60), 1) * 60)


def stops_in(job: Job) -> timedelta | None:
    """How long until the job is stopped for want of use, once it was warned of; None before, and where it never is."""
    most = limit()
    if most is None or not job.endpoints.live().filter(idle_warned_at__isnull=False).exists():
        return None
    spans = idle_for(job_numbers=[job.number]).values()
    return max(most - min(spans), timedelta(0)) if spans else None


def used(job: Job) -> bool:
    """Somebody says that they need it: it counts as used now. False where nothing of it can be connected to."""
    return bool(job.endpoints.live().update(last_traffic_at=Now(), idle_warned_at=None))
