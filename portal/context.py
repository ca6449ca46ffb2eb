"""What every page's shell needs to know."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def shell(request: HttpRequest) -> dict[str, Any]:
    return {"mail_enabled": settings.MAIL_ENABLED, "request_id": request.META.get("REQUEST_ID", "")}
