"""Object vaults before a job: what is brought, and faults of the service meanwhile."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from jobs import putting_back, staged, staging, vault_objects
from jobs.care import Care, Leaving
from jobs.models import Vault
from jobs.outcomes import Outcome
from jobs.runtimes.base import RuntimeFault
from portal.people.models import User
from tests.jobs.object_store import ObjectStore
from tests.jobs.staging import care_of, in_data, told

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


# Bringing


def test_a_vault_is_brought_whole_with_its_folders_below_its_prefix(
    vault: Vault, object_store: ObjectStore, tmp_path: Path
) -> None:
    for key in ("site/a.txt", "site/d/e/f", "site/empty/", "beside"):
        object_store.put(vault, key, key.encode() if not key.endswith("/") else b"")
    care = care_of(vault, tmp_path)
    staging.bring(care)
    assert in_data(care) == {"a.txt": b"site/a.txt", "d/e/f": b"site/d/e/f"}
    assert (care.root / "data" / "empty").is_dir()
    assert told(care) == "Brought 2 files (20 bytes) of the vault 'cloud'."
    seen = (care.root / "data" / "a.txt").stat()
    assert (seen.st_uid, seen.st_gid) == (care.job.plan["uid"], care.job.plan["gid"])


def test_of_a_vault_that_is_too_large_only_what_parameters_name_is_brought(
    vault: Vault, object_store: ObjectStore, tmp_path: Path, settings: Any
) -> None:
    settings.STAGE_LIMIT_MIB = 1
    object_store.put(vault, "site/huge", b"x" * 2**20)
    for key in ("run/in.txt", "run/more/x", "runner", "other"):
        object_store.put(vault, f"site/{key}")
    for file, brought in [("run", ["run/in.txt", "run/more/x"]), ("/data/other", ["other"]), ("", [])]:
        care = care_of(vault, tmp_path, file=file)
        staging.bring(care)
        assert list(in_data(care)) == brought
        assert "only what the parameters name is in /data" in told(care)


@pytest.mark.parametrize("file", ["big", "/data"])
def test_what_parameters_name_must_fit_the_disk_of_the_machine_type(
    vault: Vault, object_store: ObjectStore, tmp_path: Path, file: str
) -> None:
    object_store.put(vault, "site/big/one", b"x" * 3 * 2**19)
    with pytest.raises(RuntimeFault, match=r"have 1\.5 MiB; it may be given 1 MiB") as refused:
        staging.bring(care_of(vault, tmp_path, file=file, disk_mib=1))
    assert not refused.value.retry


def test_keys_that_can_not_be_paths_are_left_out_and_named(
    vault: Vault, object_store: ObjectStore, tmp_path: Path
) -> None:
    for key in ("../../up", "/lead", "a//b", "d/..", "good", "run", "run/x", "n" * 300):
        object_store.put(vault, f"site/{key}")
    care = care_of(vault, tmp_path)
    staging.bring(care)
    assert list(in_data(care)) == ["good", "run/x"]
    assert "6 files were left out: " in told(care)
    assert "'run' (a folder has this name)" in told(care) or "and 1 more" in told(care)
    assert [path.name for path in tmp_path.iterdir()] == [care.root.name]


def test_bringing_again_after_a_crash_begins_anew_and_when_complete_changes_nothing(
    vault: Vault, object_store: ObjectStore, tmp_path: Path
) -> None:
    object_store.put(vault, "site/a", b"first")
    care = care_of(vault, tmp_path)
    (care.root / "data").mkdir()
    (care.root / "data" / "half").write_bytes(b"ha")
    (care.root / staged.JOURNAL).write_text('{"path": "half", "si')
    staging.bring(care)
    assert in_data(care) == {"a": b"first"}
    object_store.put(vault, "site/b", b"later")
    (care.root / "data" / "a").write_bytes(b"the job has begun")
    staging.bring(care)
    assert in_data(care) == {"a": b"the job has begun"}


@pytest.mark.parametrize(
    ("break_it", "message", "retry"),
    [("bucket", "There is no bucket", False), ("key", "does not know the access key", False)],
)
def test_what_an_operator_must_mend_is_not_tried_again(
    vault: Vault, object_store: ObjectStore, tmp_path: Path, break_it: str, message: str, retry: bool
) -> None:
    care = care_of(vault, tmp_path)
    if break_it == "bucket":
        object_store.empty(vault)
    else:
        object_store.demand_known_keys(True)
    try:
        with pytest.raises(RuntimeFault, match=message) as refused:
            staging.bring(care)
        assert refused.value.retry is retry
    finally:
        object_store.demand_known_keys(False)


@pytest.mark.django_db(transaction=True)
def test_a_service_that_comes_back_is_waited_for_and_one_that_does_not_is_tried_later(
    vault: Vault, object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    object_store.put(vault, "site/a", b"there")
    care = care_of(vault, tmp_path)
    with object_store.away(), pytest.raises(RuntimeFault, match="does not answer") as refused:
        staging.bring(care)
    assert refused.value.retry
    monkeypatch.setattr(staging, "BRING_PATIENCE_S", 60.0)
    with object_store.away():
        waiting = threading.Thread(target=_bring, args=(care,))
        waiting.start()
        time.sleep(0.5)
    waiting.join(30)
    assert in_data(care) == {"a": b"there"}


def _bring(care: Care) -> None:
    from django.db import connection

    staging.bring(Care(care.attempt, care.job, care.root, care.stopping, care.leaving))
    connection.close()


def test_cancel_and_a_leaving_process_end_the_wait(vault: Vault, object_store: ObjectStore, tmp_path: Path) -> None:
    care = care_of(vault, tmp_path)
    cancelled = Care(care.attempt, care.job, care.root, lambda: "cancelled", threading.Event())
    with pytest.raises(RuntimeFault, match="stopped while its files were fetched"):
        staging.bring(cancelled)
    care.leaving.set()
    with pytest.raises(Leaving):
        staging.bring(care)
    assert not (care.root / "data").exists()
