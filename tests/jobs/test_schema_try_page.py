"""The page to try a JSON Schema: findings with their line, the form, the instance and the verdict, also without a script."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from tests.apps_catalog.launch.json_schema.browsing import sent_by
from tests.factories import make_person

pytestmark = pytest.mark.django_db
URL = "/curate/schema/"
SCHEMA: dict[str, Any] = {
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "count": {"type": "integer", "default": 2, "maximum": 9}},
}


@pytest.fixture
def client(db: None) -> Client:
    client = Client()
    client.force_login(make_person("cora", is_curator=True))
    return client


def page(client: Client, go: str = "check", path: str = URL, **more: str) -> str:
    answer = client.post(path, {"definition": json.dumps(SCHEMA, indent=2), "go": go, **more})
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def as_sent(html: str, **more: str) -> dict[str, str]:
    return {name: values[-1] for name, values in sent_by(html)} | more


def test_a_pasted_schema_gives_its_form_with_the_defaults(client: Client) -> None:
    html = page(client)
    assert "Read as draft 2020-12" in html
    assert as_sent(html)["s:v:/count"] == "2"
    assert "1 thing to fix" in html


def test_faults_of_the_schema_have_line_and_column(client: Client) -> None:
    html = page(client, definition='{\n "properties": {\n  "a": {"$ref": "https://x.example/y"}\n }\n}')
    assert "Can&#x27;t be used yet" in html or "Can't be used yet" in html
    assert 'data-finding-line="3"' in html
    assert "Nothing is fetched" in html
    assert "No form yet" in html


def test_what_is_typed_is_judged_and_shown_as_json(client: Client) -> None:
    sent = as_sent(page(client))
    html = client.post(URL + "verdict/", {**sent, "s:v:/name": "Ada", "s:v:/count": "12"}).content.decode()
    assert '<li data-name="s:/count" data-label="count">Must be at most 9.</li>' in html
    html = client.post(URL + "verdict/", {**sent, "s:v:/name": "Ada"}).content.decode()
    assert "Valid" in html
    assert "&quot;name&quot;: &quot;Ada&quot;" in html


def test_what_was_typed_stays_when_the_schema_is_edited(client: Client) -> None:
    sent = as_sent(page(client), **{"s:v:/name": "Ada"})
    changed = {"properties": {**SCHEMA["properties"], "more": {"type": "string", "default": "new"}}}
    changed["properties"]["count"] = {"type": "integer", "default": 5}
    html = client.post(URL + "check/", {**sent, "definition": json.dumps(changed)}).content.decode()
    now = as_sent(html)
    assert (now["s:v:/name"], now["s:v:/count"], now["s:v:/more"]) == ("Ada", "5", "new")


def test_json_and_form_are_two_sides_of_one_state(client: Client) -> None:
    sent = as_sent(page(client), **{"s:v:/name": "Ada", "go": "side:json"})
    html = client.post(URL, sent).content.decode()
    side = as_sent(html)
    assert json.loads(side["json"]) == {"name": "Ada", "count": 2}
    back = client.post(URL, {**side, "json": '{"name": "Bob", "x": 1}', "go": "side:form"}).content.decode()
    assert as_sent(back)["s:v:/name"] == "Bob"
    assert json.loads(as_sent(back)["s:x:"]) == {"x": 1}


@pytest.mark.parametrize(
    ("text", "words"), [("{", "Line 1"), ("", "nothing here"), ('{"name": 1}', "Line 1, column 10: /name")]
)
def test_faults_on_the_json_side_have_their_line(client: Client, text: str, words: str) -> None:
    sent = as_sent(page(client), side="json", json=text, go="side:form")
    html = client.post(URL, sent).content.decode()
    if text == '{"name": 1}':
        html = client.post(URL + "verdict/", {**sent, "go": ""}).content.decode()
    assert words in html


def test_a_recursive_or_monstrous_schema_leaves_the_page_alive(client: Client) -> None:
    bad = {"properties": {"a": {"type": "string", "pattern": "^(a|a)*$"}}}
    sent = as_sent(page(client, definition=json.dumps(bad)))
    html = client.post(URL + "verdict/", {**sent, "s:v:/a": "a" * 40 + "b"}).content.decode()
    assert "This schema took longer than 1 s" in html
    assert "Valid" in client.post(URL + "verdict/", {**sent, "s:v:/a": "aa"}).content.decode()


def test_only_curators_come_in(db: None) -> None:
    client = Client()
    client.force_login(make_person("stranger-here"))
    assert client.get(URL).status_code == 403
    for path in ("check/", "verdict/", "part/"):
        assert client.post(URL + path, {"definition": "{}"}).status_code == 403


def test_a_part_of_a_broken_schema_is_a_conflict(client: Client) -> None:
    assert client.post(URL + "part/", {"definition": "{", "part": ""}).status_code == 409
