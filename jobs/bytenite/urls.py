"""Addresses of the door. A slash at the end, or two in a row, are taken as one meant them: clients follow no redirect."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, re_path
from django.views.decorators.csrf import csrf_exempt

from jobs.bytenite import auth, dev, events, jobs, listing, output
from jobs.bytenite.answers import Act, Endpoint, refused
from jobs.bytenite.calls import Call, Caller

CUSTOMER = ("computing", "customer")  # one thing under its new name and its first


def info(call: Call, who: Caller) -> dict[str, Any]:
    return {"version": "v1", "server": "Slipway", "messages": []}


@csrf_exempt
def unknown(request: HttpRequest) -> HttpResponse:
    """Any address under /v1/ that is not one of ours."""
    return refused(request, 404, "Nothing is here. Addresses begin with /v1/auth, /v1/customer or /v1/dev.")


def _paths(root: str, endpoints: tuple[Endpoint, ...]) -> list[URLPattern]:
    return [re_path(rf"^{root}/+{endpoint.path}/?$", endpoint.view, name=endpoint.name) for endpoint in endpoints]


COMPUTING = (
    *listing.ENDPOINTS,
    *output.ENDPOINTS,
    *events.ENDPOINTS,
    *jobs.ENDPOINTS,
    Endpoint("info", "info", {"GET": Act(info)}),
)
app_name = "bytenite"
urlpatterns: list[URLPattern] = [
    *_paths("auth", auth.ENDPOINTS),
    *(pattern for root in CUSTOMER for pattern in _paths(root, COMPUTING)),
    *_paths("dev", dev.ENDPOINTS),
    re_path("", unknown, name="unknown"),
]
