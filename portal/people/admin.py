"""People, teams, tokens and the audit trail in Django's admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from portal.people import account_variables, sealing
from portal.people import tokens as token_services
from portal.people.audit import audit
from portal.people.models import AccountVariable, ApiToken, AuditEvent, Membership, Team, User

admin.site.site_header = "Slipway administration"
admin.site.site_title = "Slipway"
admin.site.index_title = "Administration"


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]  # generic in the stubs only
    model = Membership
    extra = 0
    autocomplete_fields = ("user", "team")


@admin.register(User)
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]
    list_display = ("username", "email", "display_name", "is_curator", "is_operator", "is_staff", "is_active")
    list_filter = ("is_curator", "is_operator", "is_staff", "is_active")
    inlines = (MembershipInline,)
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Roles", {"fields": ("is_active", "is_curator", "is_operator", "is_staff", "is_superuser")}),
        (
            "Finer permissions in this administration",
            {"fields": ("groups", "user_permissions"), "classes": ("collapse",)},
        ),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        audit(
            "person.changed" if change else "person.created",
            request=request,
            target=obj.username,
            fields=[name for name in form.changed_data if "password" not in name],
        )

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """People are switched off, not deleted: their jobs and their audit trail stay theirs."""
        return False


@admin.register(Team)
class TeamAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "slug", "created_at")
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    inlines = (MembershipInline,)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        members = list(form.instance.members.values_list("username", flat=True))
        audit("team.changed", request=request, target=form.instance.slug, members=members[:200])


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Tokens are made by their people; here they are only seen and revoked."""

    list_display = ("name", "user", "prefix", "scopes", "expires_at", "last_used_at", "revoked_at")
    search_fields = ("name", "prefix", "user__username")
    actions = ("revoke",)
    readonly_fields = ("user", "name", "prefix", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at")
    exclude = ("hash",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False

    @admin.action(description="Revoke the chosen tokens", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: Any) -> None:
        for token in queryset.select_related("user"):
            token_services.revoke(user=token.user, pk=token.pk, request=request)
        self.message_user(request, "The chosen tokens are revoked.")


class AccountVariableForm(forms.ModelForm):  # type: ignore[type-arg]
    """A value goes in and never comes out: an empty field keeps the one that is set."""

    value = forms.CharField(
        required=False,
        strip=False,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
        help_text="It is not shown again.",
    )

    class Meta:
        model = AccountVariable
        fields = ("user", "team", "name")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["value"].help_text = "It is not shown again. Leave it empty to keep the one that is set."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if (cleaned.get("user") is None) == (cleaned.get("team") is None) and not {"user", "team"} & set(self.errors):
            self.add_error("user", "Choose a person or a team: one of them.")
        if "name" in cleaned and (refusal := account_variables.name_refusal(cleaned["name"])):
            self.add_error("name", refusal)
        value = cleaned.get("value", "")
        if not (value == "" and self.instance.pk) and (refusal := account_variables.value_refusal(value)):
            self.add_error("value", refusal)
        return cleaned


@admin.register(AccountVariable)
class AccountVariableAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = AccountVariableForm
    list_display = ("name", "user", "team", "updated_at")
    list_select_related = ("user", "team")
    search_fields = ("name", "user__username", "team__name")
    autocomplete_fields = ("user", "team")

    def save_model(self, request: HttpRequest, obj: AccountVariable, form: Any, change: bool) -> None:
        if form.cleaned_data["value"]:
            obj.sealed = sealing.seal(form.cleaned_data["value"])
        super().save_model(request, obj, form, change)
        account_variables.note("variable.set", obj, request=request)

    def delete_model(self, request: HttpRequest, obj: AccountVariable) -> None:
        account_variables.note("variable.unset", obj, request=request)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for row in queryset.select_related("user", "team"):
            account_variables.note("variable.unset", row, request=request)
        super().delete_queryset(request, queryset)


@admin.register(AuditEvent)
class AuditEventAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """The audit trail can be read, and by nobody changed."""

    list_display = ("at", "actor_name", "action", "target", "address")
    list_filter = ("action",)
    search_fields = ("actor_name", "target")
    date_hierarchy = "at"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return False
