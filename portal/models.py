"""The models of the portal app, where Django looks for them; they live in portal.people."""

from __future__ import annotations

from portal.people.models import AccountVariable, ApiToken, AuditEvent, Membership, Secret, Team, User

__all__ = ["AccountVariable", "ApiToken", "AuditEvent", "Membership", "Secret", "Team", "User"]
