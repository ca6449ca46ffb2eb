"""manage.py createvault and the admin: vaults of every kind, made by operators; a secret goes in and never comes out."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from jobs import vaults
from jobs.models import Vault
from portal.people.models import AuditEvent, User
from portal.people.sealing import unseal
from tests.factories import make_job, make_person, make_vault
from tests.jobs.object_store import KEY, SECRET, ObjectStore
from tests.jobs.vault_files import names, said

pytestmark = pytest.mark.django_db


def make(*words: str) -> str:
    output = io.StringIO()
    call_command("createvault", *words, stdout=output, stderr=output)
    return output.getvalue()


def test_a_vault_of_each_kind_is_made(owner: User, object_store: ObjectStore, tmp_path: Path) -> None:
    place = tmp_path / "srv"
    place.mkdir()
    place.chmod(0o777)
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    bucket = object_store.bucket()
    assert make("plain", "--owner", "owner").startswith("plain: /")
    assert make("disk", "--owner", "owner", "--type", "BLOCK", "--quota-mib", "5").startswith("disk: /")
    assert make("data", "--owner", "owner", "--location", str(place)) == f"data: {place}\n"
    cloud = ("--type", "OBJECT", "--bucket", bucket, "--endpoint", object_store.endpoint, "--prefix", "a/b")
    said = make("cloud", "--owner", "owner", *cloud, "--access-key", KEY, "--secret-file", str(secret))
    assert said == f"cloud: s3://{bucket}/a/b\n"
    vault = Vault.objects.get(name="cloud")
    assert (vault.type, vault.access_key, unseal(vault.sealed_secret)) == ("OBJECT", KEY, SECRET)
    assert names(vault) == []
    assert Vault.objects.get(name="disk").exclusive


def test_the_secret_is_read_from_standard_input(
    owner: User, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(SECRET + "\n"))
    cloud = ("--type", "OBJECT", "--bucket", object_store.bucket(), "--endpoint", object_store.endpoint)
    make("cloud", "--owner", "owner", *cloud, "--access-key", KEY, "--secret-file", "-")
    assert unseal(Vault.objects.get().sealed_secret) == SECRET


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["x"], "Say whose it is"),
        (["x", "--owner", "none"], "no person of that name"),
        (["x", "--team", "none"], "no team of that name"),
        (["a b", "--owner", "owner"], "can't be the name"),
        (["x", "--owner", "owner", "--type", "OBJECT"], "needs a bucket"),
        (["x", "--owner", "owner", "--bucket", "b"], "lies on a disk"),
        (["x", "--owner", "owner", "--location", "/etc"], "system's folder"),
        (["x", "--owner", "owner", "--secret-file", "/no/file"], "can't be read from /no/file"),
        (["x", "--owner", "owner", "--type", "OBJECT", "--bucket", "b", "--endpoint", "http://127.0.0.1:9"], "answer"),
        (["x", "--mark"], "no vault 'x' with a location"),
    ],
)
def test_what_can_not_be_made_is_said_and_leaves_nothing(owner: User, words: list[str], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        make(*words)
    assert not Vault.objects.exists()


def test_a_bucket_that_is_not_there_yet_can_be_taken_unchecked(owner: User) -> None:
    make(
        "x", "--owner", "owner", "--type", "OBJECT", "--bucket", "b", "--endpoint", "http://127.0.0.1:9", "--unchecked"
    )
    assert Vault.objects.get().bucket == "b"


def test_a_location_that_lost_its_mark_is_marked_again_and_one_that_jobs_can_not_write_in_is_told(
    owner: User, tmp_path: Path, settings: Any
) -> None:
    settings.RUN_UID, settings.RUN_GID = 4321, 4321
    place = tmp_path / "srv"
    place.mkdir(mode=0o755)
    assert "Jobs run as 4321:4321 and may not write" in make("data", "--owner", "owner", "--location", str(place))
    (place / ".slipway-vault").unlink()
    make("data", "--mark")
    assert names(Vault.objects.get()) == []


# The admin


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(make_person("staff", is_staff=True, is_superuser=True))
    return client


def fields(whose: User, **over: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("team", "quota_mib", "location", "bucket", "prefix", "endpoint", "region", "access_key"), "")
    return {**empty, "name": "made", "type": "FILE", "owner": whose.pk, "secret": "", **over}


def test_operators_make_vaults_of_every_kind(staff: Client, owner: User, object_store: ObjectStore) -> None:
    for name, over in {
        "plain": {},
        "disk": {"type": "BLOCK"},
        "cloud": {
            "type": "OBJECT",
            "bucket": object_store.bucket(),
            "endpoint": object_store.endpoint,
            "access_key": KEY,
            "secret": SECRET,
        },
    }.items():
        answer = staff.post("/admin/jobs/vault/add/", fields(owner, name=name, **over))
        assert answer.status_code == 302, said(answer)
        assert names(Vault.objects.get(name=name)) == []
    assert unseal(Vault.objects.get(name="cloud").sealed_secret) == SECRET
    events = AuditEvent.objects.filter(action="vault.created")
    assert events.count() == 3
    assert SECRET not in str(list(events.values_list("detail", flat=True)))


@pytest.mark.parametrize(
    ("over", "told"),
    [
        ({"type": "OBJECT"}, "needs a bucket"),
        ({"type": "OBJECT", "bucket": "b", "access_key": "k"}, "needs its secret"),
        ({"bucket": "b"}, "lies on a disk"),
        ({"secret": "s"}, "lies on a disk"),
        ({"location": "/etc"}, "system's folder"),
        ({"type": "OBJECT", "bucket": "b", "endpoint": "file:///etc/passwd"}, "Write it like https://s3.example.org"),
        ({"name": "../x"}, "Use letters"),
        ({"owner": ""}, "vault_of_a_person_or_a_team"),
    ],
)
def test_what_does_not_go_together_is_said_on_the_form(
    staff: Client, owner: User, over: dict[str, Any], told: str
) -> None:
    answer = staff.post("/admin/jobs/vault/add/", fields(owner, **over))
    assert answer.status_code == 200
    assert told in said(answer)
    assert not Vault.objects.exists()


def test_a_secret_is_set_anew_kept_and_never_shown(staff: Client, owner: User) -> None:
    way: dict[str, Any] = {"bucket": "b", "endpoint": "http://127.0.0.1:9", "access_key": KEY}
    vault = vaults.create_vault(name="cloud", owner=owner, type=Vault.Type.OBJECT, secret=SECRET, **way)
    address = f"/admin/jobs/vault/{vault.pk}/change/"
    page = said(staff.get(address))
    assert SECRET not in page
    assert vault.sealed_secret not in page
    kept = fields(owner, name="cloud", **way)
    del kept["type"], kept["location"]
    assert staff.post(address, {**kept, "region": "eu-1"}).status_code == 302
    vault.refresh_from_db()
    assert (vault.region, unseal(vault.sealed_secret)) == ("eu-1", SECRET)
    assert staff.post(address, {**kept, "secret": "another"}).status_code == 302
    vault.refresh_from_db()
    assert unseal(vault.sealed_secret) == "another"
    assert staff.post(address, {**kept, "type": "FILE"}).status_code == 302
    vault.refresh_from_db()
    assert vault.type == "OBJECT"


def test_changing_a_vault_leaves_who_has_it_as_it_has_moved_meanwhile(staff: Client, owner: User) -> None:
    vault = make_vault(owner, type=Vault.Type.BLOCK)
    job = make_job(owner, vault=vault)
    Vault.objects.filter(pk=vault.pk).update(held_by=job, used_bytes=7)
    kept = fields(owner, name=vault.name, quota_mib=9)
    assert staff.post(f"/admin/jobs/vault/{vault.pk}/change/", kept).status_code == 302
    vault.refresh_from_db()
    assert (vault.held_by_id, vault.used_bytes, vault.quota_mib) == (job.pk, 7, 9)
