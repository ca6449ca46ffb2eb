"""Job templates over the API: whose they are, who may change them, and what is wrong with one."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from jobs.models import JobTemplate
from portal.people.models import User
from tests.factories import make_person, make_template
from tests.jobs.bundles import make_bundle
from tests.jobs.test_api_drafts import faults, send

pytestmark = pytest.mark.django_db
BODY: dict[str, Any] = {
    "id": "tiles-usual",
    "name": "Tiles as usual",
    "description": "What most people want.",
    "app": "tiles@1",
    "partitioner": "cutter",
    "assembler": "passthrough",
    "params": {"partitioner": {"n": 3}, "app": {"width": 800}},
    "dataSource": {"kind": "bypass"},
    "dataDestination": {"kind": "bypass"},
    "config": {"taskTimeout": 60},
}


@pytest.fixture(autouse=True)
def bundles() -> None:
    make_bundle("app", name="tiles")
    make_bundle("partitioner", name="cutter")


def test_a_template_comes_back_as_it_was_sent(as_owner: Client) -> None:
    answer = send(as_owner, "post", "templates", BODY)
    assert answer.status_code == 201, answer.content
    shown = as_owner.get(answer["Location"]).json()
    assert {key: shown[key] for key in BODY} == BODY
    changed = send(as_owner, "patch", "templates/tiles-usual", {"name": "Tiles", "params": {"app": {"width": 1}}})
    assert changed.json()["params"] == {"app": {"width": 1}}
    assert changed.json()["config"] == {"taskTimeout": 60}
    assert send(as_owner, "delete", "templates/tiles-usual").status_code == 204
    assert not JobTemplate.objects.exists()


@pytest.mark.parametrize(
    ("change", "pointer", "words"),
    [
        ({"id": "a b"}, "/id", "letters, digits"),
        ({"id": "x" * 65}, "/id", "64"),
        ({"app": "nope"}, "/app", "There is no ByteNite app or engine 'nope'"),
        ({"partitioner": "tiles"}, "/partitioner", "'tiles' is an app"),
        ({"params": {"apps": {}}}, "/params/apps", "none of"),
        ({"params": {"app": 3}}, "/params/app", "must be an object"),
        ({"params": {"assembler": {"x": 1}}}, "/params/assembler", "passthrough"),
        ({"config": {"taskTimeout": "long"}}, "/config/taskTimeout", "whole number"),
        ({"team": "nope"}, "/team", "You are in no team"),
        ({"descripton": "x"}, "/descripton", "Did you mean 'description'?"),
    ],
)
def test_what_is_wrong_with_a_template_is_said_at_its_place(
    as_owner: Client, change: dict[str, Any], pointer: str, words: str
) -> None:
    assert words in faults(send(as_owner, "post", "templates", {**BODY, **change}))[pointer]
    assert not JobTemplate.objects.exists()


def test_an_id_is_taken_once_and_stays(as_owner: Client) -> None:
    send(as_owner, "post", "templates", BODY)
    again = send(as_owner, "post", "templates", BODY)
    assert (again.status_code, again.json()["code"]) == (409, "id_taken")
    assert "/id" in faults(send(as_owner, "patch", "templates/tiles-usual", {"id": "other"}))


def test_a_list_has_what_a_person_may_use(as_owner: Client, owner: User, teammate: User, stranger: User) -> None:
    team = owner.teams.get()
    make_template(owner, slug="a-own", app="tiles")
    make_template(teammate, slug="b-team", app="tiles@1", team=team, name="Sand")
    make_template(stranger, slug="c-theirs", app="tiles")
    make_template(stranger, slug="d-all", app="other", everyone=True)

    def listed(query: str = "") -> list[str]:
        return [one["id"] for one in as_owner.get(f"/api/v1/templates{query}").json()["items"]]

    assert listed() == ["a-own", "b-team", "d-all"]
    assert listed("?whose=mine") == ["a-own"]
    assert listed("?app=tiles") == ["a-own", "b-team"]
    assert listed("?q=sand") == ["b-team"]
    assert as_owner.get("/api/v1/templates/c-theirs").status_code == 404
    assert send(as_owner, "patch", "templates/b-team", {"name": "Mine"}).status_code == 403
    assert send(as_owner, "delete", "templates/d-all").status_code == 403


def test_only_curators_offer_a_template_to_everyone(client: Client, as_owner: Client) -> None:
    assert send(as_owner, "post", "templates", {**BODY, "everyone": True}).status_code == 403
    send(as_owner, "post", "templates", BODY)
    assert send(as_owner, "patch", "templates/tiles-usual", {"everyone": True}).status_code == 403
    curator = make_person(is_curator=True)
    client.force_login(curator)
    assert send(client, "post", "templates", {**BODY, "id": "for-all", "everyone": True}).status_code == 201
    assert send(client, "patch", "templates/for-all", {"name": "All"}).status_code == 200
