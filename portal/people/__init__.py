"""People: users, teams, API tokens and the audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.http import HttpRequest

if TYPE_CHECKING:
    from portal.people.models import User


def signed_in(request: HttpRequest) -> User:
    """Who asks for a page. The middleware lets nobody else in."""
    return cast("User", request.user)
