"""Vaults: whose they are, what a listing shows, and that files arrive whole or not at all."""

from __future__ import annotations

import os
import resource
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs import identity, vault_disk, vaults
from jobs.models import Vault
from jobs.safe_paths import PathRefused
from portal.errors import Conflict, Full, Invalid, NotFound
from portal.people.models import User
from tests.factories import make_person
from tests.jobs.trees import SECRET, outside, plant_traps, swapping
from tests.jobs.vault_files import names, put
from tests.watchdog import ends

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def vault_root(settings: Any, tmp_path: Path) -> Path:
    settings.VAULT_ROOT = tmp_path / "vaults"
    root: Path = settings.VAULT_ROOT
    return root


@pytest.fixture
def vault(owner: User) -> Vault:
    return vaults.create_vault(name="home", owner=owner)


def leftovers(vault: Vault) -> list[str]:
    return [path.name for path in vaults.root_of(vault).rglob(".slipway-*")]


# Whose it is


def test_a_first_vault_is_named_after_the_person_and_made_once(owner: User) -> None:
    first = vaults.default_vault(owner)
    assert (first.name, first.owner) == ("owner", owner)
    assert vaults.default_vault(owner) == first


@pytest.mark.parametrize(
    ("username", "name"), [("ann@example.org", "ann-example.org"), ("+.+", "files"), ("\u05d0\u05d1", "files")]
)
def test_a_first_vault_has_a_fit_name_whatever_the_person_is_called(db: None, username: str, name: str) -> None:
    assert vaults.default_vault(make_person(username)).name == name


def test_a_first_vault_steps_aside_for_a_name_that_is_taken(owner: User, stranger: User) -> None:
    vaults.create_vault(name="stranger", owner=owner)
    assert vaults.default_vault(stranger).name == f"stranger-{stranger.pk}"


def test_a_vault_is_seen_by_its_owner_or_its_team_alone(owner: User, teammate: User, stranger: User) -> None:
    mine = vaults.create_vault(name="mine", owner=owner)
    ours = vaults.create_vault(name="ours", team=owner.teams.get())
    assert vaults.visible_vault(owner, "mine") == mine
    assert vaults.visible_vault(teammate, "ours") == ours
    for person, name in [(teammate, "mine"), (stranger, "mine"), (stranger, "ours"), (owner, "none")]:
        with pytest.raises(NotFound):
            vaults.visible_vault(person, name)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 61, "a b", "\u05d0", "a\n"])
def test_vault_names_that_are_refused(owner: User, name: str) -> None:
    with pytest.raises(Invalid):
        vaults.create_vault(name=name, owner=owner)


def test_a_vault_name_is_given_once(owner: User, stranger: User) -> None:
    vaults.create_vault(name="home", owner=owner)
    with pytest.raises(Conflict, match="already"):
        vaults.create_vault(name="home", owner=stranger)


def test_a_vault_without_files_says_so(owner: User) -> None:
    none = vaults.create_vault(name="none", owner=owner, type=Vault.Type.NONE)
    assert not vaults.exists(none, "")
    with pytest.raises(Conflict, match="keeps no files"):
        vaults.list_folder(none)


def test_what_is_made_belongs_to_the_run_user_and_to_nobody_else(vault: Vault, vault_root: Path) -> None:
    vaults.make_folder(vault, "folder")
    put(vault, "folder/file")
    root = vaults.root_of(vault)
    for path in (root, root / "folder", root / "folder" / "file"):
        seen = path.stat()
        assert (seen.st_uid, seen.st_gid) == identity.run_ids()
        assert stat.S_IMODE(seen.st_mode) == (0o660 if path.name == "file" else 0o770)
    assert stat.S_IMODE(vault_root.stat().st_mode) == 0o700


def test_the_run_user_is_never_root(settings: Any) -> None:
    settings.RUN_UID = settings.RUN_GID = 0
    assert 0 not in identity.run_ids()
    settings.RUN_UID, settings.RUN_GID = 1234, 4321
    assert identity.run_ids() == (1234, 4321)


