"""How full a vault is: its quota, what it holds, and room kept for a file that is being written."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest

from apps_catalog.launch.parameters.files import in_bytes
from jobs import safe_paths, vault_s3
from jobs.models import Vault
from jobs.safe_paths import OWN_PREFIX
from jobs.vault_roots import root_of
from portal.errors import Full

WALKED_MAX = 500_000
MEASURE_EVERY_S = 60


def quota_bytes(vault: Vault) -> int | None:
    """What the vault may hold: its own quota, else, on our disks, the installation's. 0 means no limit, given as None."""
    if vault.type == Vault.Type.OBJECT and vault.quota_mib is None:
        return None
    mib = settings.VAULT_QUOTA_MIB if vault.quota_mib is None else vault.quota_mib
    return mib * 2**20 or None


def usage(vault: Vault) -> int:
    """Measure what the vault holds, and keep it in `used_bytes`. At most WALKED_MAX things are looked at.

    The row is locked meanwhile: a file that is counted (`reserved`) but not yet shown would be forgotten here.
    """
    with transaction.atomic():
        Vault.objects.select_for_update(no_key=True).only("pk").get(pk=vault.pk)
        total = _walked(vault)
        Vault.objects.filter(pk=vault.pk).update(used_bytes=total)
    vault.used_bytes = total
    return total


def _walked(vault: Vault) -> int:
    if vault.type == Vault.Type.OBJECT:
        sizes = [found.size for found in islice(vault_s3.objects(vault), WALKED_MAX)]
        return max(sum(sizes), vault.used_bytes) if len(sizes) == WALKED_MAX else sum(sizes)
    total = seen = 0
    counted: set[tuple[int, int]] = set()
    with safe_paths.opened(root_of(vault)) as top:
        for seen, found in enumerate(safe_paths.walk(top), start=1):
            if seen > WALKED_MAX:
                break
            if found.kind != "file" or found.path.startswith(OWN_PREFIX):
                continue
            if found.stat.st_nlink > 1:
                inode = (found.stat.st_dev, found.stat.st_ino)
                if inode in counted:
                    continue
                counted.add(inode)
            total += bytes_of(found.stat)
    return max(total, vault.used_bytes) if seen > WALKED_MAX else total


def fresh_usage(vault: Vault) -> int:
    """What the vault holds, measured again if that was not done within the last minute (of a slow one: more)."""
    if not cache.add(_key(vault), True, MEASURE_EVERY_S):
        return vault.used_bytes
    began = time.monotonic()
    total = usage(vault)
    cache.set(_key(vault), True, max(MEASURE_EVERY_S, 100 * (time.monotonic() - began)))
    return total


def stale(vault: Vault) -> None:
    """The next one to ask measures."""
    cache.delete(_key(vault))


def _key(vault: Vault) -> str:
    return f"vault-measured-{vault.pk}"


def bytes_of(seen: os.stat_result) -> int:
    """What a file takes: its size, or less where it is sparse."""
    return min(seen.st_size, seen.st_blocks * 512)


def room(vault: Vault) -> int:
    quota = quota_bytes(vault)
    return 2**63 if quota is None else max(quota - fresh_usage(vault), 0)


@contextmanager
def reserved(vault: Vault, extra: int) -> Iterator[None]:
    """Count the bytes before they show, in one statement: of two uploads that fit only one by one, one is refused.

    In one transaction with what is done inside, so that nobody measures between the two, and a failure counts nothing.
    """
    rows = Vault.objects.filter(pk=vault.pk)
    quota = quota_bytes(vault)
    fits = rows if quota is None or extra <= 0 else rows.filter(used_bytes__lte=quota - extra)
    with transaction.atomic():
        if not fits.update(used_bytes=Greatest(F("used_bytes") + extra, Value(0))):
            raise over_quota(vault)
        yield


def over_quota(vault: Vault) -> Full:
    quota = in_bytes(quota_bytes(vault) or 0)
    return Full(
        f"The vault '{vault.name}' is full: it may hold {quota}. Delete files you no longer need, then try again."
    )
