"""Vaults in Django's admin: made and changed by operators. A secret goes in and is never shown again."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from jobs import vault_locations, vault_roots
from jobs.models import Vault
from portal.errors import PortalError
from portal.people.audit import audit
from portal.people.sealing import seal


class VaultForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """Type and place stay what they were: jobs and files hang on them. Keys may be set anew."""

    secret = forms.CharField(
        required=False,
        strip=True,
        max_length=4096,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
        help_text="That goes with the access key. It is sealed and never shown again; empty leaves it as it is.",
    )

    class Meta:
        model = Vault
        fields: ClassVar = (
            "name",
            "type",
            "owner",
            "team",
            "quota_mib",
            "location",
            "bucket",
            "prefix",
            "endpoint",
            "region",
            "access_key",
        )

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        if not self.errors:
            if found.get("secret"):
                self.instance.sealed_secret = seal(found["secret"])
            elif not found.get("access_key", self.instance.access_key):
                self.instance.sealed_secret = ""
        return found

    def _post_clean(self) -> None:
        """Where type and place do not go together, say it on the form, as `createvault` does."""
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        try:
            vault_roots.check_place(self.instance)
        except PortalError as refused:
            self.add_error(None, refused.message)


class VaultAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = VaultForm
    list_display = ("name", "type", "owner", "team", "quota_mib", "used_bytes", "held_by")
    list_filter = ("type",)
    list_select_related = ("owner", "team", "held_by")
    search_fields = ("name", "owner__username", "team__name", "bucket")
    autocomplete_fields = ("owner", "team")
    readonly_fields = ("folder", "used_bytes", "held_by")
    fieldsets = (
        (None, {"fields": ("name", "type", "owner", "team", "quota_mib")}),
        ("On a disk", {"fields": ("location",), "description": "Empty: a folder that the portal makes."}),
        ("In a bucket", {"fields": ("bucket", "prefix", "endpoint", "region", "access_key", "secret")}),
        ("Kept by the portal", {"fields": ("folder", "used_bytes", "held_by")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Vault | None = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "type", "location") if obj else self.readonly_fields

    def save_model(self, request: HttpRequest, obj: Vault, form: Any, change: bool) -> None:
        """Only what was typed: what the vault holds and who has it may have moved since the row was read."""
        if change:
            changed = [name for name in form.changed_data if name != "secret"]
            obj.save(update_fields=[*changed, "sealed_secret"])
        else:
            obj.folder = vault_roots.fresh_folder(obj.name)
            obj.save()
            if obj.location:
                vault_locations.mark(obj)
            elif obj.type in vault_roots.ON_DISK:
                vault_roots.root_of(obj)
        audit(
            "vault.changed" if change else "vault.created",
            request=request,
            target=obj.name,
            type=obj.type,
            fields=form.changed_data,
        )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
