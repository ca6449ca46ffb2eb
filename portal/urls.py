"""Every address of the portal. The middleware closes all of them to strangers but those it lists."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path, re_path

from portal import health

urlpatterns = [
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("accounts/", include("portal.people.entrance_urls")),
    path("account/", include("portal.people.urls")),
    path("admin/", admin.site.urls),
    re_path(r"^api/+", include("jobs.jarvice.urls")),  # clients send /api//jarvice/... too
    path("api/", include("portal.api.urls")),
    re_path(r"^v1/+", include("jobs.bytenite.urls")),
    path("", include("apps_catalog.urls")),
    path("", include("jobs.urls")),
]

handler400 = "portal.error_pages.bad_request"
handler500 = "portal.error_pages.server_error"
