"""The two upload doors over HTTP: into a vault, and for a parameter; as a form, and as a body."""

from __future__ import annotations

import io

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse

from jobs import vaults
from jobs.models import Upload, Vault
from portal.bodies import body_pieces
from portal.errors import PortalError
from portal.people.models import User
from tests.jobs.vault_files import at, names, said

pytestmark = pytest.mark.django_db


@pytest.fixture
def vault(owner: User) -> Vault:
    return vaults.create_vault(name="home", owner=owner)


@pytest.fixture
def page(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


def test_several_files_of_a_plain_form_arrive(page: Client, vault: Vault) -> None:
    sent = [io.BytesIO(b"one"), io.BytesIO(b"two")]
    for number, file in enumerate(sent):
        file.name = f"{number}.txt"
    response = page.post(at("files-upload", path=""), {"file": sent}, follow=True)
    assert names(vault) == ["0.txt", "1.txt"]
    assert "2 files arrived." in said(response)
    sent[0].seek(0)
    response = page.post(at("files-upload"), {"file": sent[0]}, follow=True)
    assert "'0.txt' is there already." in said(response)
    assert "No file was chosen." in said(page.post(at("files-upload"), {"x": io.BytesIO(b"")}, follow=True))


def test_a_file_sent_as_the_body_arrives_in_its_folder(page: Client, vault: Vault) -> None:
    vaults.make_folder(vault, "folder")
    address = at("files-upload", path="folder", name="C:\\docs\\\u00fcn\u00ef.txt")
    response = page.post(address, b"x" * 3_000_000, content_type="application/octet-stream")
    assert (response.status_code, response.json()) == (201, {"name": "\u00fcn\u00ef.txt", "size": 3_000_000})
    again = page.post(address, b"y", content_type="application/octet-stream")
    assert (again.status_code, again.json()["code"]) == (409, "exists")
    replaced = page.post(f"{address}&replace=1", b"y", content_type="application/octet-stream")
    assert replaced.json()["size"] == 1


@pytest.mark.parametrize("name", ["", ".", "..", "../../x", "a\0b", "a\nb", "n" * 256, ".slipway-x", "\u2028"])
def test_a_file_never_lands_elsewhere_whatever_it_is_called(page: Client, vault: Vault, name: str) -> None:
    address = at("files-upload", path="", name=name)
    response = page.post(address, b"x", content_type="application/octet-stream")
    assert names(vault) == (["x"] if name == "../../x" else [])
    assert response.status_code == (201 if name == "../../x" else 400)


def test_a_full_vault_keeps_nothing_of_what_does_not_fit(page: Client, owner: User) -> None:
    small = vaults.create_vault(name="home", owner=owner, quota_mib=1)
    address = at("files-upload", name="a")
    full = page.post(address, b"x" * 2_000_000, content_type="application/octet-stream")
    assert (full.status_code, full.json()["code"]) == (409, "full")
    assert "may hold 1 MiB" in full.json()["message"]
    assert names(small) == []


def test_a_body_shorter_than_was_said_broke_off() -> None:
    request = RequestFactory().post("/", b"x" * 10, content_type="application/octet-stream")
    request.META["CONTENT_LENGTH"] = "20"
    with pytest.raises(PortalError, match="broke off"):
        list(body_pieces(request))


def test_an_upload_for_a_parameter_becomes_the_sender_s(page: Client, owner: User) -> None:
    address = reverse("jobs:uploads") + "?name=case.JSON&accept=.json,.txt&max=100"
    response = page.post(address, b"{}", content_type="application/octet-stream")
    upload = Upload.objects.get()
    assert response.status_code == 201
    assert response.json() == {"id": str(upload.pk), "name": "case.JSON", "size": 2, "sha256": upload.sha256}
    assert upload.owner == owner


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("name=a.exe&accept=.json", 422, "does not end in .json"),
        ("name=a.json&accept=.json&max=10", 413, "more than 10 bytes"),
    ],
)
def test_an_upload_that_does_not_fit_is_refused_in_words(page: Client, query: str, status: int, words: str) -> None:
    response = page.post(f"{reverse('jobs:uploads')}?{query}", b"x" * 11, content_type="application/octet-stream")
    assert response.status_code == status
    assert words in response.json()["message"]
    assert not Upload.objects.exists()


def test_uploads_ask_for_sign_in_and_token(owner: User) -> None:
    address = reverse("jobs:uploads") + "?name=a"
    assert Client().post(address, b"x", content_type="application/octet-stream").status_code == 302
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(owner)
    assert strict.post(address, b"x", content_type="application/octet-stream").status_code == 403