# Looking


def test_a_listing_shows_folders_first_and_sorts_by_what_is_asked(vault: Vault) -> None:
    for name, size, when in [("b.txt", 1, 300), ("A.txt", 3, 100), ("c.txt", 2, 200)]:
        put(vault, name, b"x" * size)
        os.utime(vaults.root_of(vault) / name, (when, when))
    vaults.make_folder(vault, "zoo")
    assert names(vault) == ["zoo", "A.txt", "b.txt", "c.txt"]
    assert names(vault, sort="-name") == ["zoo", "c.txt", "b.txt", "A.txt"]
    assert names(vault, sort="size") == ["zoo", "b.txt", "c.txt", "A.txt"]
    assert names(vault, sort="-size") == ["zoo", "A.txt", "c.txt", "b.txt"]
    assert names(vault, sort="time") == ["zoo", "A.txt", "c.txt", "b.txt"]
    assert names(vault, sort="-time") == ["zoo", "b.txt", "c.txt", "A.txt"]


def test_a_listing_is_searched_and_read_by_pages(vault: Vault) -> None:
    root = vaults.root_of(vault)
    for number in range(25):
        (root / f"run-{number:02}.log").touch()
    (root / "Notes").mkdir()
    page = vaults.list_folder(vault, offset=20, limit=10)
    assert (page.total, len(page.entries), page.entries[0].name) == (26, 6, "run-19.log")
    assert names(vault, search="NOTE") == ["Notes"]
    assert vaults.list_folder(vault, search="-1").total == 10


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["*.c"], ["a.c"]),
        (["*.C"], ["B.C"]),
        (["*.c", "*.py"], ["a.c", "x.py"]),
        (["*"], ["a.c", "B.C", "c[1].txt", "x.py"]),
        ([".*"], [".hidden.c"]),
        (["[a-b].?"], ["a.c"]),
        (["[!a].*"], ["B.C", "x.py"]),
        (["[^a].*"], ["B.C", "x.py"]),
        (["c[[]1].txt"], ["c[1].txt"]),
        (["a.c"], ["a.c"]),
        (["*a*a*a*a*a*a*a*a*a*a*a*a*b"], []),
    ],
)
def test_patterns_choose_files_as_a_shell_does_and_never_hide_folders(
    vault: Vault, patterns: list[str], found: list[str]
) -> None:
    for name in ("a.c", "B.C", "x.py", ".hidden.c", "c[1].txt", "a" * 100):
        put(vault, name)
    vaults.make_folder(vault, "folder")
    if patterns == ["*"]:
        found = ["a" * 100, *found]
    assert sorted(names(vault, patterns=patterns)) == sorted(["folder", *found])


def test_links_pipes_sockets_and_devices_are_listed_as_skipped_and_never_opened(vault: Vault, tmp_path: Path) -> None:
    target = outside(tmp_path)
    traps = plant_traps(vaults.root_of(vault), target / "secret.txt")
    listed = {entry.name: entry for entry in vaults.list_folder(vault, sort="size").entries}
    assert set(listed) == traps
    assert {entry.kind for entry in listed.values()} == {"skipped"}
    assert listed["link"].skipped == "link"
    assert listed["pipe"].skipped == "named pipe"
    for name in traps:
        assert not vaults.exists(vault, name)
        with pytest.raises(PathRefused):
            vaults.open_file(vault, name)
    for path in ("folder-link/secret.txt", "folder-link"):
        with pytest.raises(PathRefused):
            vaults.list_folder(vault, path)
    with pytest.raises(PathRefused):
        put(vault, "folder-link/new.txt")
    assert [path.name for path in target.iterdir()] == ["secret.txt"]


