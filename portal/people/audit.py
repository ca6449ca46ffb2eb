"""The audit trail: one call, one row."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from portal.people.models import AuditEvent, User


def audit(
    action: str, *, request: HttpRequest | None = None, actor: Any = None, target: str = "", **detail: Any
) -> AuditEvent:
    """Record a security-relevant act. `actor` defaults to the request's user; `detail` must hold no secret."""
    if actor is None and request is not None:
        actor = getattr(request, "user", None)
    known = isinstance(actor, User) and actor.pk is not None
    return AuditEvent.objects.create(
        actor=actor if known else None,
        actor_name=actor.username if known else "",
        action=action,
        target=target[:200],
        address=request.META.get("REMOTE_ADDR") or None if request else None,
        detail=detail,
    )
