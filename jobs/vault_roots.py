"""Vaults as rows and their folders: made, found by name, and where they lie."""

from __future__ import annotations

import re
import uuid
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from jobs import identity, mounts, safe_paths
from jobs.models import Vault
from portal.errors import Conflict, Invalid, NotFound
from portal.people.models import Team, User


def create_vault(
    *,
    name: str,
    owner: User | None = None,
    team: Team | None = None,
    quota_mib: int | None = None,
    type: Vault.Type = Vault.Type.FILE,  # noqa: A002 - the word of the model
) -> Vault:
    """A vault of a person or a team, with its folder. Raises Invalid for a bad name, Conflict for one that is taken."""
    vault = Vault(
        name=name, owner=owner, team=team, quota_mib=quota_mib, type=type, folder=f"{name}-{uuid.uuid4().hex[:12]}"
    )
    try:
        vault.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        raise Invalid(f"'{name}' can't be the name of a vault. {' '.join(error.messages)}") from None
    try:
        with transaction.atomic():
            vault.save()
    except IntegrityError:
        raise Conflict(f"There is a vault '{name}' already. Choose another name.", code="taken") from None
    if vault.type == Vault.Type.FILE:
        root_of(vault)
    return vault


def default_vault(user: User) -> Vault:
    """The person's first vault, made on first need and named after them."""
    found = Vault.objects.filter(owner=user).order_by("id").first()
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


def root_of(vault: Vault) -> Path:
    """The vault's folder on disk, made if need be, with the right owner. Raises Conflict for a vault without files."""
    if vault.type != Vault.Type.FILE:
        raise Conflict(f"The vault '{vault.name}' keeps no files. Choose another vault.", code="no_files")
    root = settings.VAULT_ROOT / vault.folder
    if not root.is_dir():
        mounts.mark()
        with suppress(FileExistsError):
            root.mkdir(mode=0o700)
        with safe_paths.opened(root) as fd:
            identity.share_folder(fd)
    return root