def test_names_of_every_kind_are_listed_found_and_deleted(vault: Vault) -> None:
    odd = [
        "<img src=x onerror=alert(1)>.txt",
        "a b",
        "-rf",
        "\U0001f680.txt",
        "\u202egnp.exe",
        "'\"&;$(id)`",
        "n" * 255,
    ]
    for name in odd:
        put(vault, name, name.encode())
    assert sorted(names(vault)) == sorted(odd)
    for name in odd:
        with vaults.open_file(vault, name) as file:
            assert file.read() == name.encode()
        vaults.delete(vault, name)
    assert names(vault) == []


def test_what_a_job_may_name_or_date_but_a_person_may_not_is_still_listed(vault: Vault) -> None:
    root = vaults.root_of(vault)
    (root / "back\\slash\nline").touch()
    with open(os.fsencode(root) + b"/bad-\xff", "wb"):  # noqa: PTH123 - bytes that no Path takes
        pass
    os.utime(root / "back\\slash\nline", (2**40, 2**40))
    first, second = vaults.list_folder(vault).entries
    assert (first.name, first.kind) == ("back\\slash\nline", "file")
    assert (second.name, second.kind, second.fixed) == ("bad-\\xff", "skipped", True)
    vaults.delete(vault, "back\\slash\nline")


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a/../../b", "x\0y", "a/\udcff"])
def test_every_door_refuses_a_path_that_leads_out(vault: Vault, path: str) -> None:
    assert not vaults.exists(vault, path)
    for act in (
        lambda: vaults.list_folder(vault, path),
        lambda: vaults.open_file(vault, path),
        lambda: put(vault, path),
        lambda: vaults.make_folder(vault, path),
        lambda: vaults.delete(vault, path),
        lambda: vaults.rename(vault, path, "x"),
        lambda: vaults.move(vault, path, ""),
        lambda: vaults.move(vault, "x", path),
    ):
        with pytest.raises((PathRefused, NotFound)):
            act()


def test_a_listing_of_ten_thousand_files_ends(vault: Vault) -> None:
    root = vaults.root_of(vault)
    for number in range(10_000):
        (root / f"file-{number:05}").touch()
    with ends():
        page = vaults.list_folder(vault, offset=9_900, limit=100)
    assert (page.total, page.entries[-1].name) == (10_000, "file-09999")


# Changing


def test_a_file_is_saved_read_and_replaced_only_when_asked(vault: Vault) -> None:
    put(vault, "a.txt", b"first")
    with pytest.raises(Conflict, match="already"):
        put(vault, "a.txt", b"second")
    with vaults.open_file(vault, "a.txt") as file:
        assert file.read() == b"first"
    put(vault, "a.txt", b"third", replace=True)
    with vaults.open_file(vault, "a.txt") as file:
        assert file.read() == b"third"
    assert leftovers(vault) == []


def test_a_file_is_not_saved_over_a_folder_nor_into_one_that_is_missing(vault: Vault) -> None:
    vaults.make_folder(vault, "a")
    with pytest.raises(Conflict, match="is a folder"):
        put(vault, "a", replace=True)
    with pytest.raises(NotFound):
        put(vault, "none/a")
    with pytest.raises(PathRefused):
        put(vault, "a/back\\slash")


def test_replacing_a_link_replaces_the_link_and_not_what_it_points_to(vault: Vault, tmp_path: Path) -> None:
    secret = outside(tmp_path) / "secret.txt"
    (vaults.root_of(vault) / "a").symlink_to(secret)
    put(vault, "a", b"mine", replace=True)
    assert secret.read_bytes() == SECRET
    with vaults.open_file(vault, "a") as file:
        assert file.read() == b"mine"


def test_a_file_that_breaks_off_leaves_nothing(vault: Vault) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * 100_000
        assert names(vault) == []  # nothing half visible
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        vaults.save_file(vault, "a", broken())
    assert names(vault) == []
    assert leftovers(vault) == []


