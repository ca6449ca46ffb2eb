"""How full a vault is: quotas are kept by every door at once, and what jobs wrote counts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from jobs import vault_usage, vaults
from jobs.models import Vault
from portal.errors import Full
from portal.people.models import User
from tests.factories import make_person, make_vault
from tests.jobs.vault_files import names, put

pytestmark = pytest.mark.django_db


@pytest.fixture
def vault(owner: User) -> Vault:
    return vaults.create_vault(name="home", owner=owner)


def test_a_quota_is_kept_and_said_in_words(owner: User) -> None:
    vault = vaults.create_vault(name="small", owner=owner, quota_mib=1)
    put(vault, "a", b"x" * 600_000)
    with pytest.raises(Full, match="may hold 1 MiB"):
        put(vault, "b", b"x" * 600_000)
    assert names(vault) == ["a"]
    put(vault, "a", b"y" * 900_000, replace=True)  # counts in place of what was there
    vaults.delete(vault, "a")
    put(vault, "b", b"x" * 1_000_000)
    vault.refresh_from_db()
    assert vault.used_bytes == 1_000_000


def test_a_quota_stops_an_endless_file(owner: User) -> None:
    vault = vaults.create_vault(name="small", owner=owner, quota_mib=1)
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 100_000

    with pytest.raises(Full):
        vaults.save_file(vault, "a", endless())
    assert sent < 20


def test_what_jobs_wrote_counts_when_it_is_measured(vault: Vault) -> None:
    root = vaults.root_of(vault)
    (root / "by-a-job").write_bytes(b"x" * 5000)
    os.link(root / "by-a-job", root / "same")
    with (root / "sparse").open("wb") as file:
        file.truncate(2**40)
    assert vaults.usage(vault) == 5000
    vault.refresh_from_db()
    assert vault.used_bytes == 5000


def test_measuring_ends_in_a_vault_of_endless_files(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    root = vaults.root_of(vault)
    for number in range(50):
        (root / str(number)).write_bytes(b"x")
    monkeypatch.setattr(vault_usage, "WALKED_MAX", 10)
    vault.used_bytes = 40
    assert vaults.usage(vault) == 40


def test_no_quota_is_zero_and_none_is_the_installation_s(owner: User, settings: Any) -> None:
    settings.VAULT_QUOTA_MIB = 7
    assert vaults.quota_bytes(make_vault(owner)) == 7 * 2**20
    assert vaults.quota_bytes(make_vault(owner, quota_mib=3)) == 3 * 2**20
    assert vaults.quota_bytes(make_vault(owner, quota_mib=0)) is None


@pytest.mark.django_db(transaction=True)
def test_of_two_uploads_that_fit_only_one_by_one_one_is_refused(settings: Any) -> None:
    vault = vaults.create_vault(name="small", owner=make_person("owner"), quota_mib=1)

    def send(name: str) -> bool:
        try:
            put(Vault.objects.get(pk=vault.pk), name, b"x" * 700_000)
        except Full:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(4) as pool:
        arrived = list(pool.map(send, "abcd"))
    assert sum(arrived) == 1
    assert len(names(vault)) == 1


@pytest.mark.django_db(transaction=True)
def test_measuring_waits_for_a_file_that_is_counted_and_not_yet_shown() -> None:
    vault = vaults.create_vault(name="small", owner=make_person("owner"), quota_mib=1)

    def measure() -> int:
        try:
            return vaults.usage(Vault.objects.get(pk=vault.pk))
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with vault_usage.reserved(vault, 700_000):
            measured = pool.submit(measure)
            with pytest.raises(TimeoutError):
                measured.result(timeout=0.3)
            (vaults.root_of(vault) / "a").write_bytes(b"x" * 700_000)
        assert measured.result(timeout=10) == 700_000
    vault.refresh_from_db()
    assert vault.used_bytes == 700_000
