"""What comes out of a job over the API: events, log by offset, results; and files that go in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client, RequestFactory
from pytest_django import Settings
from rest_framework.request import Request

from jobs import vaults
from jobs.api.files import raw_chunks
from jobs.models import Attempt, Job, LogChunk, Result, Vault
from jobs.states import JobState
from portal.errors import PortalError
from portal.people.models import User
from tests.factories import make_job, make_machine, make_result, make_vault
from tests.jobs.pages import body_of
from tests.portal.test_api import assert_problem, bearer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, settings: Settings) -> None:
    settings.VAULT_ROOT = tmp_path / "vaults"


@pytest.fixture
def header(owner: User) -> dict[str, str]:
    return bearer(owner)


@pytest.fixture
def job(owner: User) -> Job:
    return make_job(owner, machine_type=make_machine(), state=JobState.SUCCEEDED)


def test_a_log_is_read_piece_by_piece(client: Client, header: dict[str, str], job: Job) -> None:
    attempt = Attempt.objects.get()
    LogChunk.objects.create(attempt=attempt, sequence=0, offset=0, data=b"one\ntwo\n")
    LogChunk.objects.create(attempt=attempt, sequence=1, offset=8, data="drei ß\n".encode())
    path = f"/api/v1/jobs/{job.number}/log"
    answer = client.get(path, {"offset": 4, "limit": 6}, headers=header)
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.content == b"two\ndr"
    names = ("X-Log-Offset", "X-Log-Next-Offset", "X-Log-Total", "X-Log-Closed")
    assert [answer[name] for name in names] == ["4", "10", "16", "true"]
    rest = client.get(path, {"offset": 10}, headers=header)
    assert rest.content.decode() == "ei ß\n"
    assert client.get(path, {"offset": 16}, headers=header).content == b""


@pytest.mark.parametrize("asked", [{"offset": -1}, {"offset": "x"}, {"limit": 0}, {"limit": 2**21}, {"task": -1}])
def test_log_bounds_are_checked(client: Client, header: dict[str, str], job: Job, asked: dict[str, Any]) -> None:
    assert_problem(client.get(f"/api/v1/jobs/{job.number}/log", asked, headers=header), 422)


def test_a_job_that_has_not_begun_has_an_open_empty_log(client: Client, header: dict[str, str], owner: User) -> None:
    waiting = make_job(owner)
    answer = client.get(f"/api/v1/jobs/{waiting.number}/log", headers=header)
    assert (answer.content, answer["X-Log-Closed"]) == (b"", "false")


def test_an_attempt_that_is_not_there_is_404(client: Client, header: dict[str, str], job: Job) -> None:
    assert_problem(client.get(f"/api/v1/jobs/{job.number}/log", {"attempt": 7}, headers=header), 404)


def test_events_without_streams_are_json(client: Client, header: dict[str, str], job: Job) -> None:
    job.events.create(kind="submitted", message="Submitted by owner (api).")
    answer = client.get(f"/api/v1/jobs/{job.number}/events", headers=header)
    assert [(event["kind"], event["message"]) for event in answer.json()] == [
        ("submitted", "Submitted by owner (api).")
    ]


@pytest.mark.parametrize("path", ["pi.txt", "plots/a b.svg", 'odd "name".html', "deep/er/ü.bin"])
def test_results_are_listed_and_downloaded_as_attachments(
    client: Client, header: dict[str, str], job: Job, path: str
) -> None:
    make_result(job, path=path, data=b"<script>1</script>", media_type="text/html")
    listed = client.get(f"/api/v1/jobs/{job.number}/results", headers=header).json()["items"]
    assert [(item["path"], item["size"], item["task"]) for item in listed] == [(path, 18, 0)]
    answer = client.get(f"/api/v1/jobs/{job.number}/results/{path}", headers=header)
    assert body_of(answer) == b"<script>1</script>"
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_results_that_are_not_there(client: Client, header: dict[str, str], job: Job) -> None:
    Result.objects.create(job=job, task=job.tasks.get(), path="link", size=0, skipped="a link")
    for path in ("nothing.txt", "../../etc/passwd", "%00", "a%00b"):
        assert_problem(client.get(f"/api/v1/jobs/{job.number}/results/{path}", headers=header), 404)
    skipped = assert_problem(client.get(f"/api/v1/jobs/{job.number}/results/link", headers=header), 404)
    assert "a link" in skipped["detail"]


# Vaults


@pytest.fixture
def vault(owner: User) -> Vault:
    return make_vault(owner, name="cases")


FILES = "/api/v1/vaults/cases/files"


def put(client: Client, header: dict[str, str], path: str, data: bytes, **query: str) -> Any:
    return client.put(
        f"{FILES}/{path}", data, content_type="application/octet-stream", headers=header, query_params=query
    )


def test_a_file_goes_in_and_comes_out_and_is_deleted(client: Client, header: dict[str, str], vault: Vault) -> None:
    assert client.post(f"{FILES}/a", headers=header).status_code == 201
    made = put(client, header, "a/x.csv", b"1,2\n")
    assert made.status_code == 200, made.content
    assert (made.json()["name"], made.json()["size"]) == ("x.csv", 4)
    top = client.get(FILES, headers=header).json()
    assert [(entry["name"], entry["kind"]) for entry in top["entries"]] == [("a", "folder")]
    folder = client.get(f"{FILES}/a", headers=header).json()
    assert (folder["path"], folder["total"]) == ("a", 1)
    answer = client.get(f"{FILES}/a/x.csv", headers=header)
    assert body_of(answer) == b"1,2\n"
    assert answer["Content-Disposition"] == 'attachment; filename="x.csv"'
    assert client.delete(f"{FILES}/a", headers=header).status_code == 204
    assert_problem(client.get(f"{FILES}/a/x.csv", headers=header), 404)


def test_put_replaces_unless_told_not_to(client: Client, header: dict[str, str], vault: Vault) -> None:
    put(client, header, "x", b"1")
    assert put(client, header, "x", b"22").status_code == 200
    assert_problem(put(client, header, "x", b"333", replace="false"), 409)
    assert body_of(client.get(f"{FILES}/x", headers=header)) == b"22"


def test_bytes_go_in_as_they_are(client: Client, header: dict[str, str], vault: Vault) -> None:
    data = bytes(range(256)) * 5000
    assert put(client, header, "bin", data).status_code == 200
    assert body_of(client.get(f"{FILES}/bin", headers=header)) == data
    form = client.put(f"{FILES}/form", data, content_type="multipart/form-data; boundary=x", headers=header)
    assert_problem(form, 415)


def test_a_body_that_broke_off_is_no_file() -> None:
    sent = RequestFactory().put("/", b"x" * 10, content_type="application/octet-stream")
    sent.META["CONTENT_LENGTH"] = "20"
    with pytest.raises(PortalError, match="broke off"):
        list(raw_chunks(Request(sent)))


@pytest.mark.parametrize(
    "path", ["../x", "a/../../x", "%2e%2e/x", "..%2fx", "/etc/passwd", "%00", "a\\b", ".slipway-x"]
)
@pytest.mark.parametrize("method", ["get", "put", "post", "delete"])
def test_paths_that_lead_elsewhere_are_refused(
    client: Client, header: dict[str, str], vault: Vault, path: str, method: str
) -> None:
    answer = getattr(client, method)(f"{FILES}/{path}", headers=header)
    assert answer.status_code in (400, 404), (path, method, answer.content)
    assert not list(vaults.root_of(vault).parent.glob("x"))


def test_links_are_not_followed(client: Client, header: dict[str, str], vault: Vault, tmp_path: Path) -> None:
    outside = tmp_path / "secret"
    outside.write_text("secret")
    (vaults.root_of(vault) / "link").symlink_to(outside)
    (vaults.root_of(vault) / "out").symlink_to(tmp_path)
    assert_problem(client.get(f"{FILES}/link", headers=header), 400)
    assert_problem(client.get(f"{FILES}/out/secret", headers=header), 400)
    assert put(client, header, "out/new", b"x").status_code == 400
    assert not (tmp_path / "new").exists()


def test_a_full_vault_is_409(client: Client, header: dict[str, str], vault: Vault) -> None:
    Vault.objects.filter(pk=vault.pk).update(quota_mib=1)
    assert_problem(put(client, header, "big", b"x" * (2**20 + 1)), 409)
    assert client.get(FILES, headers=header).json()["entries"] == []


def test_vaults_of_others_are_not_there(
    client: Client, vault: Vault, owner: User, teammate: User, stranger: User
) -> None:
    make_vault(owner.teams.get(), name="crew")
    for method in ("get", "put", "post", "delete"):
        assert_problem(getattr(client, method)(f"{FILES}/x", headers=bearer(stranger)), 404)
    names = {item["name"] for item in client.get("/api/v1/vaults", headers=bearer(teammate)).json()["items"]}
    assert names == {"crew", "teammate"}


# Uploads


def test_an_upload_is_streamed_in_named_and_listed(client: Client, header: dict[str, str], stranger: User) -> None:
    def send(data: bytes, headers: dict[str, str] | None = None, **query: str) -> Any:
        return client.post(
            "/api/v1/uploads",
            data,
            content_type="application/octet-stream",
            headers={**header, **(headers or {})},
            query_params=query,
        )

    named = send(b"1,2\n", name="case.csv")
    assert named.status_code == 201, named.content
    assert named.json()["name"] == "case.csv"
    assert len(named.json()["sha256"]) == 64
    by_header = send(b"x", {"Content-Disposition": "attachment; filename*=UTF-8''%C3%BC.csv"})
    assert by_header.json()["name"] == "ü.csv"
    assert send(b"x", {"Content-Disposition": 'attachment; filename="../a/b.csv"'}).json()["name"] == "b.csv"
    assert send(b"").json()["name"] == "file"
    listed = client.get("/api/v1/uploads?limit=3", headers=header).json()
    assert len(listed["items"]) == 3
    assert len(client.get(listed["next"], headers=header).json()["items"]) == 1
    one = f"/api/v1/uploads/{named.json()['id']}"
    assert client.get(one, headers=header).json() == named.json()
    assert_problem(client.get(one, headers=bearer(stranger)), 404)


def test_an_upload_beyond_the_limit_leaves_nothing(client: Client, header: dict[str, str], settings: Settings) -> None:
    settings.UPLOAD_LIMIT_MIB = 1
    answer = client.post("/api/v1/uploads", b"x" * (2**20 + 1), content_type="application/octet-stream", headers=header)
    assert_problem(answer, 413)
    assert client.get("/api/v1/uploads", headers=header).json()["items"] == []
