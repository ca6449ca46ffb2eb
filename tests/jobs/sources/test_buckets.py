"""Buckets as sources and destinations, against an S3 service on this machine: kinds, paths, faults, and keys at rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from jobs import vault_s3
from jobs.models import Job
from jobs.services import ends
from jobs.services.fan_out import draft
from jobs.sources import DESTINATIONS, SOURCES, destination_of, masked, source_of
from jobs.sources.objects import SERVICES, FromBucket
from jobs.vault_s3 import ObjectsAway, ObjectsRefused
from portal.errors import Conflict, Invalid, NotFound, TooLarge
from portal.outward import NotPublic
from portal.people import sealing
from portal.people.models import Secret, Team, User
from tests.factories import make_machine, make_team
from tests.jobs.bundles import asked
from tests.jobs.object_store import KEY, SECRET, ObjectStore
from tests.jobs.sources.passages import Told, passage

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
KINDS = [service.kind for service in SERVICES]


def secret_of(whose: User | Team, name: str = "lake", **over: str) -> Secret:
    keys = {"access_key": KEY, "secret_key": SECRET, **over}
    whose_ = {"user": whose} if isinstance(whose, User) else {"team": whose}
    return Secret.objects.create(name=name, kind="keys", sealed=sealing.seal(json.dumps(keys)), **whose_)


@pytest.fixture
def given(object_store: ObjectStore, owner: User) -> dict[str, Any]:
    """A source in a bucket of its own, with a secret."""
    secret_of(owner)
    bucket = object_store.bucket()
    for key, body in (("data/a.csv", b"aa"), ("data/b.csv", b"b"), ("data/deep/a.csv", b"deep"), ("notes.txt", b"n")):
        object_store.client.put_object(Bucket=bucket, Key=key, Body=body)
    return {"kind": "s3", "endpoint": object_store.endpoint, "bucket": bucket, "secret": "lake", "paths": ["data/"]}


def fetched(given: dict[str, Any], owner: User, into: Path, **over: Any) -> dict[str, bytes]:
    source = source_of(given, owner)
    assert not isinstance(source, list), source
    names = source.fetch(into, passage(**over))
    assert sorted(names) == sorted(path.name for path in into.iterdir())
    return {name: (into / name).read_bytes() for name in names}


@pytest.mark.parametrize("kind", KINDS)
def test_every_service_is_read_through_its_s3_interface(
    given: dict[str, Any], owner: User, tmp_path: Path, kind: str
) -> None:
    found = fetched({**given, "kind": kind, "region": "us-east-1"}, owner, tmp_path)
    assert found == {"a.csv": b"aa", "b.csv": b"b", "2_a.csv": b"deep"}


def test_services_are_where_they_are_known_to_be(owner: User) -> None:
    where = {}
    for kind in KINDS:
        more = {"endpoint": "https://s3.example.org"} if kind == "s3" else {}
        source = source_of({"kind": kind, "bucket": "b-b", "paths": ["/"], **more}, owner)
        assert isinstance(source, FromBucket)
        where[kind] = (source.place.endpoint, source.place.region)
    assert where == {
        "s3": ("https://s3.example.org", "us-east-1"),
        "aws": ("", "us-east-1"),
        "gcp": ("https://storage.googleapis.com", "auto"),
        "storj": ("https://gateway.storjshare.io", "us1"),
    }


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/"], ["a.csv", "b.csv", "2_a.csv", "notes.txt"]),
        (["data/*.csv"], ["a.csv", "b.csv"]),
        (["data/?.csv", "data/a.csv", "notes.txt"], ["a.csv", "b.csv", "notes.txt"]),
        (["/notes.txt"], ["notes.txt"]),
        (["data/deep/"], ["a.csv"]),
        (["*.txt"], ["notes.txt"]),
    ],
)
def test_paths_are_files_folders_and_wildcards(
    given: dict[str, Any], owner: User, tmp_path: Path, paths: list[str], names: list[str]
) -> None:
    assert list(fetched({**given, "paths": paths}, owner, tmp_path)) == names


def test_a_large_object_comes_whole(
    object_store: ObjectStore, given: dict[str, Any], owner: User, tmp_path: Path
) -> None:
    body = bytes(range(256)) * 20_000
    object_store.client.put_object(Bucket=given["bucket"], Key="large.bin", Body=body)
    told = Told()
    source = source_of({**given, "paths": ["large.bin"]}, owner)
    assert not isinstance(source, list)
    way = passage(told)
    source.fetch(tmp_path, way)
    assert (tmp_path / "large.bin").read_bytes() == body
    assert (way.size, way.size_total, way.files) == (len(body), len(body), 1)


def test_what_is_too_much_is_refused_before_it_is_fetched(given: dict[str, Any], owner: User, tmp_path: Path) -> None:
    for over in ({"bytes_max": 3}, {"files_max": 2}):
        with pytest.raises(TooLarge):
            fetched(given, owner, tmp_path, **over)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("over", "error", "said"),
    [
        ({"bucket": "no-such-bucket"}, ObjectsRefused, "There is no bucket 'no-such-bucket' at http://127.0.0.1"),
        ({"bucket": "Bad Bucket"}, ObjectsRefused, "can't be the name of a bucket"),
        ({"paths": ["nothing.txt"]}, NotFound, "There is no 'nothing.txt' in the bucket"),
        ({"paths": ["nothing/"]}, NotFound, "There is no 'nothing/' in the bucket"),
        ({"paths": ["data"]}, NotFound, "A folder needs a / at its end: 'data/'."),
        ({"paths": ["*.zip"]}, NotFound, "There is no '*.zip' in the bucket"),
        ({"endpoint": "http://127.0.0.1:1"}, ObjectsAway, "http://127.0.0.1:1 does not answer. Check the endpoint"),
        ({"endpoint": "http://2130706434:9"}, NotPublic, "not public"),
    ],
)
def test_what_goes_wrong_is_said_by_a_test_and_by_a_job(
    given: dict[str, Any], owner: User, tmp_path: Path, over: dict[str, Any], error: type[Exception], said: str
) -> None:
    whole = {**given, **over}
    with pytest.raises(error) as caught:
        fetched(whole, owner, tmp_path, patience_s=-1)
    assert said in str(caught.value)
    verdict = ends.test_source(whole, owner)
    assert not verdict.ok
    assert said in verdict.message
    assert SECRET not in verdict.message


def test_wrong_keys_are_said(object_store: ObjectStore, given: dict[str, Any], owner: User) -> None:
    object_store.demand_known_keys(True)
    try:
        wrong = ends.test_source(given, owner)
    finally:
        object_store.demand_known_keys(False)
    assert "does not know this access key, or its secret is another one. Check the secret." in wrong.message


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        ("AuthorizationHeaderMalformed", ObjectsRefused, "is not in the region 'eu-west-9'. Set the region"),
        ("PermanentRedirect", ObjectsRefused, "is not in the region 'eu-west-9'"),
        ("SignatureDoesNotMatch", ObjectsRefused, "Check the secret."),
        ("AccessDenied", ObjectsRefused, "(access denied). Check the secret, and what its key may do."),
        ("SlowDown", ObjectsAway, "is busy or at fault (SlowDown). Try again later."),
        ("PreconditionFailed", ObjectsAway, "'a.csv' in the bucket '"),
        ("Odd", ObjectsRefused, "(Odd). Check bucket, region and secret."),
    ],
)
def test_what_a_service_answers_is_said_in_words(
    given: dict[str, Any], owner: User, code: str, error: type[Exception], said: str
) -> None:
    source = source_of({**given, "region": "eu-west-9"}, owner)
    assert isinstance(source, FromBucket)
    refusal: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    with pytest.raises(error) as caught, vault_s3.plain_faults(source.place, "a.csv"):
        raise ClientError(refusal, "ListObjectsV2")
    assert said in str(caught.value)
    assert "operator" not in str(caught.value)


def test_an_empty_source_is_said(object_store: ObjectStore, given: dict[str, Any], owner: User) -> None:
    object_store.client.put_object(Bucket=given["bucket"], Key="empty/none.csv", Body=b"")
    assert "is empty: empty/none.csv has no byte" in ends.test_source({**given, "paths": ["empty/"]}, owner).message
    bucket = object_store.bucket()
    assert (
        "There is nothing in the bucket" in ends.test_source({**given, "bucket": bucket, "paths": ["/"]}, owner).message
    )


def test_a_good_test_says_what_is_there(given: dict[str, Any], owner: User) -> None:
    verdict = ends.test_source(given, owner)
    assert verdict.ok
    assert verdict.message == "It can be read: 3 files, 7 bytes (data/a.csv, data/b.csv, data/deep/a.csv)."


def test_a_bucket_is_looked_through_in_pages(given: dict[str, Any], owner: User) -> None:
    del given["paths"]
    top = ends.folder(given, owner, path="", search="", offset=0, limit=200)
    assert [(entry.name, entry.kind) for entry in top.entries] == [("data", "folder"), ("notes.txt", "file")]
    page = ends.folder(given, owner, path="data", search="csv", offset=1, limit=1)
    assert ([entry.name for entry in page.entries], page.total) == (["b.csv"], 2)
    with pytest.raises(NotFound, match="There is no folder 'nothing'"):
        ends.folder(given, owner, path="nothing", search="", offset=0, limit=10)
    with pytest.raises(Conflict, match="Only vaults and buckets"):
        ends.folder({"kind": "url", "urls": ["https://x.example"]}, owner, path="", search="", offset=0, limit=10)


@pytest.mark.parametrize("kind", KINDS)
def test_results_are_written_below_a_folder(
    object_store: ObjectStore, given: dict[str, Any], owner: User, tmp_path: Path, kind: str
) -> None:
    whole = {**given, "kind": kind, "region": "us-east-1", "path": "out/{job}"}
    del whole["paths"]
    large = b"x" * (9 * 2**20) if kind == "s3" else b"x"
    for name, body in (("a.txt", b"a"), ("large.bin", large)):
        (tmp_path / name).write_bytes(body)
    destination = destination_of(whole, owner)
    assert not isinstance(destination, list), destination
    files = [("sub/a.txt", tmp_path / "a.txt"), ("large.bin", tmp_path / "large.bin")]
    for _ in range(2):  # a worker that takes over does it again
        way = passage(doing="deliver")
        destination.deliver(files, way)
        assert way.size == 1 + len(large)
    found = object_store.client.list_objects_v2(Bucket=given["bucket"], Prefix="out/")["Contents"]
    assert [(one["Key"], one["Size"]) for one in found] == [("out/7/large.bin", len(large)), ("out/7/sub/a.txt", 1)]
    assert ends.test_destination(whole, owner).ok
    assert len(object_store.client.list_objects_v2(Bucket=given["bucket"], Prefix="out/")["Contents"]) == 2
    assert "Uploads" not in object_store.client.list_multipart_uploads(Bucket=given["bucket"])
    assert ends.test_destination({name: value for name, value in whole.items() if name != "path"}, owner).ok
    refused = ends.test_destination({**whole, "bucket": "no-such-bucket"}, owner)
    assert "There is no bucket 'no-such-bucket'" in refused.message


# Keys


def test_keys_that_come_with_a_job_are_kept_sealed_and_nowhere_else(
    given: dict[str, Any], owner: User, tmp_path: Path
) -> None:
    del given["secret"]
    inline = {**given, "access_key": KEY, "secret_key": SECRET}
    assert ends.test_source(inline, owner).ok
    assert Secret.objects.count() == 1  # a test keeps nothing
    assert fetched(inline, owner, tmp_path)
    make_machine()
    one = draft(owner=owner, asked=asked(source=inline))
    two = draft(owner=owner, asked=asked(source=inline))
    assert one.source == two.source
    name = one.source["secret"]
    assert name.startswith(f"keys-{given['bucket']}-")
    assert Secret.objects.filter(user=owner, name=name, kind="keys").count() == 1
    for row in (*Job.objects.values(), *Secret.objects.values()):
        assert SECRET not in str(row)
        assert KEY not in str(row)
    assert not isinstance(source_of(one.source, owner), list)


@pytest.mark.parametrize(
    ("over", "pointer", "said"),
    [
        ({"access_key": KEY}, "/dataSource/secret_key", "give both, or neither"),
        ({"secret_key": SECRET}, "/dataSource/access_key", "give both, or neither"),
        ({"access_key": 7, "secret_key": SECRET}, "/dataSource/access_key", "must be a text"),
        ({"secret": "lake", "access_key": KEY, "secret_key": SECRET}, "/dataSource/secret", "Give one of them"),
        ({"secretKey": SECRET}, "/dataSource/secretKey", "Did you mean secret_key?"),
    ],
)
def test_a_draft_refuses_keys_that_it_could_only_keep_in_clear(
    given: dict[str, Any], owner: User, over: dict[str, Any], pointer: str, said: str
) -> None:
    make_machine()
    whole = {name: value for name, value in given.items() if name != "secret"} | over
    with pytest.raises(Invalid) as caught:
        draft(owner=owner, asked=asked(source=whole))
    assert any(fault.pointer == pointer and said in fault.message for fault in caught.value.faults)
    assert not Job.objects.exists()


def test_a_secret_of_a_team_is_for_its_members_only(
    given: dict[str, Any], owner: User, teammate: User, stranger: User, tmp_path: Path
) -> None:
    Secret.objects.all().delete()
    team = make_team(owner, name="Lake crew")
    secret_of(team)
    assert ends.test_source(given, owner).ok
    faults = source_of(given, stranger)
    assert isinstance(faults, list)
    assert (faults[0].pointer, faults[0].code) == ("/dataSource/secret", "missing_secret")
    team.memberships.all().delete()
    assert isinstance(source_of(given, owner), list)


def test_a_person_s_own_secret_goes_before_a_team_s(owner: User, given: dict[str, Any]) -> None:
    secret_of(make_team(owner, name="Lake crew"), access_key="another")
    source = source_of(given, owner)
    assert isinstance(source, FromBucket)
    assert source.place.access_key == KEY
    assert SECRET not in repr(source)


@pytest.mark.parametrize(
    ("over", "pointer", "said"),
    [
        ({"bucket": ""}, "/dataSource/bucket", "must name the bucket"),
        ({"bucket": "s3://x/y"}, "/dataSource/bucket", "is the name alone"),
        ({"endpoint": ""}, "/dataSource/endpoint", "must be the address"),
        ({"endpoint": "http://10.0.0.1"}, "/dataSource/endpoint", "is not public"),
        ({"endpoint": "https://x.example/?a=b"}, "/dataSource/endpoint", "is no endpoint"),
        ({"secret": "none"}, "/dataSource/secret", "has a secret 'none'"),
        ({"secret": "word"}, "/dataSource/secret", "is no pair of keys"),
        ({"paths": []}, "/dataSource/paths", "must name at least one"),
        ({"paths": ["a//b"]}, "/dataSource/paths/0", "must not hold"),
        ({"paths": ["ok", "../x"]}, "/dataSource/paths/1", "must not hold"),
        ({"paths": ["*/x.csv"]}, "/dataSource/paths/0", "in its last part only"),
        ({"pfad": "x"}, "/dataSource/pfad", "is no field of the source 's3'"),
    ],
)
def test_each_fault_has_its_place(
    given: dict[str, Any], owner: User, over: dict[str, Any], pointer: str, said: str
) -> None:
    Secret.objects.create(user=owner, name="word", kind="value", sealed=sealing.seal('{"value": "x"}'))
    faults = source_of({**given, **over}, owner)
    assert isinstance(faults, list)
    assert any(fault.pointer == pointer and said in fault.message for fault in faults), faults


def test_what_pages_show_holds_no_key() -> None:
    shown = masked({"kind": "url", "urls": ["https://x.example/a?sig=geheim", 7], "secret_key": "geheim"})
    assert shown == {"kind": "url", "urls": ["https://x.example/a?...", 7]}
    assert masked("text") == "text"
    assert set(KINDS) <= set(SOURCES) & set(DESTINATIONS)
