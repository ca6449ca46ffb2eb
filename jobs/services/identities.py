"""Whom a job runs as: the run user of the installation, the identity of the author or client, or root where it is granted."""

from __future__ import annotations

import os
from dataclasses import dataclass

from django.conf import settings

from apps_catalog.launch.identity import DEFAULT_ID
from apps_catalog.launch.spec import Fault, Identity
from apps_catalog.models import Version
from jobs.identity import run_ids
from jobs.models import Vault

ROOT = "root"
LOWEST_FREE_ID = 1000  # below, numbers are those of the system's own users


@dataclass(frozen=True)
class Persona:
    """The names and numbers of one job's user and group."""

    username: str
    group: str
    uid: int
    gid: int


def persona(
    identity: Identity, *, version: Version, vault: Vault | None, vault_readonly: bool
) -> tuple[Persona, list[Fault]]:
    """Who the job is, with faults at /identity and /vault where this installation does not allow that.

    No number, and 505, the number of JARVICE, mean the run user: its files are those that the portal and other jobs use.
    """
    if version.runs_as_root:
        faults = []
        if vault is not None and not vault_readonly:
            said = "This app runs as root, so it may only read a vault. Choose read only, or no storage."
            faults.append(Fault("/vault", "root_writes", said))
        return Persona(ROOT, ROOT, 0, 0), faults
    run_uid, run_gid = run_ids()
    uid = run_uid if identity.uid in (None, DEFAULT_ID) else int(identity.uid or 0)
    gid = run_gid if identity.gid in (None, DEFAULT_ID) else int(identity.gid or 0)
    who = Persona(identity.username, identity.group, uid, gid)
    others = [(what, n) for what, n, ours in (("user", uid, run_uid), ("group", gid, run_gid)) if n != ours]
    return who, _faults(others, vault, stranger=uid != run_uid)


def _faults(others: list[tuple[str, int]], vault: Vault | None, *, stranger: bool) -> list[Fault]:
    """What is wrong with numbers that are not the run user's."""
    for what, number in others:
        if number == 0:
            return [Fault("/identity", "identity-root", "Programs never run as root. Leave the numbers out.")]
        if number < LOWEST_FREE_ID and number not in settings.IDENTITY_IDS:
            said = (
                f"The {what} number {number} is a system's own here. Use {LOWEST_FREE_ID} or more, or ask an operator to "
                "list it in IDENTITY_IDS."
            )
            return [Fault("/identity", "identity_system", said)]
    if others and os.geteuid():
        what, number = others[0]
        said = (
            f"Programs can't run as {what} {number} here: the portal is not root, so they have its own number. "
            "Leave the number out, or ask an operator."
        )
        return [Fault("/identity", "identity_fixed", said)]
    uid = others[0][1] if others else 0
    if stranger and vault is not None and vault.type != Vault.Type.OBJECT and uid not in settings.IDENTITY_IDS:
        said = (
            f"This job runs as user {uid}, who may not use the files of the vault {vault.name}. Launch it without "
            "storage, or ask an operator to list the number in IDENTITY_IDS."
        )
        return [Fault("/vault", "identity_vault", said)]
    return []
