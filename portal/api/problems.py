"""RFC 9457 problem+json: the one place where an error becomes an API answer."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from portal.errors import PortalError

MEDIA_TYPE = "application/problem+json"


def problem(status: int, code: str, detail: str, errors: list[dict[str, str]] | None = None) -> dict[str, Any]:
    """The body: {type, title, status, detail, code, errors: [{pointer, code, message}]}."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "errors": errors or [],
    }


def pointers(detail: Any, at: str = "") -> list[dict[str, str]]:
    """DRF's nested error detail as a flat list with JSON pointers."""
    if isinstance(detail, dict):
        found = []
        for key, value in detail.items():
            part = "" if key == "non_field_errors" else "/" + str(key).replace("~", "~0").replace("/", "~1")
            found += pointers(value, at + part)
        return found
    if isinstance(detail, list):
        found = []
        for index, value in enumerate(detail):
            nested = isinstance(value, dict | list)
            found += pointers(value, f"{at}/{index}" if nested else at)
        return found
    return [{"pointer": at, "code": str(getattr(detail, "code", "invalid")), "message": str(detail)}]


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. None (a bug) leaves the error to Django's 500."""
    headers: dict[str, str] = {}
    match error:
        case PortalError():
            errors = [{"pointer": f.pointer, "code": f.code, "message": f.message} for f in error.faults]
            body = problem(error.status, error.code, error.message, errors)
        case Http404():
            body = problem(404, "not_found", "Nothing is here, or it is not yours to see.")
        case PermissionDenied():
            body = problem(403, "forbidden", "You may not do this.")
        case exceptions.ValidationError():
            body = problem(
                422, "invalid", "The request has faults; each is listed with its place.", pointers(error.detail)
            )
        case exceptions.APIException():
            code = error.get_codes()
            body = problem(error.status_code, code if isinstance(code, str) else "refused", str(error.detail))
            if getattr(error, "auth_header", None):
                headers["WWW-Authenticate"] = error.auth_header
            if getattr(error, "wait", None):
                headers["Retry-After"] = str(int(error.wait))
        case _:
            return None
    set_rollback()
    return Response(body, status=body["status"], headers=headers, content_type=MEDIA_TYPE)
