"""Vaults as rows and their folders: made, chosen as somebody's default, found by name, and where they lie."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from jobs import identity, mounts, safe_paths, vault_locations
from jobs.models import DefaultVault, Vault
from portal.errors import Conflict, Invalid, NotFound
from portal.people.models import Team, User
from portal.people.sealing import seal

ON_DISK = (Vault.Type.FILE, Vault.Type.BLOCK, Vault.Type.BLOCK_ARRAY)
BUCKET_WORDS = ("bucket", "prefix", "endpoint", "region", "access_key")


def create_vault(
    *,
    name: str,
    owner: User | None = None,
    team: Team | None = None,
    quota_mib: int | None = None,
    type: Vault.Type = Vault.Type.FILE,  # noqa: A002 - the word of the model
    secret: str = "",
    **where: str,
) -> Vault:
    """A vault of a person or a team, with its folder or its way to a bucket (`where`: location, bucket, prefix, ...).

    Raises Invalid for a name or place that can't be, Conflict for a name that is taken.
    """
    vault = Vault(name=name, owner=owner, team=team, quota_mib=quota_mib, type=type, folder=fresh_folder(name), **where)
    vault.sealed_secret = seal(secret) if secret else ""
    try:
        vault.clean_fields()
    except ValidationError as error:
        told = [f"{field}: {words}" for field, said in error.message_dict.items() for words in said]
        if "name" in error.message_dict:
            told = [f"'{name}' can't be the name of a vault. {' '.join(error.message_dict['name'])}"]
        raise Invalid(" ".join(told)) from None
    check_place(vault)
    try:
        with transaction.atomic():
            vault.save()
            if vault.location:
                vault_locations.mark(vault)
    except IntegrityError:
        raise Conflict(f"There is a vault '{name}' already. Choose another name.", code="taken") from None
    if vault.type in ON_DISK:
        root_of(vault)
    return vault


def fresh_folder(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:12]}"


def check_place(vault: Vault) -> None:
    """Raises Invalid where type and place do not go together, or the place can't be one."""
    words = vault.get_type_display()
    if vault.type == Vault.Type.OBJECT:
        if not vault.bucket:
            raise Invalid(f"A vault of type {words} needs a bucket.")
        if bool(vault.access_key) != bool(vault.sealed_secret):
            raise Invalid("An access key needs its secret, and a secret its access key. Give both, or neither.")
        if vault.location:
            raise Invalid(f"A vault of type {words} lies in a bucket. Leave the location empty.")
        return
    if vault.sealed_secret or any(getattr(vault, word) for word in BUCKET_WORDS):
        raise Invalid(f"A vault of type {words} lies on a disk. Leave bucket, endpoint and keys empty.")
    if vault.location:
        vault_locations.check(vault.location, vault=vault if vault.pk else None)


def default_vault(user: User, fits: Callable[[Vault], bool] = lambda _vault: True) -> Vault:
    """The vault of a person's launches where nobody says which: the one they chose, else their first; made on first need.

    Vaults that do not fit (or that they have no access to any more) are passed over. A new one is named after them.
    """
    chosen = Vault.objects.visible_to(user).filter(pk__in=DefaultVault.objects.filter(user=user).values("vault"))
    own = Vault.objects.filter(owner=user).exclude(type=Vault.Type.NONE).order_by("id")
    found = next((vault for rows in (chosen, own) for vault in rows if fits(vault)), None)
    if found:
        return found
    base = re.sub(r"[^A-Za-z0-9._-]", "-", user.username)[:50].lstrip("._-") or "files"
    for name in (base, f"{base}-{user.pk}"):
        with suppress(Conflict):
            return create_vault(name=name, owner=user)
    return create_vault(name=f"{base[:40]}-{uuid.uuid4().hex[:8]}", owner=user)


def visible_vault(user: User, name: str) -> Vault:
    """The vault of this name if the person may see it. Raises NotFound for none and for another's alike."""
    found = Vault.objects.visible_to(user).select_related("team").filter(name=name).first()
    if found is None:
        raise NotFound(f"There is no vault '{name}', or it is not yours.")
    return found


def make_default(user: User, vault: Vault) -> None:
    """Let the person's launches take this vault where nobody says which."""
    DefaultVault.objects.update_or_create(user=user, defaults={"vault": vault})


def root_of(vault: Vault) -> Path:
    """The vault's folder on disk, made if need be, with the right owner; at a location of an operator's, proved.

    Raises Conflict for a vault that is no folder, VaultAway for one whose location is not mounted here.
    """
    if vault.type not in ON_DISK:
        raise Conflict(f"The vault '{vault.name}' keeps no files. Choose another vault.", code="no_files")
    if vault.location:
        return vault_locations.proved(vault)
    root = settings.VAULT_ROOT / vault.folder
    if not root.is_dir():
        mounts.mark()
        with suppress(FileExistsError):
            root.mkdir(mode=0o700)
        with safe_paths.opened(root) as fd:
            identity.share_folder(fd)
    return root
