"""Object vaults after a job: what is put back, and what happens to what the bucket does not take."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from jobs import putting_back, staging, vault_objects
from jobs.care import Care, Leaving
from jobs.models import Task, Vault
from jobs.outcomes import Outcome
from jobs.states import FailureClass
from portal.people.models import User
from tests.jobs.object_store import ObjectStore
from tests.jobs.staging import care_of, told
from tests.jobs.trees import outside, plant_traps

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
GOOD = Outcome(None, "Finished.", 0)


@pytest.fixture
def vault(owner: User, object_store: ObjectStore) -> Vault:
    vault_objects._away.clear()
    return object_store.vault(owner, prefix="site/")


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "BRING_PATIENCE_S", 2.0)
    monkeypatch.setattr(putting_back, "PUT_PATIENCE_S", 2.0)


def test_new_and_changed_files_are_put_back_and_nothing_is_removed(
    vault: Vault, object_store: ObjectStore, tmp_path: Path
) -> None:
    for name in ("same", "touched", "changed", "forged", "removed"):
        object_store.put(vault, f"site/{name}", b"old")
    care = care_of(vault, tmp_path)
    staging.bring(care)
    before = {one["Key"]: one["LastModified"] for one in _listed(object_store, vault)}
    data = care.root / "data"
    (data / "removed").unlink()
    os.utime(data / "touched")
    (data / "changed").write_bytes(b"newer")
    kept = (data / "forged").stat()
    (data / "forged").write_bytes(b"new")
    os.utime(data / "forged", ns=(kept.st_atime_ns, kept.st_mtime_ns))  # same size, same time, other bytes
    (data / "deep" / "er").mkdir(parents=True)
    (data / "deep" / "er" / "new").write_bytes(b"n")
    assert putting_back.put_back(care, GOOD) == GOOD
    assert {key: object_store.get(vault, key) for key in object_store.keys(vault)} == {
        "site/same": b"old",
        "site/touched": b"old",
        "site/removed": b"old",
        "site/changed": b"newer",
        "site/forged": b"new",
        "site/deep/er/new": b"n",
    }
    after = {one["Key"]: one["LastModified"] for one in _listed(object_store, vault)}
    assert all(before[f"site/{name}"] == after[f"site/{name}"] for name in ("same", "touched", "removed"))
    assert "Put 3 files (9 bytes) back into the vault 'cloud'." in told(care)


def _listed(object_store: ObjectStore, vault: Vault) -> list[Any]:
    return list(object_store.client.list_objects_v2(Bucket=vault.bucket)["Contents"])


def test_a_job_that_changed_nothing_or_may_not_uploads_nothing(
    vault: Vault, object_store: ObjectStore, tmp_path: Path
) -> None:
    object_store.put(vault, "site/a")
    care = care_of(vault, tmp_path)
    staging.bring(care)
    readonly = care_of(vault, tmp_path, vault_readonly=True)
    staging.bring(readonly)
    (readonly.root / "data" / "new").write_bytes(b"by whatever means")
    never_begun = care_of(vault, tmp_path)
    with object_store.away():  # nothing is even asked
        for one in (care, readonly, never_begun):
            assert putting_back.put_back(one, GOOD) == GOOD
    assert told(care).count("Put") == 0


def test_putting_back_again_after_a_crash_sends_only_what_is_not_there_yet(
    vault: Vault, object_store: ObjectStore, tmp_path: Path
) -> None:
    care = care_of(vault, tmp_path)
    staging.bring(care)
    (care.root / "data" / "one").write_bytes(b"1")
    putting_back.put_back(care, GOOD)
    (care.root / "data" / "two").write_bytes(b"2")
    object_store.client.delete_object(Bucket=vault.bucket, Key="site/one")
    putting_back.put_back(care, GOOD)
    assert object_store.keys(vault) == ["site/two"]


def test_links_pipes_devices_and_names_that_are_no_keys_are_skipped_and_listed(
    vault: Vault, object_store: ObjectStore, tmp_path: Path
) -> None:
    secret = outside(tmp_path) / "secret.txt"
    care = care_of(vault, tmp_path)
    staging.bring(care)
    traps = plant_traps(care.root / "data", secret)
    with open(os.fsencode(care.root / "data") + b"/bad-\xff", "wb"):  # noqa: PTH123 - bytes that no Path takes
        pass
    (care.root / "data" / "good").write_bytes(b"g")
    assert putting_back.put_back(care, GOOD) == GOOD
    assert object_store.keys(vault) == ["site/good"]
    assert f"{len(traps) + 1} files were not put back: " in told(care)


def test_an_attempt_that_is_not_in_force_puts_nothing_back(
    vault: Vault, object_store: ObjectStore, tmp_path: Path
) -> None:
    care = care_of(vault, tmp_path)
    staging.bring(care)
    (care.root / "data" / "late").write_bytes(b"x")
    Task.objects.filter(pk=care.attempt.task_id).update(attempt_number=2)
    putting_back.put_back(care, GOOD)
    assert object_store.keys(vault) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("gone", ["bucket", "service"])
def test_what_the_bucket_does_not_take_goes_to_the_results_and_the_job_says_so(
    vault: Vault, object_store: ObjectStore, tmp_path: Path, gone: str
) -> None:
    object_store.put(vault, "site/same")
    care = care_of(vault, tmp_path)
    staging.bring(care)
    (care.root / "data" / "d").mkdir()
    (care.root / "data" / "d" / "new").write_bytes(b"eight hours of work")
    (care.root / "results" / "not-put-back").mkdir()  # the program's own
    if gone == "bucket":
        object_store.empty(vault)
        outcome = putting_back.put_back(care, GOOD)
        message = "There is no bucket"
    else:
        with object_store.away():
            outcome = putting_back.put_back(care, GOOD)
        message = "does not answer"
    assert (outcome.failure, outcome.exit_code, outcome.retry) == (FailureClass.INFRA, 0, False)
    assert "1 file could not be put back into the vault 'cloud' and is among the results" in outcome.reason
    assert message in outcome.reason
    assert (care.root / "results" / "not-put-back-1" / "d" / "new").read_bytes() == b"eight hours of work"
    assert putting_back.put_back(care, GOOD).reason == outcome.reason  # told again after a crash


def test_a_program_that_failed_keeps_its_own_failure(vault: Vault, object_store: ObjectStore, tmp_path: Path) -> None:
    care = care_of(vault, tmp_path)
    staging.bring(care)
    (care.root / "data" / "new").write_bytes(b"x")
    object_store.empty(vault)
    outcome = putting_back.put_back(care, Outcome(FailureClass.USER, "Exit code 3.", 3))
    assert (outcome.failure, outcome.exit_code) == (FailureClass.USER, 3)
    assert outcome.reason.startswith("Exit code 3. 1 file could not be put back")


def test_a_cancel_while_files_are_put_back_ends_it_and_one_before_does_not(
    vault: Vault, object_store: ObjectStore, tmp_path: Path
) -> None:
    care = care_of(vault, tmp_path)
    staging.bring(care)
    (care.root / "data" / "new").write_bytes(b"x")
    before = Care(care.attempt, care.job, care.root, lambda: "cancelled", threading.Event())
    assert putting_back.put_back(before, Outcome(FailureClass.CANCELLED, "Cancelled.")).reason == "Cancelled."
    assert object_store.keys(vault) == ["site/new"]
    (care.root / "data" / "newer").write_bytes(b"x")
    said = iter(["", ""])
    during = Care(care.attempt, care.job, care.root, lambda: next(said, "cancelled"), threading.Event())
    outcome = putting_back.put_back(during, GOOD)
    assert outcome.failure == FailureClass.CANCELLED
    assert "It was stopped while its files were put back." in outcome.reason
    assert object_store.keys(vault) == ["site/new"]


def test_a_process_that_leaves_in_the_middle_changes_nothing(
    vault: Vault, object_store: ObjectStore, tmp_path: Path
) -> None:
    care = care_of(vault, tmp_path)
    staging.bring(care)
    (care.root / "data" / "new").write_bytes(b"x")
    care.leaving.set()
    with pytest.raises(Leaving):
        putting_back.put_back(care, GOOD)
    care.leaving.clear()
    assert putting_back.put_back(care, GOOD) == GOOD
    assert object_store.keys(vault) == ["site/new"]
