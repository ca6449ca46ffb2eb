"""Uploads: streamed, hashed, all or nothing; named for display only; gone when nobody wants them."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as live
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from jobs import identity, uploads
from jobs.models import Upload
from portal.errors import Full, Invalid, TooLarge
from portal.people.models import User
from tests.factories import make_job

pytestmark = pytest.mark.django_db
MIB = 2**20


def send(owner: User, content: bytes = b"content", name: str = "a.txt", limit_bytes: int = MIB) -> Upload:
    return uploads.receive(owner=owner, name=name, chunks=[content], limit_bytes=limit_bytes)


def stored_files() -> int:
    return sum(len(files) for _, _, files in os.walk(live.STORE_ROOT / "uploads"))


def test_an_upload_is_stored_hashed_and_its_owner_s(owner: User, stranger: User) -> None:
    upload = send(owner, b"abc" * 1000)
    with uploads.open_upload(upload) as file:
        assert file.read() == b"abc" * 1000
    assert (upload.size, upload.sha256) == (3000, hashlib.sha256(b"abc" * 1000).hexdigest())
    assert upload in Upload.objects.usable_by(owner)
    assert upload not in Upload.objects.usable_by(stranger)


def test_a_job_s_user_can_read_the_file_and_others_cannot(owner: User) -> None:
    seen = uploads.path_of(send(owner)).stat()
    assert (seen.st_uid, seen.st_gid) == identity.run_ids()
    assert stat.S_IMODE(seen.st_mode) == 0o660
    assert stat.S_IMODE(live.STORE_ROOT.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("a.txt", "a.txt"),
        ("C:\\Users\\me\\case.dat", "case.dat"),
        ("../../etc/passwd", "passwd"),
        ("a\x00b\n\x1bc", "abc"),
        ("", "file"),
        ("/", "file"),
        ("<b>&\"'", "<b>&\"'"),
        ("\U0001f680", "\U0001f680"),
        ("x" * 300, "x" * 255),
        ("a\ud800", "a"),
        ("\u202egnp.exe", "gnp.exe"),
    ],
)
def test_a_name_is_for_showing_and_never_a_place(owner: User, sent: str, shown: str) -> None:
    upload = send(owner, name=sent)
    assert upload.name == shown
    assert upload.stored == f"uploads/{upload.id.hex[:2]}/{upload.id.hex}"


def test_a_file_past_the_limit_is_refused_while_it_streams_and_leaves_nothing(owner: User) -> None:
    before = stored_files()
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 1000

    with pytest.raises(TooLarge, match=r"more than 9\.8 KiB"):
        uploads.receive(owner=owner, name="a", chunks=endless(), limit_bytes=10_000)
    assert sent == 11
    assert not Upload.objects.exists()
    assert stored_files() == before


def test_the_installation_s_limit_holds_above_the_caller_s(owner: User, settings: Any) -> None:
    settings.UPLOAD_LIMIT_MIB = 1
    with pytest.raises(TooLarge, match="1 MiB"):
        send(owner, b"x" * (MIB + 1), limit_bytes=2**40)
    assert send(owner, b"x" * MIB, limit_bytes=2**40).size == MIB


@pytest.mark.parametrize(("error", "raised"), [(OSError(28, "No space"), Full), (ConnectionResetError(), OSError)])
def test_a_stream_that_breaks_off_leaves_nothing(owner: User, error: OSError, raised: type[Exception]) -> None:
    before = stored_files()

    def broken() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise error

    with pytest.raises(raised):
        uploads.receive(owner=owner, name="a", chunks=broken(), limit_bytes=MIB)
    assert not Upload.objects.exists()
    assert stored_files() == before


def test_an_empty_file_is_a_file(owner: User) -> None:
    upload = uploads.receive(owner=owner, name="empty", chunks=[], limit_bytes=0)
    assert (upload.size, upload.complete) == (0, True)
    with uploads.open_upload(upload) as file:
        assert file.read() == b""


@given(content=st.binary(max_size=300), piece=st.sampled_from([4, 8, 64, 2**20]))
def test_base64_gives_back_every_byte_whatever_the_pieces(content: bytes, piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uploads, "BASE64_PIECE", piece)
        assert b"".join(uploads._decoded(base64.b64encode(content).decode())) == content


def test_base64_text_becomes_an_upload(owner: User) -> None:
    content = os.urandom(3_000_000)
    text = base64.b64encode(content).decode()
    upload = uploads.from_base64(owner=owner, name="a.bin", text=text, limit_bytes=3_000_000)
    assert upload.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "text", ["a", "ab", "abc", "a===", "ab\ncd", "ab cd", "ab==cd==", "\u05d0\u05d1cd", "ab-_", "====", "ab=d"]
)
def test_base64_that_is_none_is_refused(owner: User, text: str) -> None:
    with pytest.raises(Invalid, match="not base64"):
        uploads.from_base64(owner=owner, name="a", text=text, limit_bytes=MIB)
    assert not Upload.objects.exists()


def test_base64_with_an_end_in_its_middle_is_refused(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "BASE64_PIECE", 4)
    with pytest.raises(Invalid):
        uploads.from_base64(owner=owner, name="a", text="aa==aaaa", limit_bytes=MIB)


def test_base64_past_the_limit_is_refused_before_it_is_read(owner: User) -> None:
    with pytest.raises(TooLarge):
        uploads.from_base64(owner=owner, name="a", text="!" * 2_000, limit_bytes=1_000)
    with pytest.raises(TooLarge):
        uploads.from_base64(owner=owner, name="a", text=base64.b64encode(b"x" * 1001).decode(), limit_bytes=1_000)


def test_extensions_are_matched_in_any_case() -> None:
    uploads.check_extension("Case.DAT", [".dat", ".txt"])
    uploads.check_extension("anything", [])
    with pytest.raises(Invalid, match=r"does not end in \.dat or \.txt"):
        uploads.check_extension("case.dat.exe", [".dat", ".txt"])


def test_expired_uploads_go_unless_a_job_uses_them(owner: User) -> None:
    old, used, fresh = send(owner), send(owner), send(owner)
    make_job(owner).uploads.add(used)
    Upload.objects.filter(pk__in=[old.pk, used.pk]).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert old not in Upload.objects.usable_by(owner)
    assert uploads.purge_expired() == 1
    assert set(Upload.objects.all()) == {used, fresh}
    assert not uploads.path_of(old).exists()
    assert uploads.path_of(used).exists()
    assert uploads.purge_expired() == 0


def test_the_same_bytes_of_the_same_person_are_one_upload(owner: User, stranger: User) -> None:
    first = send(owner, b"mesh", name="a.yaml")
    Upload.objects.filter(pk=first.pk).update(expires_at=timezone.now() + timedelta(minutes=5))
    again = uploads.once(send(owner, b"mesh", name="b.yaml"))
    assert again.pk == first.pk
    again.refresh_from_db()
    assert again.expires_at > timezone.now() + timedelta(hours=1)  # as long as the new one would have been kept
    theirs, other = uploads.once(send(stranger, b"mesh")), uploads.once(send(owner, b"mash"))
    assert len({first.pk, theirs.pk, other.pk}) == Upload.objects.count() == 3


def test_an_earlier_upload_that_has_expired_or_broken_off_is_not_taken(owner: User) -> None:
    expired, broken = send(owner), send(owner)
    Upload.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(minutes=1))
    Upload.objects.filter(pk=broken.pk).update(complete=False)
    new = send(owner)
    assert uploads.once(new).pk == new.pk


@pytest.mark.django_db(transaction=True)
def test_the_bytes_of_a_second_copy_are_gone_when_it_is_certain(owner: User) -> None:
    send(owner)
    second = send(owner)
    assert uploads.once(second).pk != second.pk
    assert stored_files() == 1
