"""What no client should send to the API: each is a problem in words or an answer, and never a fault of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from portal.people.models import User
from tests.compat.hostile import VALUES
from tests.factories import make_machine, make_template
from tests.jobs.bundles import make_bundle
from tests.portal.test_api import bearer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
ENDS = ("dataSource", "dataDestination")
PARTS = ("app", "partitioner", "params", *ENDS, "config", "machines", "name", "description", "colour")
# Method, address below /api/v1/, what is sent beside the key under test, and the keys.
CALLS: tuple[tuple[str, str, dict[str, Any], tuple[str, ...]], ...] = (
    ("POST", "drafts", {"app": "plain-app"}, (*PARTS, "template", "team", "priority", "notify")),
    ("PATCH", "drafts/DRAFT", {}, (*PARTS, "strict")),
    ("POST", "drafts/DRAFT/run", {}, ("config",)),
    ("POST", "jobs", {"app": "plain-app"}, (*PARTS, "dry_run")),
    ("POST", "apps/plain-app/validate", {}, PARTS),
    ("POST", "templates", {"id": "mine", "app": "plain-app"}, (*PARTS, "id", "team", "everyone")),
    ("PATCH", "templates/plain", {}, (*PARTS, "id", "team", "everyone")),
    ("POST", "sources/test", {}, ENDS),
    ("POST", "sources/list", {"dataSource": {"kind": "vault"}}, ("dataSource", "path", "search", "offset", "limit")),
    ("POST", "uploads/addresses", {"name": "a.bin"}, ("name", "size")),
    ("POST", "secrets", {"name": "s", "kind": "value", "value": "x"}, ("name", "kind", "value", "access_key", "team")),
)


@pytest.mark.parametrize(("method", "path", "beside", "keys"), CALLS, ids=[f"{row[0]} {row[1]}" for row in CALLS])
def test_any_value_under_any_key_is_a_problem_in_words_or_taken(
    owner: User, folders: Any, method: str, path: str, beside: dict[str, Any], keys: tuple[str, ...]
) -> None:
    make_machine("n1", cores=8, ram_mib=16_384)
    make_template(owner, slug="plain", app=make_bundle(name="plain-app").app.slug)
    client, header = Client(), bearer(owner, "read", "launch")
    draft = json.loads(post(client, header, "drafts", '{"app": "plain-app"}').content)["number"]
    at = path.replace("DRAFT", str(draft))
    for key in keys:
        for value in VALUES:
            rest = json.dumps({name: each for name, each in beside.items() if name != key})[1:-1]
            body = f'{{{rest}{", " if rest else ""}"{key}": {value}}}'
            answer = post(client, header, at, body, method)
            said = (at, key, value[:80], answer.status_code, answer.content[:400])
            assert answer.status_code < 500, said
            if answer.status_code >= 400:
                assert answer["Content-Type"] == "application/problem+json", said
                assert json.loads(answer.content)["detail"], said


def post(client: Client, header: dict[str, str], path: str, body: str, method: str = "POST") -> Any:
    return client.generic(method, f"/api/v1/{path}", body, content_type="application/json", headers=header)
