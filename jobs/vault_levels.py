"""What is in one folder of a bucket, remembered for a moment: a picker asks for the same names with every key typed."""

from __future__ import annotations

import threading
import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime

from django.core.cache import cache

from jobs import vault_s3
from jobs.listing import LISTED_MAX, Entry
from jobs.models import Vault

KEPT_S = 15.0
KEPT_ENTRIES = 200_000  # in all folders that are remembered together
LONG_AGO = datetime.fromtimestamp(0, tz=UTC)


@dataclass(frozen=True)
class Level:
    """The entries of one folder. `exists` is false where no key begins with it."""

    entries: tuple[Entry, ...]
    exists: bool
    cut: bool


class _Memory:
    """Levels by (vault, its mark, folder), the oldest forgotten first. Shared by the threads of a process."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, str, str], tuple[float, Level]] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, key: tuple[int, str, str]) -> Level | None:
        with self._lock:
            until, level = self._kept.get(key, (0.0, None))
            return level if time.monotonic() < until else None

    def put(self, key: tuple[int, str, str], level: Level) -> None:
        with self._lock:
            self._drop(key)
            self._kept[key] = (time.monotonic() + KEPT_S, level)
            self._size += len(level.entries) + 1
            while self._size > KEPT_ENTRIES and len(self._kept) > 1:
                self._drop(next(iter(self._kept)))

    def _drop(self, key: tuple[int, str, str]) -> None:
        if (old := self._kept.pop(key, None)) is not None:
            self._size -= len(old[1].entries) + 1


_memory = _Memory()


def level(vault: Vault, folder: str) -> Level:
    """The folder ("" or "some/where/"), at most KEPT_S old, and never older than the portal's own last change."""
    key = (vault.pk, _mark(vault), folder)
    found = _memory.get(key)
    if found is None:
        found = read(vault, folder)
        _memory.put(key, found)
    return found


def changed(vault: Vault) -> None:
    """Something in the vault has changed: every process reads it anew."""
    cache.set(_name(vault), uuid.uuid4().hex, None)


def _mark(vault: Vault) -> str:
    found: str = cache.get(_name(vault), "")
    return found


def _name(vault: Vault) -> str:
    return f"vault-objects-{vault.pk}"


def holds(vault: Vault, path: str) -> bool:
    """Whether there is a file or a folder of this path, asked anew."""
    return bool(vault_s3.head(vault, path)) or any(
        page.get("KeyCount", 0) > 0 for page in vault_s3.pages(vault, f"{path}/", most=1)
    )


def read(vault: vault_s3.Place, folder: str) -> Level:
    """The folder as the service lists it just now."""
    cut = len(vault_s3.prefix_of(vault)) + len(folder)
    folders: set[str] = set()
    entries: list[Entry] = []
    exists = more = False
    for page in vault_s3.pages(vault, folder, delimiter="/"):
        exists = exists or page.get("KeyCount", 0) > 0
        for one in page.get("CommonPrefixes", ()):
            name = one["Prefix"][cut:].removesuffix("/")
            folders.add(name)
            entries.append(_entry(folder, name, None))
        entries += [
            _entry(folder, found.key[len(folder) :], found)
            for found in vault_s3.found_in(page, vault)
            if found.key != folder
        ]
        more = len(entries) > LISTED_MAX
        if more:
            break
    kept = (_beside(entry, folders) for entry in entries[:LISTED_MAX])
    return Level(tuple(kept), exists or not folder, more)


def _entry(folder: str, name: str, found: vault_s3.Found | None) -> Entry:
    changed_at = found.changed if found else LONG_AGO
    size = found.size if found else 0
    if fault := vault_s3.key_fault(f"{folder}{name}" if name else f"{folder}/"):
        return Entry(name.replace("\0", "\\x00") or "/", "skipped", size, changed_at, fault, fixed=True)
    return Entry(name, "file" if found else "folder", size, changed_at)


def _beside(entry: Entry, folders: set[str]) -> Entry:
    """A bucket may hold a file and a folder of one name. A disk can't: the folder stands."""
    if entry.kind == "file" and entry.name in folders:
        return Entry(entry.name, "skipped", entry.size, entry.mtime, "a folder has this name", fixed=True)
    return entry
