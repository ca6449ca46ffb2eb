"""The life of an endpoint: declared when its attempt starts, opened when it answers, closed with the attempt."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.db.models.functions import Coalesce, Now

from jobs.models import Attempt, Endpoint
from jobs.models.endpoints import random_label


def declare(attempt: Attempt, *, kind: Endpoint.Kind, port: int | None = None, path: str = "/") -> Endpoint:
    """The attempt's endpoint of this kind and port, made unless it is there: a process that takes over declares it again.

    `path` begins with "/" and may hold a query. A terminal has no port.
    """
    known = Endpoint.objects.filter(attempt=attempt, kind=kind, port=port)
    if (found := known.first()) is not None:
        return found
    endpoint = Endpoint(job_id=attempt.task.job_id, attempt=attempt, kind=kind, port=port)
    endpoint.label = random_label(endpoint.job_id)
    endpoint.path = path
    try:
        with transaction.atomic():
            endpoint.save(force_insert=True)
    except IntegrityError:  # made beside us
        return known.get()
    return endpoint


def opened(endpoint: Endpoint) -> bool:
    """It answers: from waiting to open. False when it was not waiting."""
    rows = Endpoint.objects.filter(pk=endpoint.pk, state=Endpoint.State.WAITING)
    first = Coalesce("answered_at", Now())
    return bool(rows.update(state=Endpoint.State.OPEN, since=Now(), answered_at=first, other_ports=[]))


def silent(endpoint: Endpoint) -> bool:
    """It does not answer any more: from open back to waiting. False when it was not open."""
    rows = Endpoint.objects.filter(pk=endpoint.pk, state=Endpoint.State.OPEN)
    return bool(rows.update(state=Endpoint.State.WAITING, since=Now()))


def close_all(attempt: Attempt) -> None:
    """The attempt has ended, and with it what could be connected to. For good: see Endpoint."""
    Endpoint.objects.live().filter(attempt=attempt).update(state=Endpoint.State.CLOSED, since=Now())


def ports_of(attempt: Attempt) -> frozenset[int]:
    """The ports of the container that the relay may reach: those that were declared, and no others."""
    rows = Endpoint.objects.live().filter(attempt=attempt, port__isnull=False).values_list("port", flat=True)
    return frozenset(port for port in rows if port is not None)
