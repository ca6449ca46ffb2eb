"""Where Django looks for the admin of the portal app; it lives in portal.people.admin."""

from __future__ import annotations

from portal.people import admin

__all__ = ["admin"]
