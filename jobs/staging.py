"""Object vaults before a job: what it may read is brought to its host. What it wrote is put back by jobs.putting_back.

May be repeated: a process that takes over after a crash runs it again, from the start or not at all. A service that is away is waited
for; cancel and a leaving process end the wait.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.conf import settings

from apps_catalog.launch.parameters import File
from apps_catalog.launch.parameters.files import in_bytes
from apps_catalog.services import spec_of
from jobs import safe_paths, staged, vault_s3
from jobs.care import Care, Steady, Stopped, counted, listed, rest, several
from jobs.models import Job, Vault
from jobs.runtimes.base import RuntimeFault
from jobs.staged import Known, Staged
from jobs.vault_s3 import ObjectsAway
from jobs.vault_transfer import Reader
from portal.errors import NotFound, PortalError

BRING_PATIENCE_S = 60.0  # then the attempt fails as infra, and the task is tried again later
FILES_MAX = 100_000
KEPT_FREE_BYTES = 256 * 2**20


@dataclass
class _Choice:
    """What is brought. `whole`: all of the vault; else only what the job names. `left_out`: what can't be a file, and why."""

    files: list[vault_s3.Found] = field(default_factory=list)
    folders: set[str] = field(default_factory=set)
    left_out: list[str] = field(default_factory=list)
    bytes: int = 0
    whole: bool = True

    def add(self, found: vault_s3.Found) -> None:
        if fault := vault_s3.key_fault(found.key):
            self.left_out.append(f"{found.key[:200]!r} ({fault})")
        elif found.key.endswith("/"):
            self.folders.add(found.key[:-1])
        else:
            self.files.append(found)
            self.bytes += found.size

    def settle(self) -> None:
        """A disk has no file that is a folder too: the folder stands. All folders above the files come with them."""
        for found in self.files:
            above = found.key.rpartition("/")[0]
            while above and above not in self.folders:
                self.folders.add(above)
                above = above.rpartition("/")[0]
        double = [found for found in self.files if found.key in self.folders]
        self.left_out += [f"{found.key[:200]!r} (a folder has this name)" for found in double]
        if double:
            self.files = [found for found in self.files if found.key not in self.folders]
            self.bytes -= sum(found.size for found in double)


def bring(care: Care) -> None:
    """Bring the vault's files into the attempt's folder, once. Raises RuntimeFault where that fails or makes no sense."""
    vault = care.vault
    if vault is None or care.staged.complete:
        return
    steady = Steady(care, BRING_PATIENCE_S, lambda: bool(care.stopping()))
    try:
        choice = steady.do(lambda: _choose(vault, care))
        place = care.staged
        place.clear()
        for folder in sorted(choice.folders):
            place.make_folder(folder)
        rest()
        gone = _fetch(vault, choice.files, place, steady)
    except Stopped:
        raise RuntimeFault("It was stopped while its files were fetched.", code="stopped", retry=False) from None
    except PortalError as fault:
        retry = isinstance(fault, ObjectsAway)
        raise RuntimeFault(str(fault), code="storage", retry=retry) from fault
    place.note((), complete=True)
    care.tell(_brought(vault, choice, gone))


def _choose(vault: Vault, care: Care) -> _Choice:
    """All below the vault's prefix where that is not too much, else what the job's FILE parameters name."""
    disk = care.job.plan["limits"]["disk_mib"] * 2**20
    limit = min(settings.STAGE_LIMIT_MIB * 2**20, disk)
    choice = _Choice()
    for found in vault_s3.objects(vault, patient=True):
        choice.add(found)
        if choice.bytes > limit or len(choice.files) > FILES_MAX:
            choice = _named(vault, care, limit)
            break
    choice.settle()
    if choice.bytes > limit or len(choice.files) > FILES_MAX:
        said = f"The files that this job names in the vault '{vault.name}' have {in_bytes(choice.bytes)}"
        said = f"{said}; it may be given {in_bytes(limit)} (STAGE_LIMIT_MIB, and the disk of its machine type)."
        raise RuntimeFault(f"{said} Name fewer, or pick a machine type with more disk.", code="storage", retry=False)
    free = shutil.disk_usage(care.root).free - KEPT_FREE_BYTES
    if choice.bytes > free:
        said = f"The disk of this host has no room for {in_bytes(choice.bytes)} of the vault '{vault.name}'."
        raise RuntimeFault(f"{said} Ask an operator to make room.", code="disk_full", retry=True)
    return choice


def _named(vault: Vault, care: Care, limit: int) -> _Choice:
    """The files that parameters name, and all below the folders that they name; not much more than may be brought."""
    choice = _Choice(whole=False)
    for path in sorted(named_paths(care.job)):
        if path and (found := vault_s3.head(vault, path)) is not None:
            choice.add(found)
        for found in vault_s3.objects(vault, f"{path}/" if path else "", patient=True):
            choice.add(found)
            if choice.bytes > limit or len(choice.files) > FILES_MAX:
                return choice
    return choice


def named_paths(job: Job) -> set[str]:
    """What the FILE parameters of a job name, as paths in the vault ("" is all of it), none of them below another."""
    command = spec_of(job.version).commands.get(job.command)
    paths = set()
    for key, parameter in (command.parameters if command else {}).items():
        value = job.parameters.get(key, parameter.default)
        if isinstance(parameter, File) and isinstance(value, str) and value:
            paths.add("/".join(safe_paths.parts(value.removeprefix("/data").lstrip("/"))))
    return {""} if "" in paths else {one for one in paths if not any(one.startswith(f"{other}/") for other in paths)}


def _fetch(vault: Vault, files: Sequence[vault_s3.Found], place: Staged, steady: Steady) -> list[str]:
    """Several at a time, each in pieces. Keys that went meanwhile are given back."""

    def one(found: vault_s3.Found) -> Known | str:
        def act() -> Known:
            with Reader(vault, found, patient=True) as stream:
                return place.write(found.key, _checked(stream, steady), found.changed.timestamp())

        try:
            return steady.do(act)
        except NotFound:
            return found.key

    gone: list[str] = []
    lines: list[Known] = []
    for answer in several(one, iter(files), steady):
        if isinstance(answer, Known):
            lines.append(answer)
        else:
            gone.append(answer)
    place.note(lines)
    return gone


def _checked(stream: Reader, steady: Steady) -> Iterator[bytes]:
    while piece := stream.read(staged.PIECE_BYTES):
        steady.check()
        yield piece


def _brought(vault: Vault, choice: _Choice, gone: Sequence[str]) -> str:
    said = f"Brought {counted(len(choice.files) - len(gone))} ({in_bytes(choice.bytes)}) of the vault '{vault.name}'."
    if not choice.whole:
        said += " It holds more than a job is given, so only what the parameters name is in /data."
    left_out = [*choice.left_out, *(f"{key[:200]!r} (removed meanwhile)" for key in gone)]
    return f"{said} {listed('left out', left_out)}".strip()
