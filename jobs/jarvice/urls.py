"""Addresses of the door. `/api//jarvice/...` and a slash at the end are served as they come: clients follow no redirect."""

from __future__ import annotations

from django.db import Error, connection
from django.urls import URLPattern, re_path

from jobs.jarvice import catalog, jobs, output, storage, submitting
from jobs.jarvice.answers import Endpoint
from jobs.jarvice.calls import Call
from portal.errors import PortalError


def live(call: Call) -> dict[str, str]:
    return {"status": "OK"}


def ready(call: Call) -> dict[str, str]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        raise PortalError("The database does not answer.", code="unavailable", status=503) from None
    return {"status": "OK"}


ENDPOINTS = (
    *submitting.ENDPOINTS,
    *jobs.ENDPOINTS,
    *output.ENDPOINTS,
    *catalog.ENDPOINTS,
    *storage.ENDPOINTS,
    Endpoint("live", live, open=True),
    Endpoint("ready", ready, open=True),
)
app_name = "jarvice"
urlpatterns: list[URLPattern] = [
    re_path(rf"^jarvice/+{endpoint.name}/?$", endpoint.view, name=endpoint.name) for endpoint in ENDPOINTS
]
