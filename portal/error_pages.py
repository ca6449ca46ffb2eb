"""The pages for what nobody foresaw. They ask nothing of the database or the session, which may be what broke."""

from __future__ import annotations

import sys

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template import loader

from portal.api.problems import DOORS


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400: 413 where a form is longer than is read, which happens before any view sees it; else 400."""
    too_much = isinstance(exception, RequestDataTooBig | TooManyFieldsSent | TooManyFilesSent)
    status = 413 if too_much else 400
    return HttpResponse(_page(request, status), status=status)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500: 503 where the database is away, else 500. The request id on the page finds the fault in the log."""
    away = isinstance(sys.exc_info()[1], OperationalError | InterfaceError)
    status = 503 if away else 500
    return HttpResponse(_page(request, status), status=status, headers={"Retry-After": "5"} if away else {})


def _page(request: HttpRequest, status: int) -> str:
    """Nothing for the API, whose middleware says it as JSON: so that needs no template either."""
    if request.path_info.startswith(DOORS):
        return ""
    return loader.get_template(f"{status}.html").render({"request_id": request.META.get("REQUEST_ID", "")})