def test_a_disk_that_is_full_is_said_in_words_and_leaves_nothing(vault: Vault) -> None:
    put(vault, "before", b"kept")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(Full, match="disk is full"):
            vaults.save_file(vault, "before", [b"x" * 40_000, b"x" * 40_000], replace=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with vaults.open_file(vault, "before") as file:
        assert file.read() == b"kept"
    assert leftovers(vault) == []


def test_folders_are_made_and_things_renamed_and_moved(vault: Vault) -> None:
    vaults.make_folder(vault, "a")
    vaults.make_folder(vault, "a/b")
    put(vault, "x.txt", b"x")
    vaults.rename(vault, "x.txt", "y.txt")
    vaults.move(vault, "y.txt", "a/b")
    assert names(vault, "a/b") == ["y.txt"]
    vaults.move(vault, "a/b", "")
    assert names(vault) == ["a", "b"]


def test_making_renaming_and_moving_never_take_the_place_of_something(vault: Vault) -> None:
    vaults.make_folder(vault, "a")
    vaults.make_folder(vault, "b")
    put(vault, "a/x")
    put(vault, "x")
    with pytest.raises(Conflict):
        vaults.make_folder(vault, "a")
    with pytest.raises(Conflict):
        vaults.rename(vault, "a", "b")
    with pytest.raises(Conflict):
        vaults.move(vault, "x", "a")
    with pytest.raises(Conflict, match="into itself"):
        vaults.move(vault, "a", "a")
    with pytest.raises(NotFound):
        vaults.rename(vault, "none", "c")
    with pytest.raises(PathRefused):
        vaults.rename(vault, "x", "../x")
    assert names(vault) == ["a", "b", "x"]


def test_a_folder_is_deleted_with_all_that_is_in_it_and_nothing_more(vault: Vault, tmp_path: Path) -> None:
    target = outside(tmp_path)
    root = vaults.root_of(vault)
    (root / "a" / "b" / "c").mkdir(parents=True)
    plant_traps(root / "a" / "b", target / "secret.txt")
    put(vault, "a/b/c/file")
    vaults.delete(vault, "a")
    assert (names(vault), leftovers(vault)) == ([], [])
    assert (target / "secret.txt").read_bytes() == SECRET
    with pytest.raises(NotFound):
        vaults.delete(vault, "a")


def test_a_very_large_folder_vanishes_at_once_and_is_swept_later(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    root = vaults.root_of(vault)
    (root / "many").mkdir()
    for number in range(1500):
        (root / "many" / str(number)).touch()
    monkeypatch.setattr(vault_disk, "REMOVED_AT_ONCE", 100)
    vaults.delete(vault, "many")
    assert names(vault) == []
    assert len(leftovers(vault)) == 1
    assert vaults.sweep() == 0  # an upload that is under way looks the same
    monkeypatch.setattr(vault_disk, "LEFTOVER_AFTER_S", -1)
    assert vaults.sweep() == 1
    assert leftovers(vault) == []


def test_saving_and_listing_under_a_swapping_folder_never_lead_out(vault: Vault, tmp_path: Path) -> None:
    target = outside(tmp_path)
    with swapping(vaults.root_of(vault) / "door", target):
        until = time.monotonic() + 1
        while time.monotonic() < until:
            try:
                put(vault, "door/new.txt", b"new", replace=True)
                vaults.list_folder(vault, "door")
                vaults.delete(vault, "door/new.txt")
            except (PathRefused, NotFound, Conflict):
                pass
    assert [path.name for path in target.iterdir()] == ["secret.txt"]


def test_a_vault_that_cannot_be_swept_does_not_keep_others_from_it(
    vault: Vault, owner: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = vaults.create_vault(name="broken", owner=owner)
    vaults.root_of(broken).rmdir()
    (tmp_path / "vaults" / broken.folder).symlink_to(outside(tmp_path))
    (vaults.root_of(vault) / ".slipway-left").touch()
    monkeypatch.setattr(vault_disk, "LEFTOVER_AFTER_S", -1)
    assert vaults.sweep() == 1
