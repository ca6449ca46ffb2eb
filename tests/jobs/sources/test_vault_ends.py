"""Vaults as sources and destinations: on a disk and in a bucket, for those who may see them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs import vaults
from jobs.models import Vault
from jobs.services import ends
from jobs.sources import destination_of, source_of
from portal.errors import Full, NotFound
from portal.people.models import User
from tests.factories import make_team
from tests.jobs.object_store import ObjectStore
from tests.jobs.sources.passages import Told, passage

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["disk", "bucket"])
def vault(request: Any, owner: User) -> Vault:
    store: ObjectStore | None = request.getfixturevalue("object_store") if request.param == "bucket" else None
    made = store.vault(owner, "home") if store else vaults.create_vault(name="home", owner=owner)
    vaults.make_folder(made, "data")
    vaults.make_folder(made, "data/deep")
    for path, body in (("data/a.csv", b"aa"), ("data/b.csv", b"b"), ("data/deep/a.csv", b"deep"), ("n.txt", b"n")):
        vaults.save_file(made, path, [body])
    return made


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (["/"], {"a.csv": b"aa", "b.csv": b"b", "2_a.csv": b"deep", "n.txt": b"n"}),
        (["data/"], {"a.csv": b"aa", "b.csv": b"b", "2_a.csv": b"deep"}),
        (["data/*.csv"], {"a.csv": b"aa", "b.csv": b"b"}),
        (["n.txt", "*.txt"], {"n.txt": b"n"}),
    ],
)
def test_files_folders_and_wildcards(
    vault: Vault, owner: User, tmp_path: Path, paths: list[str], found: dict[str, bytes]
) -> None:
    source = source_of({"kind": "vault", "vault": "home", "paths": paths}, owner)
    assert not isinstance(source, list), source
    told = Told()
    way = passage(told)
    into = tmp_path / "into"
    into.mkdir()
    source.fetch(into, way)
    assert {path.name: path.read_bytes() for path in into.iterdir()} == found
    assert told.progress[0]["bytes_total"] == sum(map(len, found.values())) == way.size


def test_a_test_and_a_look_through(vault: Vault, owner: User) -> None:
    given = {"kind": "vault", "vault": "home", "paths": ["data/*.csv"]}
    assert ends.test_source(given, owner).message == "It can be read: 2 files, 3 bytes (data/a.csv, data/b.csv)."
    said = ends.test_source({**given, "paths": ["data"]}, owner).message
    assert said == "There is no file 'data' in the vault 'home'. It is a folder: write 'data/'."
    assert "There is no file '*.zip'" in ends.test_source({**given, "paths": ["*.zip"]}, owner).message
    page = ends.folder(given, owner, path="data", search="", offset=0, limit=2)
    assert ([entry.name for entry in page.entries], page.total) == (["deep", "a.csv"], 3)


def test_results_go_into_a_folder_that_is_made_and_again(vault: Vault, owner: User, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"result")
    destination = destination_of({"kind": "vault", "vault": "home", "path": "out/{job}/"}, owner)
    assert not isinstance(destination, list), destination
    for _ in range(2):
        way = passage(doing="deliver")
        destination.deliver([("x.txt", tmp_path / "x"), ("sub/y.txt", tmp_path / "x")], way)
        assert (way.files, way.size) == (2, 12)
    with vaults.open_file(vault, "out/7/sub/y.txt") as file:
        assert file.read() == b"result"
    assert destination.look() == "The vault 'home' is there; its results go to out/0/."


def test_a_full_vault_keeps_no_half_of_a_result(owner: User, tmp_path: Path) -> None:
    vault = vaults.create_vault(name="small", owner=owner, quota_mib=1)
    (tmp_path / "x").write_bytes(b"x" * (2**20 + 1))
    destination = destination_of({"kind": "vault", "vault": "small"}, owner)
    assert not isinstance(destination, list)
    way = passage(doing="deliver")
    with pytest.raises(Full):
        destination.deliver([("x.bin", tmp_path / "x")], way)
    assert way.size == 0
    assert vaults.list_folder(vault).total == 0


def test_a_vault_is_for_those_who_see_it(owner: User, stranger: User) -> None:
    vaults.create_vault(name="mine", owner=owner)
    team = make_team(owner, name="Vault crew")
    vaults.create_vault(name="ours", team=team)
    for name in ("mine", "ours"):
        given = {"kind": "vault", "vault": name, "paths": ["/"]}
        assert not isinstance(source_of(given, owner), list)
        faults = source_of(given, stranger)
        assert isinstance(faults, list)
        assert (faults[0].pointer, faults[0].code) == ("/dataSource/vault", "unknown_vault")
    team.memberships.all().delete()
    assert isinstance(source_of({"kind": "vault", "vault": "ours", "paths": ["/"]}, owner), list)


@pytest.mark.parametrize("path", ["../x", "a/../b", "a//b", "x" * 300, "a\0b"])
def test_a_path_stays_in_the_vault(owner: User, path: str) -> None:
    vaults.create_vault(name="mine", owner=owner)
    assert isinstance(source_of({"kind": "vault", "vault": "mine", "paths": [path]}, owner), list)
    assert isinstance(destination_of({"kind": "vault", "vault": "mine", "path": path}, owner), list)


def test_a_link_in_a_vault_is_not_followed(owner: User, tmp_path: Path) -> None:
    vault = vaults.create_vault(name="mine", owner=owner)
    (vaults.root_of(vault) / "link").symlink_to("/etc/passwd")
    source = source_of({"kind": "vault", "vault": "mine", "paths": ["link"]}, owner)
    assert not isinstance(source, list)
    with pytest.raises(NotFound, match="There is no file 'link'"):
        source.fetch(tmp_path, passage())
    everything = source_of({"kind": "vault", "vault": "mine", "paths": ["/"]}, owner)
    assert not isinstance(everything, list)
    with pytest.raises(NotFound, match="There is no file in the vault"):
        everything.fetch(tmp_path, passage())
