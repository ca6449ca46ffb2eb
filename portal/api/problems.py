"""RFC 9457 problem+json: the one place where an error becomes an API answer."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from portal.errors import PortalError

logger = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
DOORS = ("/api/", "/v1/")  # addresses for programs: they answer for themselves who may enter, and never with a page
JARVICE = re.compile(r"/api/+jarvice(?:/|\Z)")  # where errors are {"error": text}
BYTENITE = re.compile(r"/v1(?:/|\Z)")
AWAY = "The database does not answer just now. Try again in some seconds."


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
            if challenge := getattr(error, "auth_header", None):
                headers["WWW-Authenticate"] = challenge
            if wait_s := getattr(error, "wait", None):
                headers["Retry-After"] = str(int(wait_s))
        case RequestDataTooBig():
            limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 2**20
            body = problem(413, "too_large", f"The body is longer than {limit} MiB. Send files as uploads.")
        case SuspiciousOperation() | UnreadablePostError():
            body = problem(400, "refused", "The request is malformed and was refused.")
        case OperationalError() | InterfaceError():
            logger.warning("The database did not answer an API request: %s", error)
            body = problem(503, "unavailable", AWAY)
            headers["Retry-After"] = "5"
        case _:
            return None
    set_rollback()
    return Response(body, status=body["status"], headers=headers, content_type=MEDIA_TYPE)


def refusal(path: str, status: int, code: str, detail: str) -> tuple[str, str]:
    """Media type and body of a refusal that no view gave, as the clients of that address read one."""
    if settings.JARVICE_API and JARVICE.match(path):
        return "application/json", json.dumps({"error": detail})
    if BYTENITE.match(path):
        return "application/json", bytenite_refusal(status, detail)
    return MEDIA_TYPE, json.dumps(problem(status, code, detail))


def bytenite_refusal(status: int, message: str, request_id: str = "", details: Sequence[Mapping[str, str]] = ()) -> str:
    """A refusal as clients of ByteNite read one: some the `message`, some `error`, some only the status."""
    error = {"code": status, "message": HTTPStatus(status).phrase, "description": message}
    body = {"ok": False, "requestId": request_id, "code": status, "message": message, "error": error}
    return json.dumps({**body, "details": list(details)})


class ApiProblems:
    """Middleware: at the addresses for programs an error that became a page (a bug, a refused host name, CSRF) is JSON all the same."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_page = response.status_code >= 400 and response.get("Content-Type", "").startswith("text/html")
        if not (is_page and request.path_info.startswith(DOORS)):
            return response
        status, code, detail = response.status_code, "refused", "The request was refused before it was read."
        if status >= 500:
            number = request.META.get("REQUEST_ID", "")
            detail = f"Something broke here. The log has the reason, under request {number}: tell an administrator."
            code = "broken"
        media_type, body = refusal(request.path_info, status, code, detail)
        return HttpResponse(body, status=status, content_type=media_type)
