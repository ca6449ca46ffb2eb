"""Machine types, hosts and limits in Django's admin; jobs to look at, never to edit past their states."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from jobs import vault_admin
from jobs.models import Attempt, Host, Job, JobEvent, MachineType, OwnerLoad, Task, Vault


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Rows that only the product's own rules may change."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(MachineType)
class MachineTypeAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = (
        "name",
        "description",
        "cores",
        "ram_mib",
        "gpus",
        "nodes_max",
        "aliases",
        "requires",
        "network",
        "public_ports",
        "price_per_hour",
        "enabled",
    )
    list_filter = ("enabled", "network")
    search_fields = ("name", "description")


@admin.register(Host)
class HostAdmin(ReadOnly):
    """Hosts say of themselves what they are; draining is on the hosts page."""

    list_display = ("name", "tags", "serves", "heartbeat_at", "draining", "engine", "engine_fault")


admin.site.register(Vault, vault_admin.VaultAdmin)


@admin.register(OwnerLoad)
class OwnerLoadAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Limits of one person; the counts are the product's own."""

    list_display = ("owner", "running", "running_max", "queued", "queued_max")
    search_fields = ("owner__username",)
    autocomplete_fields = ("owner",)
    readonly_fields = ("running", "queued")

    def save_model(self, request: HttpRequest, obj: OwnerLoad, form: Any, change: bool) -> None:
        """Only what was typed: the counts may have moved since the row was read."""
        obj.save(update_fields=form.changed_data if change else None)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class TaskInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Task
    fields = ("stage", "index", "state", "host", "attempt_number", "failure_class", "reason")
    extra = 0
    can_delete = False
    max_num = 0

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Job)
class JobAdmin(ReadOnly):
    list_display = ("number", "version", "owner", "state", "machine_type", "label", "created_at", "finished_at")
    list_filter = ("state", "failure_class")
    list_select_related = ("version__app", "owner", "machine_type")
    search_fields = ("=number", "label", "owner__username", "version__app__slug")
    show_full_result_count = False
    inlines = (TaskInline,)


@admin.register(Attempt)
class AttemptAdmin(ReadOnly):
    list_display = ("name", "state", "host", "exit_code", "failure_class", "claimed_at", "ended_at")
    list_filter = ("state", "failure_class")
    list_select_related = ("host",)
    search_fields = ("name",)
    show_full_result_count = False


@admin.register(JobEvent)
class JobEventAdmin(ReadOnly):
    list_display = ("id", "job", "at", "kind", "message")
    list_filter = ("kind",)
    raw_id_fields = ("job", "task")
    show_full_result_count = False
