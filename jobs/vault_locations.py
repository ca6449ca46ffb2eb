"""Vaults in a folder that an operator names: what may be such a folder, and the proof that it is mounted on this host."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from django.conf import settings

from jobs import safe_paths
from jobs.models import Installation, Vault
from jobs.safe_paths import OWN_PREFIX, PathRefused
from portal.errors import Invalid, NotFound, PortalError

MARKER = f"{OWN_PREFIX}vault"
MARKER_MAX = 200
# Neither these, nor what holds them, nor what lies in them.
SYSTEM = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys", "/usr")
# Not these themselves, nor what holds them: folders in them may be.
SHARED = ("/home", "/opt", "/tmp", "/var", "/var/lib")  # noqa: S108 - to be refused


class VaultAway(PortalError):
    """Raised where the folder of a vault is not there on this host. The message says which, and what to do."""

    code = "vault_away"
    status = 503


def check(location: str, *, vault: Vault | None = None) -> None:
    """Raises Invalid for what can't be the folder of a vault: the reason names the path."""
    path = Path(location)
    if not path.is_absolute() or "\0" in location or os.path.normpath(location) != location:
        raise Invalid(f"'{location[:200]}' is no plain absolute path. Write it like /srv/data, without '..'.")
    real = os.path.realpath(location)
    if real != location:
        raise Invalid(f"{location} is, or goes through, a link to {real}. Write the path that it leads to.")
    if not path.is_dir():
        raise Invalid(f"{location} is not a folder on this host. Make or mount it first.")
    for system in map(Path, SYSTEM):
        if path.is_relative_to(system) or system.is_relative_to(path):
            raise Invalid(f"{location} is, or holds, or lies in the system's folder {system}. Choose another.")
    if any(Path(one).is_relative_to(path) for one in SHARED):
        raise Invalid(f"{location} is a folder that many things share. Choose one below it.")
    for own in (settings.STORE_ROOT, settings.VAULT_ROOT, settings.WORK_ROOT, settings.STATE_DIR, settings.BASE_DIR):
        if path.is_relative_to(own) or own.is_relative_to(path):
            raise Invalid(f"{location} is, or holds, or lies in this installation's own folder {own}. Choose another.")
    for other in Vault.objects.exclude(location="").exclude(pk=vault.pk if vault else None):
        if path.is_relative_to(other.location) or Path(other.location).is_relative_to(path):
            raise Invalid(f"{location} overlaps with the vault '{other.name}' at {other.location}. Choose another.")


def mark(vault: Vault) -> None:
    """Leave the vault's mark in its folder, by which every host proves that it sees this one. Not where nobody can write.

    Raises Invalid where another vault's or installation's mark is, or where the portal may not write.
    """
    location = Path(vault.location)
    with safe_paths.opened(location) as fd:
        found = _marker(fd)
        if found == _text(vault) or (not found and _read_only(location)):
            return
        if found:
            raise Invalid(f"{location} is marked as another vault's ({MARKER} in it). Remove that file if it is not.")
        draft = f"{MARKER}-{os.getpid()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            file = os.open(draft, flags, 0o644, dir_fd=fd)
            try:
                os.write(file, _text(vault).encode("ascii"))
            finally:
                os.close(file)
            os.rename(draft, MARKER, src_dir_fd=fd, dst_dir_fd=fd)
        except OSError as error:
            raise Invalid(f"The portal can't write in {location}: {error.strerror}. Give it the right to.") from error


def proved(vault: Vault) -> Path:
    """The vault's folder, if its mark is in it: an empty mount point has none. Raises VaultAway."""
    location = Path(vault.location)
    try:
        with safe_paths.opened(location) as fd:
            found = _marker(fd)
    except OSError as error:
        said = f"The folder of the vault '{vault.name}', {location}, can't be opened on this host: {error.strerror}."
        raise VaultAway(f"{said} Ask an operator to mount it.") from error
    if found != _text(vault) and not (not found and _read_only(location)):
        said = f"{location} does not carry the mark of the vault '{vault.name}' on this host, so it may not be mounted."
        raise VaultAway(f"{said} Ask an operator to mount it, or to mark it again (manage.py createvault --mark).")
    return location


def _marker(fd: int) -> str:
    """What the mark says, "" where there is none. Jobs can write here: anything but a small file counts as none."""
    with suppress(NotFound, PathRefused), safe_paths.open_file(MARKER, within=fd) as file:
        return file.read(MARKER_MAX).decode("ascii", "replace")
    return ""


def _text(vault: Vault) -> str:
    return f"{Installation.get().pk} {vault.folder}\n"


def _read_only(location: Path) -> bool:
    return bool(os.statvfs(location).f_flag & os.ST_RDONLY)


def told_of_owner(location: str, uid: int, gid: int) -> str:
    """A sentence where jobs, which run as these ids, may not write there; else ""."""
    seen = Path(location).stat()
    bits = 0o200 if seen.st_uid == uid else 0o020 if seen.st_gid == gid else 0o002
    if uid == 0 or seen.st_mode & bits:
        return ""
    return f"Jobs run as {uid}:{gid} and may not write in {location}: give it to them (chown), or let them (chmod)."
