"""The models of the portal app, where Django looks for them; they live in portal.people."""

from __future__ import annotations

from portal.people.models import ApiToken, AuditEvent, Membership, Team, User

__all__ = ["ApiToken", "AuditEvent", "Membership", "Team", "User"]
