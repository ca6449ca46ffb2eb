"""Vaults of type OBJECT against an S3 service: the same answers as a disk gives, and faults of the service in words."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.test import Client

from jobs import vault_levels, vault_objects, vault_s3, vault_transfer, vaults
from jobs.models import Vault
from jobs.safe_paths import PathRefused
from portal.errors import Conflict, Full, Invalid, NotFound, PortalError
from portal.people.models import User
from tests.jobs.object_store import KEY, ObjectStore
from tests.jobs.vault_files import at, names, put, said

pytestmark = pytest.mark.django_db


@pytest.fixture
def vault(owner: User, object_store: ObjectStore) -> Vault:
    return object_store.vault(owner)


@pytest.fixture(autouse=True)
def nobody_was_away() -> Iterator[None]:
    vault_objects._away.clear()
    yield
    vault_objects._away.clear()


def content(vault: Vault, path: str) -> bytes:
    with vaults.open_file(vault, path) as file:
        return file.read()


# Looking


def test_keys_are_shown_as_folders_and_files_and_sorted_as_on_a_disk(vault: Vault, object_store: ObjectStore) -> None:
    for key, size in [("b.txt", 1), ("A.txt", 3), ("c.txt", 2), ("zoo/lion", 1), ("zoo/cage/bird", 1), ("made/", 0)]:
        object_store.put(vault, key, b"x" * size)
    assert names(vault) == ["made", "zoo", "A.txt", "b.txt", "c.txt"]
    assert names(vault, sort="-size") == ["made", "zoo", "A.txt", "c.txt", "b.txt"]
    assert names(vault, sort="-name") == ["zoo", "made", "c.txt", "b.txt", "A.txt"]
    assert names(vault, "zoo") == ["cage", "lion"]
    assert names(vault, "made") == []
    assert names(vault, search="TXT", patterns=["[bc].*"]) == ["b.txt", "c.txt"]
    page = vaults.list_folder(vault, offset=3, limit=1)
    assert (page.total, [one.name for one in page.entries]) == (5, ["b.txt"])


def test_only_what_lies_below_the_prefix_is_seen_or_touched(owner: User, object_store: ObjectStore) -> None:
    bucket = object_store.bucket()
    inner = object_store.vault(owner, "inner", bucket=bucket, prefix="/team/a/")
    for key in ("team/a/x", "team/ab", "top", "team/a/d/y"):
        object_store.put(inner, key)
    assert names(inner) == ["d", "x"]
    put(inner, "new")
    vaults.delete(inner, "d")
    assert object_store.keys(inner) == ["team/a/new", "team/a/x", "team/ab", "top"]
    with pytest.raises(PathRefused):
        vaults.open_file(inner, "../ab")


def test_a_listing_goes_past_a_thousand_keys_and_says_where_it_was_cut(
    vault: Vault, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1010):
        object_store.put(vault, f"many/f{number:04}", b"")
    page = vaults.list_folder(vault, "many", offset=1000)
    assert (page.total, page.entries[-1].name, page.cut) == (1010, "f1009", False)
    monkeypatch.setattr(vault_levels, "LISTED_MAX", 1000)
    vault_levels.changed(vault)
    page = vaults.list_folder(vault, "many")
    assert (page.total, page.cut) == (1000, True)


@pytest.mark.parametrize(
    ("key", "folder", "shown"),
    [
        ("../up", "", ".."),
        ("a/../b", "a", ".."),
        ("/lead", "", "/"),
        ("a//b", "a", "/"),
        ("./x", "", "."),
        ("n" * 256, "", "n" * 256),
    ],
)
def test_keys_that_can_not_be_paths_are_listed_as_skipped_and_never_opened(
    vault: Vault, object_store: ObjectStore, key: str, folder: str, shown: str
) -> None:
    object_store.put(vault, key, b"secret")
    (entry,) = vaults.list_folder(vault, folder).entries
    assert (entry.name, entry.kind, entry.fixed) == (shown, "skipped", True)
    assert entry.skipped
    assert not vaults.exists(vault, key)


@pytest.mark.parametrize("key", ["a\0b", "x" * 1025, "a/" * 120])
def test_keys_with_nul_or_too_long_are_faulty(key: str) -> None:
    assert vault_s3.key_fault(key)


def test_a_file_and_a_folder_of_one_name_are_told_apart(vault: Vault, object_store: ObjectStore) -> None:
    object_store.put(vault, "run")
    object_store.put(vault, "run/log")
    folder, file = vaults.list_folder(vault).entries
    assert (folder.kind, file.kind, file.skipped) == ("folder", "skipped", "a folder has this name")


def test_names_of_every_kind_are_listed_read_and_deleted(vault: Vault) -> None:
    odd = ["<img src=x onerror=alert(1)>.txt", "a b+c%20d", "-rf", "\U0001f680.txt", "'\"&;$(id)`?#"]
    for name in odd:
        put(vault, name, name.encode())
    assert sorted(names(vault)) == sorted(odd)
    for name in odd:
        assert content(vault, name) == name.encode()
        vaults.delete(vault, name)
    assert names(vault) == []


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


def test_what_is_not_there_is_told_from_what_is_of_another_kind(vault: Vault) -> None:
    put(vault, "a")
    assert (vaults.exists(vault, "a"), vaults.exists(vault, ""), vaults.exists(vault, "b")) == (True, True, False)
    with pytest.raises(PathRefused, match="no folder"):
        vaults.list_folder(vault, "a")
    with pytest.raises(NotFound):
        vaults.list_folder(vault, "b")
    with pytest.raises(NotFound):
        vaults.open_file(vault, "b")


# Changing


def test_a_file_is_saved_read_from_anywhere_and_replaced_only_when_asked(vault: Vault) -> None:
    put(vault, "a.txt", b"0123456789")
    with pytest.raises(Conflict, match="already"):
        put(vault, "a.txt", b"second")
    with vaults.open_file(vault, "a.txt") as file:
        assert file.seek(0, 2) == 10
        file.seek(7)
        assert file.read() == b"789"
        file.seek(2)
        assert file.read(3) == b"234"
    put(vault, "a.txt", b"", replace=True)
    assert content(vault, "a.txt") == b""


def test_a_large_file_goes_in_parts_and_one_that_breaks_off_leaves_nothing(
    vault: Vault, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault_transfer, "PART_BYTES", 5 * 2**20)
    pieces = [bytes([number]) * 2**20 for number in range(12)]
    vaults.save_file(vault, "large", pieces)
    assert content(vault, "large") == b"".join(pieces)

    def broken() -> Iterator[bytes]:
        yield from pieces
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        vaults.save_file(vault, "broken", broken())
    assert names(vault) == ["large"]
    assert "Uploads" not in object_store.client.list_multipart_uploads(Bucket=vault.bucket)


def test_a_quota_of_the_vaults_own_is_kept_and_the_disks_is_not_asked(
    owner: User, object_store: ObjectStore, settings: object
) -> None:
    assert vaults.quota_bytes(object_store.vault(owner, "free")) is None
    small = object_store.vault(owner, "small", quota_mib=1)
    put(small, "a", b"x" * 700_000)
    assert vaults.usage(small) == 700_000
    with pytest.raises(Full, match="is full: it may hold"):
        put(small, "b", b"x" * 700_000)
    assert names(small) == ["a"]
    vaults.delete(small, "a")
    put(small, "b", b"x" * 700_000)
    assert vaults.usage(small) == 700_000


def test_folders_are_made_and_things_renamed_and_moved(vault: Vault) -> None:
    vaults.make_folder(vault, "a")
    vaults.make_folder(vault, "a/b")
    put(vault, "x.txt", b"x")
    put(vault, "dir/one", b"1")
    vaults.rename(vault, "x.txt", "y.txt")
    vaults.move(vault, "y.txt", "a/b")
    vaults.rename(vault, "dir", "folder")
    vaults.move(vault, "folder", "a")
    assert (names(vault), names(vault, "a"), names(vault, "a/b")) == (["a"], ["b", "folder"], ["y.txt"])
    assert content(vault, "a/folder/one") == b"1"
    vaults.delete(vault, "a/folder")
    vaults.delete(vault, "a/b/y.txt")
    assert (names(vault, "a"), names(vault, "a/b")) == (["b"], [])


def test_making_renaming_and_moving_never_take_the_place_of_something(vault: Vault) -> None:
    vaults.make_folder(vault, "a")
    put(vault, "b/x")
    put(vault, "x")
    for act in (
        lambda: vaults.make_folder(vault, "b"),
        lambda: vaults.rename(vault, "a", "b"),
        lambda: vaults.rename(vault, "x", "b"),
        lambda: vaults.move(vault, "x", "b"),
        lambda: put(vault, "b", replace=True),
        lambda: vaults.move(vault, "b", "b"),
    ):
        with pytest.raises(Conflict):
            act()
    for act in (
        lambda: vaults.make_folder(vault, "none/c"),
        lambda: vaults.rename(vault, "none", "c"),
        lambda: vaults.move(vault, "x", "none"),
        lambda: vaults.delete(vault, "none"),
    ):
        with pytest.raises(NotFound):
            act()
    for act in (
        lambda: put(vault, "x/below"),
        lambda: vaults.make_folder(vault, "x/below"),
        lambda: put(vault, "a\\b"),
    ):
        with pytest.raises(PathRefused):
            act()
    assert names(vault) == ["a", "b", "x"]


def test_a_folder_of_too_many_files_is_not_moved_half(
    vault: Vault, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        object_store.put(vault, f"many/{number}")
    monkeypatch.setattr(vault_objects, "MOVED_AT_ONCE", 3)
    with pytest.raises(Conflict, match="smaller parts"):
        vaults.rename(vault, "many", "few")
    assert len(object_store.keys(vault)) == 4


def test_what_the_portal_changed_is_seen_at_once_also_by_another_process(
    vault: Vault, object_store: ObjectStore
) -> None:
    assert names(vault) == []
    object_store.put(vault, "from-outside")
    assert names(vault) == []  # remembered for a moment
    put(vault, "ours")
    assert names(vault) == ["from-outside", "ours"]


# Faults of the service


def bare(owner: User, **over: str) -> Vault:
    fields = {"bucket": "some-bucket", "endpoint": "http://127.0.0.1:9", "access_key": KEY, "secret": "s"}
    return vaults.create_vault(name="bare", owner=owner, type=Vault.Type.OBJECT, **fields | over)


def opens(vault: Vault) -> object:
    return vaults.open_file(vault, "a")


ACTS: list[Callable[[Vault], object]] = [
    vaults.list_folder,
    lambda vault: vaults.exists(vault, "a"),
    opens,
    lambda vault: put(vault, "a"),
    lambda vault: vaults.make_folder(vault, "a"),
    lambda vault: vaults.rename(vault, "a", "b"),
    lambda vault: vaults.move(vault, "a", "b"),
    lambda vault: vaults.delete(vault, "a"),
    vaults.usage,
]


@pytest.mark.parametrize("act", range(len(ACTS)))
def test_a_service_that_is_not_there_is_said_in_words_whatever_is_asked(owner: User, act: int) -> None:
    with pytest.raises(PortalError, match=r"at http://127.0.0.1:9 does not answer\. Try again later") as refused:
        ACTS[act](bare(owner))
    assert (refused.value.code, refused.value.status) == ("object_store_away", 503)


@pytest.mark.parametrize("act", range(len(ACTS)))
def test_a_bucket_that_is_gone_is_said_in_words_whatever_is_asked(
    vault: Vault, object_store: ObjectStore, act: int
) -> None:
    object_store.empty(vault)
    # Asked for one file, the service says no more than that it is not there.
    told = "There is no file 'a'" if ACTS[act] is opens else "There is no bucket"
    with pytest.raises(PortalError, match=told):
        ACTS[act](vault)


@pytest.mark.parametrize(
    "over",
    [
        {"bucket": "UPPER_case!"},
        {"endpoint": "http://127.0.0.1:99999"},
        {"endpoint": "http://no host"},
        {"region": "nowhere at all"},
    ],
)
def test_nonsense_in_a_vaults_row_is_a_refusal_and_no_crash(owner: User, over: dict[str, str]) -> None:
    with pytest.raises(PortalError):
        vaults.list_folder(bare(owner, **over))


def test_a_key_that_the_service_does_not_know_is_said_in_words(vault: Vault, object_store: ObjectStore) -> None:
    object_store.demand_known_keys(True)
    try:
        with pytest.raises(PortalError, match="does not know the access key of the vault 'cloud'"):
            vaults.list_folder(vault)
    finally:
        object_store.demand_known_keys(False)


@pytest.mark.parametrize(
    ("status", "code", "told", "ours"),
    [
        (403, "AccessDenied", "denies this to the key of the vault 'bare'", 409),
        (403, "SignatureDoesNotMatch", "does not know the access key", 409),
        (301, "PermanentRedirect", "is in another region", 409),
        (400, "AuthorizationHeaderMalformed", "is in another region", 409),
        (503, "SlowDown", r"is busy or at fault \(SlowDown\)", 503),
        (500, "InternalError", r"is busy or at fault \(InternalError\)", 503),
        (400, "SomethingNew", r"refuses this for the vault 'bare' \(SomethingNew\)", 409),
        (418, "", "refuses this for the vault 'bare'", 409),
        (200, "", "is busy or at fault", 503),
    ],
)
def test_what_a_service_answers_is_said_in_words(
    owner: User, monkeypatch: pytest.MonkeyPatch, status: int, code: str, told: str, ours: int
) -> None:
    with answering(status, code) as endpoint:
        vault = bare(owner, endpoint=endpoint)
        with pytest.raises(PortalError, match=told) as refused:
            vaults.list_folder(vault)
        assert refused.value.status == ours


@contextmanager
def answering(status: int, code: str) -> Iterator[str]:
    """A service that has one answer to everything; without a code it is no answer of an S3 service at all."""
    text = f"<Error><Code>{code}</Code><Message>No.</Message></Error>" if code else "<html>Welcome<p>"

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_a_service_that_did_not_answer_is_not_asked_again_at_once_and_heals(
    vault: Vault, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(vault, "kept")
    vault_levels.changed(vault)
    with object_store.away():
        for _ in range(3):
            with pytest.raises(PortalError, match="does not answer"):
                vaults.list_folder(vault)
    with pytest.raises(PortalError, match="does not answer"):
        vaults.list_folder(vault)
    until, message = vault_objects._away[vault.pk]
    vault_objects._away[vault.pk] = (until - vault_objects.AWAY_S, message)
    assert names(vault) == ["kept"]


def test_a_secret_that_can_not_be_opened_is_said_in_words(vault: Vault, settings: object) -> None:
    Vault.objects.filter(pk=vault.pk).update(sealed_secret="gAAAA-of-another-key")
    with pytest.raises(PortalError, match="SECRETS_KEY"):
        vaults.list_folder(Vault.objects.get(pk=vault.pk))


def test_keys_of_the_portals_own_surroundings_are_never_used(
    owner: User, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ambient")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ambient")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    vault = object_store.vault(owner, "public", access_key="", secret="")
    ours = vault_s3.client(vault)
    assert ours.meta.config.signature_version.__class__.__name__ != "str"
    assert names(vault) == []


# Making one


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "needs a bucket"),
        ({"bucket": "b", "access_key": "k"}, "needs its secret"),
        ({"bucket": "b", "secret": "s"}, "needs its secret"),
        ({"bucket": "b", "location": "/srv/x"}, "Leave the location empty"),
        ({"bucket": "b", "endpoint": "ftp//x"}, "endpoint"),
        ({"bucket": "b" * 101}, "bucket"),
    ],
)
def test_a_vault_without_a_whole_way_to_its_bucket_is_refused(owner: User, fields: dict[str, str], told: str) -> None:
    with pytest.raises(Invalid, match=told):
        vaults.create_vault(name="cloud", owner=owner, type=Vault.Type.OBJECT, **fields)
    assert not Vault.objects.exists()


def test_the_secret_is_sealed_in_its_row_and_shown_nowhere(
    vault: Vault, as_owner: Client, object_store: ObjectStore
) -> None:
    from tests.jobs.object_store import SECRET

    assert SECRET not in vault.sealed_secret
    for address in ("/files/", at("files", vault), "/api/v1/vaults"):
        assert SECRET not in said(as_owner.get(address))
        assert vault.sealed_secret not in said(as_owner.get(address))
