"""What no client should send to the ByteNite door: each is a refusal of the door's kind or an answer, and never a fault of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.cache import cache

from portal.people.models import ApiToken, User
from tests.compat.bytenite_client import ByteniteClient
from tests.compat.hostile import VALUES
from tests.factories import make_machine, make_person, make_template
from tests.jobs.bundles import make_bundle

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

# Method, address below /v1/, what is sent beside the key under test, and the keys.
CALLS: tuple[tuple[str, str, dict[str, Any], tuple[str, ...]], ...] = (
    ("POST", "auth/access_token", {}, ("apiKey",)),
    ("POST", "auth/secrets", {"secretKey": "x"}, ("secret",)),
    ("POST", "auth/secrets", {"secret": {"id": "mine"}}, ("secretKey",)),
    (
        "POST",
        "customer/jobs",
        {"templateId": "plain"},
        ("templateId", "jobId", "name", "description", "dataSource", "dataDestination", "params", "config"),
    ),
    ("POST", "customer/jobs", {"templateId": "plain", "jobId": "JOB"}, ("params", "config")),
    ("PATCH", "customer/jobs/JOB/datasource", {}, ("dataSource", "dataDestination")),
    ("PATCH", "customer/jobs/JOB/params", {}, ("params", "app", "colour")),
    ("PATCH", "customer/jobs/JOB/jobname", {}, ("name", "description")),
    ("PATCH", "customer/jobs/JOB/configs", {}, ("config", "taskTimeout", "isTestJob", "max_failed_tasks", "colour")),
    ("PATCH", "customer/jobs/JOB/uploadcompleted", {}, ("anything",)),
    ("POST", "customer/jobs/RUN/run", {}, ("config", "jobTimeout", "colour")),
    ("POST", "customer/jobs/filter", {}, ("filter", "pagination", "orderBy", "state", "ids", "templateId", "name")),
    ("POST", "customer/jobs/runningTasks", {}, ("jobId", "jobIds")),
    ("POST", "customer/datasource/test", {}, ("dataSource", "params")),
    ("POST", "customer/logs", {"jobId": "JOB"}, ("jobId", "taskIds", "levels", "services")),
    ("POST", "dev/apps", {}, ("data",)),
    (
        "POST",
        "dev/templates",
        {"id": "mine", "app": "plain-app"},
        ("id", "name", "app", "partitioner", "params", "config", "dataSource", "dataDestination", "isPublic"),
    ),
)
WORDS = (
    "%00",
    "a%00b",
    "%ED%A0%80",
    "9" * 30,
    "%D9%A3",
    "..",
    "x" * 3000,
    "-1",
    "%0A",
    "@",
    "a@b",
    "@1",
    "plain-app@" + "9" * 30,
    "plain-app@1." + "9" * 30,
)
ADDRESSES = (
    ("GET", "customer/jobs/{}"),
    ("DELETE", "customer/jobs/{}"),
    ("GET", "customer/jobs/{}/results"),
    ("POST", "customer/jobs/{}/run"),
    ("POST", "customer/jobs/{}/abort"),
    ("PATCH", "customer/jobs/{}/params"),
    ("GET", "customer/jobs?orderBy={}"),
    ("GET", "customer/jobs?pagination.limit={}"),
    ("GET", "customer/jobs/templates?pagination.offset={}"),
    ("GET", "dev/apps/{}"),
    ("GET", "dev/engines/{}/status"),
    ("POST", "dev/apps/{}/activate"),
    ("GET", "dev/apps/{}/download"),
    ("GET", "dev/bundles/{}"),
    ("GET", "dev/templates/{}"),
    ("DELETE", "dev/templates/{}"),
    ("DELETE", "auth/secrets/s3/{}"),
    ("POST", "auth/api_keys/{}/revoke"),
)


@pytest.fixture
def client(owner: User, folders: Any) -> ByteniteClient:
    cache.clear()
    make_machine("n1", cores=8, ram_mib=16_384)
    author = make_person("author", is_curator=True)
    make_template(author, slug="plain", app=make_bundle(name="plain-app").app.slug, everyone=True)
    key = ApiToken.issue(author, name="scripts", scopes=["read", "launch", "curate"])[1]
    return ByteniteClient().enter(key)


def refuse_or_answer(client: ByteniteClient, method: str, path: str, body: bytes | None) -> int:
    """The status. A refusal must be of the door's kind."""
    answer = client.ask(method, f"/v1/{path}", body)
    said = (method, path[:200], (body or b"")[:200], answer.status_code, answer.text[:400])
    assert answer.status_code < 500, said
    assert answer.headers["content-type"] == "application/json", said
    found = answer.json()
    if answer.status_code >= 400:
        assert found["ok"] is False, said
        assert found["message"], said
        assert found["error"]["code"] == found["code"] == answer.status_code, said
    return answer.status_code


def draft(client: ByteniteClient) -> str:
    return str(client.call("POST", "jobs", {"templateId": "plain"})["job"]["id"])


@pytest.mark.parametrize(("method", "path", "beside", "keys"), CALLS, ids=[f"{row[0]}-{row[1]}" for row in CALLS])
def test_any_value_under_any_key_is_refused_in_words_or_taken(
    client: ByteniteClient, method: str, path: str, beside: dict[str, Any], keys: tuple[str, ...]
) -> None:
    job = draft(client)
    for key in keys:
        for value in VALUES:
            at = path.replace("JOB", job).replace("RUN", draft(client) if "RUN" in path else "")
            rest = json.dumps({name: each for name, each in beside.items() if name != key})[1:-1].replace("JOB", job)
            body = f'{{{rest}{", " if rest else ""}"{key}": {value}}}'
            refuse_or_answer(client, method, at, body.encode())
    client.call("GET", f"jobs/{job}", status=200)
    client.call("GET", "jobs")


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_any_word_in_an_address_is_refused_in_words_or_taken(client: ByteniteClient, method: str, path: str) -> None:
    for word in WORDS:
        refuse_or_answer(client, method, path.format(word), b"{}" if method in ("POST", "PATCH") else None)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b'{"templateId": "plain",}', 400, "line 1, column"),
        (b'{"templateId": "plain"} x', 400, "line 1, column 25"),
        (b'{"templateId": NaN}', 400, "NaN"),
        (b'{"templateId": "plain", "templateId": "x"}', 400, "twice"),
        (b"\xff\xfe", 400, "UTF-8"),
        (b'"plain"', 400, "object"),
        (b"[" * 100_000, 400, "nested"),
        (b'{"a": ' * 50_000 + b"1" + b"}" * 50_000, 400, "nested"),
        (b'{"name": "' + b"x" * 12 * 2**20 + b'"}', 413, "MiB"),
        (b'{"jobId": ' + b"9" * 5000 + b"}", 400, "digits"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(
    client: ByteniteClient, body: bytes, status: int, said: str, settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 2**20
    for path in ("customer/jobs", "customer/jobs/filter", "customer/logs", "dev/templates", "auth/access_token"):
        answer = client.ask("POST", f"/v1/{path}", body)
        assert answer.status_code == status, answer.text[:300]
        assert said.lower() in answer.json()["message"].lower()
