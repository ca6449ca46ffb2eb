"""One-time upload addresses: a file in one piece or in several, by whoever has the address, and nothing else."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core import signing
from django.test import Client
from django.utils import timezone

from jobs import upload_addresses, uploads
from jobs.models import Upload
from jobs.sources import source_of
from portal.errors import Conflict
from portal.people.models import User
from tests.portal.test_api import bearer

pytestmark = pytest.mark.django_db
KIND = "application/octet-stream"


def begun(owner: User, **over: Any) -> tuple[Upload, str]:
    upload = uploads.begin(owner=owner, **{"name": "data.csv", "size": 10, **over})
    return upload, upload_addresses.address_of(upload).removeprefix("http://127.0.0.1:8000")


def put(url: str, body: bytes, said: str = "") -> Any:
    headers = {"Content-Range": said} if said else {}
    return Client(enforce_csrf_checks=True).put(url, body, content_type=KIND, headers=headers)


def test_an_address_is_asked_for_and_takes_the_file_without_a_sign_in(owner: User, client: Client) -> None:
    answer = client.post(
        "/api/v1/uploads/addresses",
        json.dumps({"name": "../x/d\u00e4ta.csv", "size": 4}),
        content_type="application/json",
        headers=bearer(owner, "launch"),
    )
    assert answer.status_code == 201, answer.json()
    made = answer.json()
    assert made["name"] == "d\u00e4ta.csv"
    url = made["url"].removeprefix("http://127.0.0.1:8000")
    sent = put(url, b"abcd")
    assert (sent.status_code, sent.json()["sha256"]) == (201, hashlib.sha256(b"abcd").hexdigest())
    given = {"kind": "file", "uploads": [made["id"]]}
    source = source_of(given, owner)
    assert not isinstance(source, list), source
    assert source.look().size == 4
    again = put(url, b"efgh")
    assert (again.status_code, again.json()["code"]) == (409, "used")
    assert uploads.path_of(Upload.objects.get()).read_bytes() == b"abcd"


def test_a_file_in_pieces_goes_on_where_it_was(owner: User) -> None:
    upload, url = begun(owner)
    first = put(url, b"01234", "bytes 0-4/10")
    assert (first.status_code, first.json()["offset"], first["Upload-Offset"]) == (202, 5, "5")
    faults = source_of({"kind": "file", "uploads": [str(upload.pk)]}, owner)
    assert isinstance(faults, list)
    assert "'data.csv' is not all here yet: 5 bytes of 10 bytes." in faults[0].message
    assert Client().get(url).json() == {"id": str(upload.pk), "name": "data.csv", "complete": False, "offset": 5}
    assert Client().head(url)["Upload-Offset"] == "5"
    wrong = put(url, b"x", "bytes 7-7/10")
    assert (wrong.status_code, wrong.json()["code"]) == (409, "offset")
    assert "5 bytes of this file are here. Go on from there." in wrong.json()["message"]
    last = put(url, b"56789", "bytes 5-9/10")
    assert last.status_code == 201
    upload.refresh_from_db()
    assert (upload.complete, upload.size) == (True, 10)
    assert upload.sha256 == hashlib.sha256(b"0123456789").hexdigest()


def test_a_file_can_be_begun_anew(owner: User) -> None:
    upload, url = begun(owner)
    put(url, b"wrong", "bytes 0-4/10")
    assert put(url, b"0123456789").status_code == 201
    assert uploads.path_of(upload).read_bytes() == b"0123456789"


def test_what_came_before_a_cut_is_kept(owner: User) -> None:
    upload, url = begun(owner)

    def cut() -> Any:
        yield b"012"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        uploads.go_on(upload, cut(), start=0, total=10)
    assert Client().get(url).json()["offset"] == 3
    assert put(url, b"3456789", "bytes 3-9/10").status_code == 201
    assert uploads.path_of(upload).read_bytes() == b"0123456789"


def test_two_at_once_do_not_mix(owner: User) -> None:
    upload, url = begun(owner)

    def slow() -> Any:
        yield b"01234"
        busy = put(url, b"xxxxx", "bytes 0-4/10")
        assert (busy.status_code, busy.json()["code"]) == (409, "busy")
        yield b"56789"

    assert uploads.go_on(upload, slow(), start=0, total=10).complete
    assert uploads.path_of(upload).read_bytes() == b"0123456789"


@pytest.mark.parametrize(
    ("body", "said", "status", "code"),
    [
        (b"x", "bytes 0-0", 400, "range"),
        (b"x", "bytes 3-1/10", 400, "range"),
        (b"x", "bytes 0-4/10", 400, "range"),
        (b"x", "bytes 9-9/9", 400, "range"),
        (b"x", "bytes 0-0/*", 400, "range"),
        (b"x", "items 0-0/10", 400, "range"),
        (b"x", "bytes 0-0/99999999999999999999", 400, "range"),
        (b"x", "bytes 0-0/11", 422, "invalid"),
        (b"01234567890", "", 422, "invalid"),
    ],
)
def test_what_can_t_be_meant_is_refused_and_nothing_is_kept(
    owner: User, body: bytes, said: str, status: int, code: str
) -> None:
    upload, url = begun(owner)
    answer = put(url, body, said)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.json()
    assert uploads.arrived(upload) == 0


def test_more_than_is_allowed_is_refused(owner: User, settings: Any) -> None:
    settings.UPLOAD_LIMIT_MIB = 1
    _, url = begun(owner, size=None)
    answer = put(url, b"x", f"bytes 0-0/{2**20 + 1}")
    assert answer.status_code == 413
    upload, _ = begun(owner, size=None)
    from portal.errors import TooLarge

    with pytest.raises(TooLarge):
        uploads.go_on(upload, [b"x" * 2**20, b"x"], start=0, total=None)
    with pytest.raises(TooLarge, match=r"2 MiB; at most 1 MiB"):
        begun(owner, size=2 * 2**20)


def test_an_address_that_was_made_up_or_is_over_leads_nowhere(owner: User) -> None:
    upload, url = begun(owner)
    token = url.rpartition("/")[2]
    other = signing.dumps(upload.pk.hex, salt="another")
    for bad in (token[:-1], token[::-1], other, "x", signing.dumps("x", salt=upload_addresses.SALT)):
        assert put(f"/uploads/to/{bad}", b"x").status_code == 404
    Upload.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert put(url, b"0123456789").status_code == 404
    assert uploads.purge_expired() == 1
    assert uploads.arrived(upload) == 0


def test_one_that_is_removed_meanwhile_is_not_brought_back(owner: User) -> None:
    from portal.errors import NotFound

    upload, _ = begun(owner)

    def chunks() -> Any:
        yield b"0123456789"
        Upload.objects.all().delete()

    with pytest.raises((NotFound, Conflict)):
        uploads.go_on(upload, chunks(), start=0, total=10)
    assert not Upload.objects.exists()


@pytest.mark.parametrize("body", [{}, {"name": "x", "size": -1}, {"name": "x", "size": "many"}, {"name": ""}])
def test_an_address_is_given_for_what_can_be_a_file(owner: User, client: Client, body: dict[str, Any]) -> None:
    answer = client.post(
        "/api/v1/uploads/addresses",
        json.dumps(body),
        content_type="application/json",
        headers=bearer(owner, "launch"),
    )
    assert answer.status_code == 422
