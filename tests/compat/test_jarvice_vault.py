"""A folder of a vault as JARVICE clients list it: [name, size, time], folders with a slash, six ways to sort."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobs import vault_roots, vaults
from jobs.models import Vault
from portal.people.models import User
from tests.compat.conftest import client_of
from tests.compat.jarvice_client import JarviceClient
from tests.factories import make_team, make_vault

TIMES = {"b.csv": 1_600_000_300, "a.csv": 1_600_000_100, "Z": 1_600_000_200}


@pytest.fixture
def vault(owner: User, folders: Path) -> Vault:
    made = make_vault(owner, name="home")
    for name, size in (("b.csv", 3), ("a.csv", 20)):
        vaults.save_file(made, name, [b"x" * size])
    vaults.make_folder(made, "Z")
    vaults.save_file(made, "Z/inner é.txt", [b"1"])
    root = vault_roots.root_of(made)
    for name, at in TIMES.items():
        os.utime(root / name, (at, at))
    (root / "link").symlink_to("/etc/passwd")
    return made


def names(client: JarviceClient, **fields: str) -> list[str]:
    return [name for name, _, _ in client.json("vault", vault="home", **fields)]


def test_without_details_there_are_only_names(theirs: JarviceClient, vault: Vault) -> None:
    assert theirs.json("vault", vault="home", path="/") == [["Z/", 0, 0], ["a.csv", 0, 0], ["b.csv", 0, 0]]


def test_details_are_sizes_and_unix_times(theirs: JarviceClient, vault: Vault) -> None:
    assert theirs.json("vault", vault="home", path="", details="true") == [
        ["Z/", 0, TIMES["Z"]],
        ["a.csv", 20, TIMES["a.csv"]],
        ["b.csv", 3, TIMES["b.csv"]],
    ]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("n", ["Z/", "a.csv", "b.csv"]),
        ("N", ["b.csv", "a.csv", "Z/"]),
        ("s", ["Z/", "b.csv", "a.csv"]),
        ("S", ["a.csv", "b.csv", "Z/"]),
        ("m", ["a.csv", "Z/", "b.csv"]),
        ("M", ["b.csv", "Z/", "a.csv"]),
        ("", ["Z/", "a.csv", "b.csv"]),
        ('"n"', ["Z/", "a.csv", "b.csv"]),
    ],
)
def test_each_letter_sorts_and_its_capital_reverses(
    theirs: JarviceClient, vault: Vault, sort: str, order: list[str]
) -> None:
    assert names(theirs, sort=sort, details="true") == order


@pytest.mark.parametrize("path", ["Z", "/Z", "Z/", "/data/Z", "//Z//", "./Z"])
def test_a_path_begins_as_clients_write_it(theirs: JarviceClient, vault: Vault, path: str) -> None:
    assert names(theirs, path=path) == ["inner é.txt"]


def test_what_is_not_there_or_not_theirs_is_a_404(theirs: JarviceClient, vault: Vault, stranger: User) -> None:
    theirs.error("vault", 404, vault="none")
    theirs.error("vault", 404, vault="home", path="none")
    client_of(stranger).error("vault", 404, vault="home")
    assert theirs.json("vault", vault="ephemeral", path="/") == []


def test_what_can_not_be_meant_is_a_400(theirs: JarviceClient, vault: Vault) -> None:
    assert "vault" in theirs.error("vault", 400)
    assert "'sort' must be" in theirs.error("vault", 400, vault="home", sort="x")
    for path in ("..", "/data/../x", "a/../../b"):
        assert "'..'" in theirs.error("vault", 400, vault="home", path=path)
    assert theirs.send("vault", vault="home", path="link").status_code in (400, 404)


def test_a_vault_of_the_team_is_listed_by_its_members(
    theirs: JarviceClient, owner: User, teammate: User, stranger: User, folders: Path
) -> None:
    crew = make_vault(make_team(owner, teammate), name="crew")
    vaults.save_file(crew, "x", [b"1"])
    assert client_of(teammate).json("vault", vault="crew", path="/") == [["x", 0, 0]]
    client_of(stranger).error("vault", 404, vault="crew")


def test_all_of_a_large_folder_comes_at_once(theirs: JarviceClient, owner: User, folders: Path) -> None:
    large = make_vault(owner, name="large")
    root = vault_roots.root_of(large)
    for number in range(2_000):
        (root / f"{number:05}.dat").touch()
    found = theirs.json("vault", vault="large", path="/")
    assert len(found) == 2_000
    assert found[-1] == ["01999.dat", 0, 0]
