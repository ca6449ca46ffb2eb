"""The page of the vaults: what they are, where they lie, who has them, how full they are, and which is the default."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST, require_safe

from jobs import vaults
from jobs.models import Job, Vault
from portal.errors import PortalError
from portal.people import signed_in

ICONS = {Vault.Type.OBJECT: "world", Vault.Type.BLOCK: "database", Vault.Type.BLOCK_ARRAY: "database"}
KINDS: dict[str, str] = {
    Vault.Type.NONE: "Keeps no files",
    Vault.Type.FILE: "Files",
    Vault.Type.OBJECT: "Object storage (S3)",
    Vault.Type.BLOCK: "Block device: one job at a time",
    Vault.Type.BLOCK_ARRAY: "Block array: one job at a time",
}


@dataclass(frozen=True)
class Room:
    """How full a vault is. `quota` is None where there is no limit."""

    used: int
    quota: int | None

    @property
    def percent(self) -> int:
        return min(100, round(100 * self.used / self.quota)) if self.quota else 0

    @property
    def short(self) -> bool:
        return self.percent >= 90


@dataclass(frozen=True)
class Measured:
    """`room` is None where nobody counts: in a bucket without a quota of ours. `fault`: why it can't be said now."""

    room: Room | None = None
    fault: str = ""


def room_of(vault: Vault) -> Measured:
    if vault.type == Vault.Type.NONE or (vault.type == Vault.Type.OBJECT and vaults.quota_bytes(vault) is None):
        return Measured()
    try:
        return Measured(Room(vaults.fresh_usage(vault), vaults.quota_bytes(vault)))
    except PortalError as fault:
        return Measured(fault=fault.message)


@dataclass(frozen=True)
class Card:
    """A vault as the page shows it. `holder` is the job that has it; `visible`: whether this person may open that job."""

    vault: Vault
    measured: Measured
    default: bool
    visible: bool

    @property
    def icon(self) -> str:
        return "users" if self.vault.team else ICONS.get(Vault.Type(self.vault.type), "folder")

    @property
    def kind(self) -> str:
        return KINDS[self.vault.type]

    @property
    def place(self) -> str:
        """Where it lies, for vaults that lie somewhere of their own."""
        vault = self.vault
        if vault.type == Vault.Type.OBJECT:
            below = vault.prefix.strip("/")
            bucket = f"{vault.bucket}/{below}" if below else vault.bucket
            return f"{bucket} at {vault.endpoint}" if vault.endpoint else f"{bucket} at Amazon S3"
        return vault.location


@require_safe
def all_vaults(request: HttpRequest) -> HttpResponse:
    """The person's vaults and their teams'. The first visit makes the first vault."""
    user = signed_in(request)
    default = vaults.default_vault(user)
    rows = Vault.objects.visible_to(user).select_related("team")
    seen = sorted(rows, key=lambda vault: (vault.team is not None, vault.pk != default.pk))
    holders = [vault.held_by_id for vault in seen if vault.held_by_id]
    known = set(Job.objects.visible_to(user).filter(pk__in=holders).values_list("pk", flat=True)) if holders else set()
    cards = [Card(vault, room_of(vault), vault.pk == default.pk, vault.held_by_id in known) for vault in seen]
    return render(request, "jobs/files_vaults.html", {"cards": cards})


@require_POST
def make_default(request: HttpRequest, vault: str) -> HttpResponse:
    """From now on launches take this vault where nobody says which."""
    user = signed_in(request)
    here = vaults.visible_vault(user, vault)
    try:
        vaults.make_default(user, here)
        messages.success(request, f"Your launches now take {here.name} where nothing else is said.")
    except PortalError as refused:
        messages.error(request, refused.message)
    return redirect("jobs:vaults")


urls: list[URLPattern] = [
    path("files/", all_vaults, name="vaults"),
    path("files/<str:vault>/default/", make_default, name="vault-default"),
]
