"""Addresses of the REST API; each app brings its own under v1."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path

from portal.api import docs, secrets, tokens, views

app_name = "api"
v1: list[URLPattern | URLResolver] = [
    path("schema/", docs.Schema.as_view(), name="schema"),
    path("tokens", tokens.Tokens.as_view(), name="tokens"),
    path("tokens/<int:pk>", tokens.Token.as_view(), name="token"),
    path("secrets", secrets.Secrets.as_view(), name="secrets"),
    path("secrets/<int:pk>", secrets.SecretView.as_view(), name="secret"),
    path("", include("apps_catalog.api")),
    path("", include("apps_catalog.bundle_api")),
    path("", include("jobs.api.urls")),
]
urlpatterns = [
    path("docs/", docs.page, name="docs"),
    path("v1/", include(v1)),
    re_path("", views.unknown, name="unknown"),
]
