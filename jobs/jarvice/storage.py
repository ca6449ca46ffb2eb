"""Vaults as JARVICE clients see them: by name, `ephemeral` for none, and a folder's entries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jobs import vaults
from jobs.jarvice.answers import Endpoint
from jobs.jarvice.calls import Call, malformed
from jobs.listing import LISTED_MAX, Entry
from jobs.models import Vault
from portal.people.models import User

EPHEMERAL = "ephemeral"  # how JARVICE calls storage that is gone when the job has ended
ORDERS: dict[str, Callable[[Entry], Any]] = {
    "n": lambda one: one.name,
    "s": lambda one: one.size,
    "m": lambda one: one.mtime,
}


def find_vault(user: User, name: str) -> Vault | None:
    """The vault of this name; None for `ephemeral`, unless the person has one that is called so. Raises NotFound."""
    if name == EPHEMERAL and not Vault.objects.visible_to(user).filter(name=name).exists():
        return None
    return vaults.visible_vault(user, name)


def vault(call: Call, user: User) -> list[list[Any]]:
    """[name, size, time of change] of each file and folder (which ends with /) of one folder; 0 without `details`."""
    name, sort = call.text("vault").strip(), call.text("sort", "n").strip().strip('"') or "n"
    if not name:
        raise malformed("Required parameter missing: vault.")
    order = ORDERS.get(sort.lower())
    if order is None:
        raise malformed("'sort' must be n, s or m, for name, size or time of change; the capital letter reverses.")
    found = find_vault(user, name)
    if found is None:
        return []
    listing = vaults.list_folder(found, _inside(call.text("path")), limit=LISTED_MAX)
    entries = sorted((one for one in listing.entries if one.kind != "skipped"), key=ORDERS["n"])
    entries.sort(key=order, reverse=sort.isupper())
    details = call.says("details")
    return [_line(one, details=details) for one in entries]


def _inside(path: str) -> str:
    """A path from the top of the vault, however the client begins it: as an absolute one, or as the job sees it."""
    if path == "/data" or path.startswith("/data/"):
        path = path.removeprefix("/data")
    return path.lstrip("/")


def _line(entry: Entry, *, details: bool) -> list[Any]:
    name = entry.name + ("/" if entry.kind == "folder" else "")
    return [name, entry.size if details else 0, int(entry.mtime.timestamp()) if details else 0]


ENDPOINTS = (Endpoint("vault", vault),)
