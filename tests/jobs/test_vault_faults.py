"""Faults of the service behind an object vault, in words, whatever is asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore import UNSIGNED

from jobs import vault_levels, vault_objects, vault_s3, vaults
from jobs.models import Vault
from portal.errors import PortalError
from portal.people.models import User
from tests.jobs.object_store import KEY, ObjectStore
from tests.jobs.vault_files import names, put

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


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


def bare(owner: User, **over: str) -> Vault:
    fields: dict[str, Any] = {
        "bucket": "some-bucket",
        "endpoint": "http://127.0.0.1:9",
        "access_key": KEY,
        "secret": "s",
    }
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
    assert vault_s3.client(vault).meta.config.signature_version is UNSIGNED  # type: ignore[attr-defined]
    assert names(vault) == []
