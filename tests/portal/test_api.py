"""What all of /api/ keeps: who may come in, strict bodies, problems instead of pages, paging, the document."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from apps_catalog.launch.spec import Fault
from portal.api.docs import document
from portal.api.parsers import read_json
from portal.api.problems import handle
from portal.errors import Invalid, PortalError
from portal.people.models import ApiToken, AuditEvent, User
from tests.factories import make_app, make_version

pytestmark = pytest.mark.django_db


def bearer(user: User, *scopes: str, **over: Any) -> dict[str, str]:
    _, text = ApiToken.issue(user, name="test", scopes=list(scopes or ("read", "launch")), **over)
    return {"Authorization": f"Bearer {text}"}


def assert_problem(answer: Any, status: int, code: str = "") -> dict[str, Any]:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = json.loads(answer.content)
    assert body.keys() == {"type", "title", "status", "detail", "code", "errors"}
    assert body["status"] == status
    assert body["detail"].endswith(".")
    if code:
        assert body["code"] == code, body
    return body


# Who comes in


def test_nobody_is_asked_for_a_token(client: Client) -> None:
    answer = client.get("/api/v1/apps")
    assert_problem(answer, 401)
    assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer a b", "Bearer slw_unknown", "bearer \xff\xfe", "Basic Zm9vOmJhcg=="]
)
def test_a_header_that_is_no_token_of_ours_is_401(client: Client, header: str) -> None:
    assert_problem(client.get("/api/v1/apps", headers={"Authorization": header}), 401)


def test_expired_and_revoked_tokens_and_tokens_of_inactive_people_are_401(client: Client, owner: User) -> None:
    past = timezone.now() - timedelta(seconds=1)
    assert_problem(client.get("/api/v1/apps", headers=bearer(owner, expires_at=past)), 401)
    good = bearer(owner)
    assert client.get("/api/v1/apps", headers=good).status_code == 200
    ApiToken.objects.update(revoked_at=past)
    assert_problem(client.get("/api/v1/apps", headers=good), 401)
    ApiToken.objects.update(revoked_at=None)
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert_problem(client.get("/api/v1/apps", headers=good), 401)


def test_the_session_of_a_browser_comes_in_too(client: Client, owner: User) -> None:
    client.force_login(owner)
    assert client.get("/api/v1/apps").status_code == 200


def test_a_session_needs_the_csrf_token_for_changes(owner: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    body = {"name": "x", "scopes": ["read"]}
    assert_problem(client.post("/api/v1/tokens", body, content_type="application/json"), 403)
    client.get("/accounts/login/")
    assert not ApiToken.objects.exists()


def test_use_of_a_token_is_noted_once_a_minute(client: Client, owner: User) -> None:
    header = bearer(owner)
    client.get("/api/v1/apps", headers=header)
    first = ApiToken.objects.get().last_used_at
    assert first is not None
    client.get("/api/v1/apps", headers=header)
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=first - timedelta(seconds=61))
    client.get("/api/v1/apps", headers=header)
    assert ApiToken.objects.get().last_used_at > first  # type: ignore[operator]


def test_a_token_has_only_its_scopes(client: Client, owner: User) -> None:
    launch_only = client.get("/api/v1/apps", headers=bearer(owner, "launch"))
    assert "'read'" in assert_problem(launch_only, 403, "scope_missing")["detail"]
    read_only = client.post(
        "/api/v1/uploads", b"x", content_type="application/octet-stream", headers=bearer(owner, "read")
    )
    assert_problem(read_only, 403, "scope_missing")


def test_a_token_never_has_more_than_its_person(client: Client, owner: User) -> None:
    assert_problem(client.get("/api/v1/hosts", headers=bearer(owner, "operate")), 403, "role_missing")


def test_a_role_counts_only_where_the_token_has_its_scope(client: Client, curator: User) -> None:
    draft = make_app()
    make_version(draft, state="draft")
    without = client.get(f"/api/v1/apps/{draft.slug}", headers=bearer(curator, "read"))
    assert_problem(without, 404)
    assert client.get(f"/api/v1/apps/{draft.slug}", headers=bearer(curator, "read", "curate")).status_code == 200


def test_staff_over_a_token_are_no_more_than_its_scopes(client: Client, owner: User) -> None:
    User.objects.filter(pk=owner.pk).update(is_staff=True, is_superuser=True)
    owner.refresh_from_db()
    assert_problem(client.get("/api/v1/hosts", headers=bearer(owner, "read")), 403, "scope_missing")
    assert client.get("/api/v1/hosts", headers=bearer(owner, "operate")).status_code == 200


# Problems instead of pages


@pytest.mark.parametrize("path", ["/api/", "/api/v1/", "/api/v1/nothing", "/api/v1/jobs/", "/api/v2/jobs"])
@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_unknown_addresses_are_problems(client: Client, path: str, method: str) -> None:
    assert_problem(getattr(client, method)(path), 404, "not_found")


def test_a_method_that_is_not_there_is_a_problem(client: Client, owner: User) -> None:
    answer = client.patch("/api/v1/apps", headers=bearer(owner))
    assert_problem(answer, 405)
    assert "GET" in answer["Allow"]


def test_a_bug_is_a_problem_with_the_request_id(
    client: Client, owner: User, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    client.raise_request_exception = False
    settings.DEBUG_PROPAGATE_EXCEPTIONS = False
    monkeypatch.setattr("jobs.api.machines.machine_states", lambda: 1 / 0)
    answer = client.get("/api/v1/machines", headers=bearer(owner))
    body = assert_problem(answer, 500, "broken")
    assert answer["X-Request-Id"] in body["detail"]
    assert "division" not in answer.content.decode()


def test_a_host_name_that_is_not_ours_is_a_problem(client: Client) -> None:
    assert_problem(client.get("/api/v1/apps", headers={"Host": "evil.example"}), 400)


# Strict bodies


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "Line 1, column 2"),
        ('{\n  "a": 1,\n}', "Line 3, column 1"),
        ('{"a": 1, "a": 2}', "'a' is there twice"),
        ('{"a": NaN}', "NaN"),
        ('{"a": -Infinity}', "-Infinity"),
        ("[" * 40 + "]" * 40, "levels deep"),
        ("[" * 100_000 + "]" * 100_000, "levels deep"),
        ("9" * 301, "digits"),
        (b"\xff", "UTF-8"),
    ],
)
def test_a_body_that_is_not_strict_json_is_refused_with_its_place(text: str | bytes, says: str) -> None:
    with pytest.raises(PortalError) as caught:
        read_json(text if isinstance(text, bytes) else text.encode())
    assert says in caught.value.message
    assert caught.value.status == 400


def test_bodies_are_bounded(client: Client, owner: User, settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    body = json.dumps({"name": "x" * 2000, "scopes": ["read"]})
    answer = client.post("/api/v1/tokens", body, content_type="application/json", headers=bearer(owner))
    assert_problem(answer, 413)


@pytest.mark.parametrize("body", ["[]", "3", '"text"', "null"])
def test_a_body_must_be_an_object(client: Client, owner: User, body: str) -> None:
    answer = client.post("/api/v1/tokens", body, content_type="application/json", headers=bearer(owner))
    assert_problem(answer, 400, "not_an_object")


def test_other_media_types_are_refused(client: Client, owner: User) -> None:
    header = bearer(owner)
    assert_problem(
        client.post("/api/v1/tokens", "a=b", content_type="application/x-www-form-urlencoded", headers=header), 415
    )
    assert_problem(client.post("/api/v1/tokens", {"a": "b"}, headers=header), 415)


def test_a_misspelt_key_is_a_fault_that_names_the_right_one(client: Client, owner: User) -> None:
    body = {"nmae": "x", "scopes": ["read", "fly"]}
    answer = client.post("/api/v1/tokens", body, content_type="application/json", headers=bearer(owner))
    faults = {fault["pointer"]: fault for fault in assert_problem(answer, 422, "invalid")["errors"]}
    assert faults["/nmae"]["code"] == "unknown_key"
    assert "'name'" in faults["/nmae"]["message"]
    assert faults["/name"]["code"] == "required"
    assert faults["/scopes/1"]["code"] == "invalid_choice"


# Tokens


def test_a_token_is_made_shown_once_listed_and_revoked(client: Client, owner: User) -> None:
    header = bearer(owner)
    made = client.post(
        "/api/v1/tokens",
        {"name": "ci", "scopes": ["launch", "read"], "days": 7},
        content_type="application/json",
        headers=header,
    )
    assert made.status_code == 201, made.content
    token = made.json()
    assert token["scopes"] == ["read", "launch"]
    assert not ApiToken.objects.filter(hash=token["text"]).exists()
    listed = client.get("/api/v1/tokens", headers=header).json()["items"]
    assert [item["name"] for item in listed] == ["ci", "test"]
    assert "text" not in listed[0]
    assert "hash" not in listed[0]
    own = {"Authorization": f"Bearer {token['text']}"}
    assert client.get("/api/v1/apps", headers=own).status_code == 200
    assert client.delete(f"/api/v1/tokens/{token['id']}", headers=header).status_code == 204
    assert client.delete(f"/api/v1/tokens/{token['id']}", headers=header).status_code == 204
    assert_problem(client.get("/api/v1/apps", headers=own), 401)
    assert list(AuditEvent.objects.order_by("id").values_list("action", flat=True)) == [
        "token.created",
        "token.revoked",
    ]
    assert token["text"] not in json.dumps(list(AuditEvent.objects.values_list("detail", flat=True)))


def test_tokens_of_others_are_not_there(client: Client, owner: User, stranger: User) -> None:
    bearer(owner)
    theirs = ApiToken.objects.get()
    assert_problem(client.delete(f"/api/v1/tokens/{theirs.pk}", headers=bearer(stranger)), 404)
    assert len(client.get("/api/v1/tokens", headers=bearer(stranger)).json()["items"]) == 2


def test_a_token_hands_on_no_more_than_it_has(client: Client, curator: User) -> None:
    def ask(header: dict[str, str], **body: Any) -> Any:
        return client.post("/api/v1/tokens", {"name": "x", **body}, content_type="application/json", headers=header)

    assert_problem(ask(bearer(curator), scopes=["curate"]), 403)
    soon = bearer(curator, expires_at=timezone.now() + timedelta(days=2))
    assert_problem(ask(soon, scopes=["read"]), 403)
    assert_problem(ask(soon, scopes=["read"], days=3), 403)
    assert ask(soon, scopes=["read"], days=1).status_code == 201
    assert_problem(ask(bearer(curator, "read"), scopes=["read"]), 403, "scope_missing")
    assert_problem(ask(bearer(curator, "launch", "operate"), scopes=["operate"]), 403)


# Paging


def test_pages_follow_each_other_without_gap_or_repeat(client: Client, owner: User) -> None:
    header = bearer(owner)
    for number in range(7):
        make_version(make_app(name=f"App {number % 3}"))
    seen: list[str] = []
    address: str | None = "/api/v1/apps?limit=2"
    while address:
        page = client.get(address, headers=header).json()
        assert len(page["items"]) <= 2
        seen += [item["slug"] for item in page["items"]]
        address = page["next"]
    assert len(seen) == len(set(seen)) == 7


@pytest.mark.parametrize(
    "cursor", ["x", "!!!", "bnVsbA", "W10", "WzEsMl0", "WzEsMiwzXQ", "W3RydWUsInMiXQ", "WyJcdTAwMDAiLCAiYSJd", "é"]
)
def test_a_cursor_that_is_not_ours_is_422(client: Client, owner: User, cursor: str) -> None:
    for name in ("apps", "jobs", "uploads"):
        answer = client.get(f"/api/v1/{name}", {"cursor": cursor}, headers=bearer(owner))
        assert_problem(answer, 422, "bad_cursor")


@pytest.mark.parametrize("limit", ["0", "201", "x", "-1"])
def test_a_limit_out_of_range_is_422(client: Client, owner: User, limit: str) -> None:
    body = assert_problem(client.get("/api/v1/apps", {"limit": limit}, headers=bearer(owner)), 422)
    assert body["errors"][0]["pointer"] == "/limit"


# The document


def test_the_openapi_document_is_valid_and_lists_every_address(client: Client, owner: User) -> None:
    from openapi_spec_validator import validate

    answer = client.get("/api/v1/schema/", headers=bearer(owner))
    assert answer.status_code == 200
    served = json.loads(answer.content)
    assert served["openapi"].startswith("3.1")
    validate(served)
    for path, methods in served["paths"].items():
        for method, operation in methods.items():
            assert operation["tags"], path
            assert operation["summary"], (path, method)
            assert "401" in operation["responses"], (path, method)


def test_the_document_is_made_without_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    from drf_spectacular.drainage import GENERATOR_STATS

    GENERATOR_STATS.reset()
    document.__wrapped__()
    said = capsys.readouterr().err
    assert not said, said


def test_the_docs_page_shows_every_operation(client: Client, owner: User) -> None:
    assert client.get("/api/docs/").status_code == 302
    client.force_login(owner)
    page = client.get("/api/docs/").content.decode()
    assert "/api/v1/jobs/{number}/log" in page
    assert "curl" in page
    assert "<script" not in page.split("<main")[1]
    assert "style=" not in page.split("<main")[1]


def test_the_reference_page_lists_every_operation_with_its_scope(settings: Settings) -> None:
    page = (settings.BASE_DIR / "docs/reference/rest.md").read_text()
    listed = set(re.findall(r"^\| `([A-Z]+ \S+)` \| (.+?) \| (\w+) \|$", page, re.MULTILINE))
    there = {
        (f"{method.upper()} {path.removeprefix('/api/v1/')}", operation["summary"], operation["x-scope"])
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    }
    assert listed == there


def test_the_example_of_a_problem_on_the_reference_page_is_one(settings: Settings) -> None:
    page = (settings.BASE_DIR / "docs/reference/rest.md").read_text()
    example = json.loads(page.split("```json")[1].split("```")[0])
    fault = Fault(**example["errors"][0])
    answer = handle(Invalid(example["detail"], faults=[fault]), {})
    assert answer is not None
    assert answer.data == {**example, "title": answer.data["title"]}
