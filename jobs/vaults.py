"""Vaults, whatever their type: what people, forms and clients ask of one. Each kind of storage answers in a module of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from jobs import vault_disk, vault_objects
from jobs.listing import Entry, Listing, Sort
from jobs.models import Vault
from jobs.vault_disk import sweep
from jobs.vault_roots import create_vault, default_vault, make_default, root_of, visible_vault
from jobs.vault_usage import fresh_usage, quota_bytes, usage
from portal.errors import Conflict

__all__ = [
    "create_vault",
    "default_vault",
    "delete",
    "exists",
    "fresh_usage",
    "list_folder",
    "make_default",
    "make_folder",
    "mounted",
    "move",
    "open_file",
    "quota_bytes",
    "rename",
    "root_of",
    "save_file",
    "sweep",
    "usage",
    "visible_vault",
]


class Storage(Protocol):
    """What a kind of storage does with one vault's files. All raise PathRefused for bad paths, and what they say below."""

    def list_folder(
        self,
        vault: Vault,
        path: str = "",
        *,
        patterns: Sequence[str] = (),
        search: str = "",
        sort: Sort = "name",
        offset: int = 0,
        limit: int = 200,
    ) -> Listing: ...
    def exists(self, vault: Vault, path: str) -> bool: ...
    def open_file(self, vault: Vault, path: str) -> BinaryIO: ...
    def save_file(self, vault: Vault, path: str, chunks: Iterable[bytes], *, replace: bool = False) -> Entry: ...
    def make_folder(self, vault: Vault, path: str) -> None: ...
    def rename(self, vault: Vault, path: str, name: str) -> None: ...
    def move(self, vault: Vault, path: str, folder: str) -> None: ...
    def delete(self, vault: Vault, path: str) -> None: ...


STORAGES: Mapping[str, Storage] = {
    Vault.Type.FILE: vault_disk,
    Vault.Type.BLOCK: vault_disk,
    Vault.Type.BLOCK_ARRAY: vault_disk,
    Vault.Type.OBJECT: vault_objects,
}


def _storage(vault: Vault) -> Storage:
    found = STORAGES.get(vault.type)
    if found is None:
        raise Conflict(f"The vault '{vault.name}' keeps no files. Choose another vault.", code="no_files")
    return found


def list_folder(
    vault: Vault,
    path: str = "",
    *,
    patterns: Sequence[str] = (),
    search: str = "",
    sort: Sort = "name",
    offset: int = 0,
    limit: int = 200,
) -> Listing:
    """A page of a folder, folders first. `patterns` (as a shell reads them) choose among files; `search` among all."""
    return _storage(vault).list_folder(
        vault, path, patterns=patterns, search=search, sort=sort, offset=offset, limit=limit
    )


def exists(vault: Vault, path: str) -> bool:
    """Whether a job would find a file or folder of its own there. Links do not count, and bad paths are not there."""
    return vault.type in STORAGES and _storage(vault).exists(vault, path)


def open_file(vault: Vault, path: str) -> BinaryIO:
    """A file, for reading. Raises NotFound."""
    return _storage(vault).open_file(vault, path)


def save_file(vault: Vault, path: str, chunks: Iterable[bytes], *, replace: bool = False) -> Entry:
    """Write a file: whole or not at all, whatever fails. Raises Conflict where one is and `replace` is false, and Full."""
    return _storage(vault).save_file(vault, path, chunks, replace=replace)


def make_folder(vault: Vault, path: str) -> None:
    """Raises Conflict where there is something of that name, NotFound where the folder above is missing."""
    _storage(vault).make_folder(vault, path)


def rename(vault: Vault, path: str, name: str) -> None:
    """Give a file or folder another name in the same folder. Raises Conflict where it is taken."""
    _storage(vault).rename(vault, path, name)


def move(vault: Vault, path: str, folder: str) -> None:
    """Move a file or folder, under its own name, into another folder of the vault."""
    _storage(vault).move(vault, path, folder)


def delete(vault: Vault, path: str) -> None:
    """Remove a file, or a folder with all it holds."""
    _storage(vault).delete(vault, path)


def mounted(vault: Vault, staged: Path) -> Path:
    """The folder that a job sees as /data: the vault's own, or for a bucket the one that it was `staged` in."""
    return staged if vault.type == Vault.Type.OBJECT else root_of(vault)
