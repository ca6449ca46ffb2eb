"""Vaults in a folder that an operator names: what may be one, the proof that it is mounted, and odd file systems."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs import identity, listing, safe_paths, vault_disk, vault_locations, vaults
from jobs.models import Vault
from jobs.vault_locations import MARKER, VaultAway
from portal.errors import Conflict, Forbidden, Invalid, NotFound, PortalError
from portal.people.models import User
from tests.jobs.vault_files import names, put

pytestmark = pytest.mark.django_db


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "srv" / "data"
    folder.mkdir(parents=True)
    return folder


def made(owner: User, place: Path, name: str = "data", **over: Any) -> Vault:
    return vaults.create_vault(name=name, owner=owner, location=str(place), **over)


def mounted(kind: str, place: Path, *options: str) -> Iterator[Path]:
    """A file system of its own at the folder, where this process may mount one."""
    tried = subprocess.run(["mount", "-t", kind, *options, kind, str(place)], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"no {kind} can be mounted here: {tried.stderr.decode(errors='replace').strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def disk(place: Path) -> Iterator[Path]:
    yield from mounted("tmpfs", place, "-o", "size=4m,mode=0777")


# What may be one


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("srv/data", "no plain absolute path"),
        ("/srv/../etc", "no plain absolute path"),
        ("/srv/data/", "no plain absolute path"),
        ("/srv/\0data", "no plain absolute path"),
        ("/no/such/folder", "is not a folder on this host"),
        ("/", "holds, or lies in the system's folder"),
        ("/etc", "lies in the system's folder /etc"),
        ("/usr/share", "lies in the system's folder /usr"),
        ("/proc/self", "link|system's folder"),
        ("/home", "a folder that many things share"),
        ("/tmp", "a folder that many things share"),
        ("/var", "a folder that many things share|system's"),
    ],
)
def test_folders_that_can_not_be_a_vault(owner: User, location: str, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        made(owner, Path(location)) if location.startswith("/") and not location.endswith("/") else vaults.create_vault(
            name="data", owner=owner, location=location
        )
    assert not Vault.objects.exists()


def test_the_installations_own_folders_links_and_other_vaults_are_refused(
    owner: User, place: Path, settings: Any, tmp_path: Path
) -> None:
    settings.VAULT_ROOT.mkdir(parents=True)
    (settings.VAULT_ROOT / "below").mkdir()
    link = tmp_path / "link"
    link.symlink_to(place)
    file = tmp_path / "file"
    file.touch()
    (place / "below").mkdir()
    for bad in (settings.VAULT_ROOT, settings.VAULT_ROOT / "below", tmp_path, link, link / "below", file):
        with pytest.raises(Invalid):
            made(owner, bad, "bad")
    made(owner, place)
    for overlapping in (place, place / "below", place.parent):
        with pytest.raises(Invalid, match="overlaps with the vault 'data'"):
            made(owner, overlapping, "other")
    assert [vault.name for vault in Vault.objects.all()] == ["data"]


def test_a_folder_that_another_vault_has_marked_is_refused_and_no_row_is_left(owner: User, place: Path) -> None:
    (place / MARKER).write_text("another installation\n")
    with pytest.raises(Invalid, match="is marked as another vault's"):
        made(owner, place)
    assert not Vault.objects.exists()


# Use


def test_a_location_is_used_as_any_vault_and_its_mark_is_not_seen(owner: User, place: Path) -> None:
    vault = made(owner, place)
    put(vault, "a", b"1")
    vaults.make_folder(vault, "d")
    vaults.move(vault, "a", "d")
    assert (names(vault), (place / "d" / "a").read_bytes(), vaults.root_of(vault)) == (["d"], b"1", place)
    assert vaults.usage(vault) == 1
    for act in (lambda: vaults.delete(vault, MARKER), lambda: vaults.open_file(vault, MARKER)):
        with pytest.raises(NotFound):
            act()
    vaults.delete(vault, "d")
    assert [path.name for path in place.iterdir()] == [MARKER]


def test_the_mark_is_never_swept(owner: User, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(owner, place)
    (place / ".slipway-left").touch()
    monkeypatch.setattr(vault_disk, "LEFTOVER_AFTER_S", -1)
    assert vaults.sweep() == 1
    assert (place / MARKER).exists()


@pytest.mark.parametrize("spoil", ["empty", "gone", "other", "pipe", "link"])
def test_a_folder_without_its_mark_is_not_touched_as_it_may_not_be_mounted(
    owner: User, place: Path, spoil: str, tmp_path: Path
) -> None:
    vault = made(owner, place)
    (place / MARKER).unlink()
    match spoil:
        case "gone":
            place.rmdir()
        case "other":
            (place / MARKER).write_text("of another vault\n")
        case "pipe":
            os.mkfifo(place / MARKER)
        case "link":
            (place / MARKER).symlink_to(tmp_path)
    for act in (
        lambda: vaults.list_folder(vault),
        lambda: put(vault, "a"),
        lambda: vaults.root_of(vault),
        lambda: vaults.usage(vault),
    ):
        with pytest.raises(VaultAway, match="Ask an operator to mount it") as refused:
            act()
        assert refused.value.status == 503
    if spoil == "empty":
        vault_locations.mark(vault)
        put(vault, "a")


def test_who_may_not_write_there_is_told(place: Path) -> None:
    uid, gid = identity.run_ids()
    os.chown(place, uid, gid)
    place.chmod(0o700)
    assert vault_locations.told_of_owner(str(place), uid, gid) == ""
    place.chmod(0o500)
    assert "may not write" in vault_locations.told_of_owner(str(place), uid, gid)
    place.chmod(0o755)
    assert "may not write" in vault_locations.told_of_owner(str(place), uid + 1, gid + 1)


# Other file systems


def test_a_disk_of_its_own_that_is_not_mounted_is_said(owner: User, disk: Path) -> None:
    vault = made(owner, disk)
    put(vault, "a", b"there")
    subprocess.run(["umount", str(disk)], check=True)
    try:
        with pytest.raises(VaultAway, match="may not be mounted"):
            put(vault, "b")
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(disk)], check=True)


def test_a_disk_that_is_read_only_is_read_and_never_changed(owner: User, disk: Path) -> None:
    vault = made(owner, disk)
    put(vault, "a", b"there")
    vaults.make_folder(vault, "d")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert names(vault) == ["d", "a"]
    acts: list[Callable[[], object]] = [
        lambda: put(vault, "b"),
        lambda: put(vault, "a", replace=True),
        lambda: vaults.make_folder(vault, "e"),
        lambda: vaults.rename(vault, "a", "c"),
        lambda: vaults.move(vault, "a", "d"),
        lambda: vaults.delete(vault, "a"),
    ]
    for act in acts:
        with pytest.raises(Forbidden, match="is mounted read-only"):
            act()


def test_a_read_only_disk_needs_no_mark(owner: User, disk: Path) -> None:
    (disk / "reference.txt").write_text("data")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert names(made(owner, disk)) == ["reference.txt"]


def test_a_full_disk_is_said_in_words(owner: User, disk: Path) -> None:
    vault = made(owner, disk)
    with pytest.raises(PortalError, match="disk is full"):
        vaults.save_file(vault, "large", [b"x" * 2**20] * 5)
    assert names(vault) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_without_hard_links_owners_or_folders_that_sync_files_are_saved_all_the_same(
    owner: User, place: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """As FAT, exFAT, many network and user-space file systems answer."""
    vault = made(owner, place)

    def refuse(*args: Any, **asked: Any) -> None:
        raise OSError(number, os.strerror(number))

    sync = os.fsync
    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "fchmod", refuse)
    monkeypatch.setattr(os, "fchown", refuse)
    monkeypatch.setattr(os, "fsync", lambda fd: refuse() if Path(f"/proc/self/fd/{fd}").is_dir() else sync(fd))
    put(vault, "a", b"1")
    with pytest.raises(Conflict):
        put(vault, "a", b"2")
    vaults.make_folder(vault, "d")
    assert names(vault) == ["d", "a"]


def test_where_case_does_not_count_a_name_can_change_its_case_and_none_other_s_is_taken(
    owner: User, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = made(owner, place)
    put(vault, "readme", b"1")
    put(vault, "other")
    look = safe_paths.look

    def folded(name: str, *, within: int) -> os.stat_result | None:
        there = {one.casefold(): one for one in os.listdir(within)}
        return look(there.get(name.casefold(), name), within=within)

    monkeypatch.setattr(safe_paths, "look", folded)
    vaults.rename(vault, "readme", "README")
    assert names(vault) == ["other", "README"]
    with pytest.raises(Conflict):
        vaults.rename(vault, "README", "OTHER")
    with pytest.raises(Conflict):
        put(vault, "Other")


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO, errno.ENOTCONN])
def test_a_disk_that_does_not_answer_is_said_in_words(
    owner: User, place: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    vault = made(owner, place)

    def refuse(*args: Any, **asked: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(listing, "read_folder", refuse)
    with pytest.raises(VaultAway, match="does not answer"):
        vaults.list_folder(vault)


def test_a_name_that_the_file_system_does_not_take_is_refused(
    owner: User, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = made(owner, place)

    def refuse(*args: Any, **asked: Any) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(PortalError, match="takes no name like 'a:b'"):
        vaults.make_folder(vault, "a:b")
