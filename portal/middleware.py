"""Middleware of ours: an id for each request, sign-in by default, and error pages."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import structlog
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import resolve

from portal.errors import PortalError

GetResponse = Callable[[HttpRequest], HttpResponse]

# Views anyone may open, by URL name with its namespace. Everything else asks for a sign-in; the API answers for itself (401).
OPEN_VIEWS = frozenset(
    {
        "account_login",
        "account_logout",
        "account_signup",  # closed by the adapter; says so
        "account_reset_password",
        "account_reset_password_done",
        "account_reset_password_from_key",
        "account_reset_password_from_key_done",
        "account_inactive",
        "health-live",
        "health-ready",
        "jobs:upload-address",  # signed, for one file
        "jobs:result-link",  # signed, for one file
    }
)


class RequestId:
    """Gives each request an id: in every log line, in the answer's X-Request-Id, on the 500 page."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = uuid.uuid4().hex[:16]
        request.META["REQUEST_ID"] = request_id
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
        response["X-Request-Id"] = request_id
        return response


class SignInRequired:
    """Closed by default: a view is open only if its URL name is listed above."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: object, args: object, kwargs: object) -> HttpResponse | None:
        match = request.resolver_match or resolve(request.path_info)
        if request.user.is_authenticated or match.view_name in OPEN_VIEWS or request.path_info.startswith("/api/"):
            return None
        return redirect_to_login(request.get_full_path())


class ErrorPages:
    """Turns a PortalError raised by a page's view into a page (or a fragment, for htmx) with its message and status."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, PortalError):
            return None
        template = "portal/_error.html" if request.headers.get("HX-Request") else "portal/error.html"
        return render(request, template, {"error": error}, status=error.status)
