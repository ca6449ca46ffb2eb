"""Apps and versions in Django's admin: to look at, and to mend what the curate pages don't show."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps_catalog.models import App, Version
from portal.people.audit import audit


@admin.register(App)
class AppAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """What an app shows comes from its default version, so it is read here and changed by publishing."""

    list_display = ("name", "slug", "kind", "visibility", "published", "default_version", "updated_at")
    list_filter = ("published", "visibility", "kind")
    list_select_related = ("default_version__app",)
    search_fields = ("name", "slug", "author")
    fields = (
        "slug", "kind", "name", "author", "summary", "categories", "visibility", "teams", "published",
        "default_version", "created_by", "created_at", "updated_at",
    )  # fmt: skip
    readonly_fields = tuple(name for name in fields if name not in {"slug", "visibility", "teams"})
    filter_horizontal = ("teams",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[App]:
        return super().get_queryset(request).defer("icon", "search")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Apps come in by import."""
        return False

    def save_model(self, request: HttpRequest, obj: App, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        audit("app.changed", request=request, target=obj.slug, fields=form.changed_data)


@admin.register(Version)
class VersionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Versions never change. State and image move by the curate pages, which check, look up and audit."""

    list_display = ("__str__", "state", "image", "image_state", "created_at", "published_at")
    list_filter = ("state", "image_state")
    list_select_related = ("app",)
    search_fields = ("app__name", "app__slug", "label", "digest", "image")
    fields = (
        "app", "label", "state", "image", "image_pinned", "image_state", "image_message", "digest", "definition",
        "remarks", "created_by", "created_at", "published_at",
    )  # fmt: skip
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Version]:
        return super().get_queryset(request).defer("definition", "findings", "app__icon", "app__search")

    @admin.display(description="Remarks")
    def remarks(self, version: Version) -> str:
        return json.dumps(version.findings, indent=2, ensure_ascii=False)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Version | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Version | None = None) -> bool:
        return False
