"""Which vault a launch takes: the one it names, else the one its app hints at, else the person's default."""

from __future__ import annotations

from apps_catalog.launch.hints import wishes
from apps_catalog.launch.spec import Command, Fault, LaunchSpec
from apps_catalog.launch.vault_types import NONE, accepts, takes_storage
from jobs import vaults
from jobs.models import Vault
from portal.people.models import User


def wished(spec: LaunchSpec, command: Command | None) -> str:
    """The name in the hint VAULT:name of the command, else of the app; "" where none is hinted at, or no command is chosen."""
    return (wishes(spec, command).vault or "") if command is not None else ""


def offered(owner: User, spec: LaunchSpec) -> list[Vault]:
    """The vaults that the person may launch this app with, by name."""
    if not takes_storage(spec.vault_types):
        return []
    rows = Vault.objects.visible_to(owner).exclude(type=Vault.Type.NONE).select_related("team")
    return [vault for vault in rows if accepts(spec.vault_types, vault.type)]


def preselected(owner: User, spec: LaunchSpec, command: Command | None) -> Vault | None:
    """The vault of a launch that names none: the hinted one if it is there and fits, else the person's default."""
    return hinted(owner, spec, command) or default(owner, spec)


def hinted(owner: User, spec: LaunchSpec, command: Command | None) -> Vault | None:
    """The vault that the app hints at, if it is the person's to use and fits."""
    name = wished(spec, command) if takes_storage(spec.vault_types) else ""
    found = Vault.objects.visible_to(owner).filter(name=name).first() if name else None
    return found if found is not None and accepts(spec.vault_types, found.type) else None


def default(owner: User, spec: LaunchSpec) -> Vault | None:
    """The person's default of those that fit; None where the app works without storage."""
    if not takes_storage(spec.vault_types):
        return None
    return vaults.default_vault(owner, lambda vault: accepts(spec.vault_types, vault.type))


def chosen(owner: User, spec: LaunchSpec, command: Command | None, name: str, faults: list[Fault]) -> Vault | None:
    """The vault by name; "" is the preselected one; NONE, and an app that works without, is no storage."""
    if name == NONE:
        return None
    if not name:
        return preselected(owner, spec, command)
    vault = Vault.objects.visible_to(owner).filter(name=name).first()
    if vault is None:
        said = f"There is no vault {name[:60]!r} among yours. Pick one from the list, or leave it empty."
        faults.append(Fault("/vault", "unknown_vault", said))
    elif not takes_storage(spec.vault_types):
        faults.append(Fault("/vault", "vault_refused", "This app works without storage. Leave the vault empty."))
    elif vault.type == Vault.Type.NONE:
        return None
    elif not accepts(spec.vault_types, vault.type):
        listed = ", ".join(one for one in spec.vault_types if one != NONE)
        said = f"This app takes vaults of type {listed}, and {name[:60]!r} is {vault.type}. Pick another."
        faults.append(Fault("/vault", "vault_refused", said))
    return vault
