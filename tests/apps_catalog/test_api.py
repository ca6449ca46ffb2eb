"""Apps over the API: find, read, import."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from jsonschema import Draft202012Validator
from pytest_django import DjangoAssertNumQueries

from apps_catalog import services
from apps_catalog.models import App, Version
from portal.people.models import User
from tests.factories import DEFINITION, make_app, make_team, make_version
from tests.portal.test_api import assert_problem, bearer

pytestmark = pytest.mark.django_db


@pytest.fixture
def header(owner: User) -> dict[str, str]:
    return bearer(owner)


def slugs(client: Client, header: dict[str, str], **asked: str) -> list[str]:
    answer = client.get("/api/v1/apps", asked, headers=header)
    assert answer.status_code == 200, answer.content
    return [item["slug"] for item in answer.json()["items"]]


def test_apps_are_listed_by_name_searched_and_filtered(client: Client, header: dict[str, str], curator: User) -> None:
    for name, category in (("OpenFOAM", "Physics/Fluids"), ("Pi by chance", "Mathematics"), ("Öfen", "Physics")):
        text = json.dumps({**DEFINITION, "name": name, "classifications": [category]})
        done = services.import_definition(text=text, actor=curator, image="slipway-python:bookworm")
        assert done.version is not None
        services.publish(version=done.version, actor=curator)
    assert slugs(client, header) == ["openfoam", "pi-by-chance", "ofen"]
    assert slugs(client, header, q="foam") == ["openfoam"]
    assert slugs(client, header, q="chan") == ["pi-by-chance"]
    assert slugs(client, header, q="'; DROP TABLE") == []
    assert set(slugs(client, header, category="Physics")) == {"openfoam", "ofen"}
    assert slugs(client, header, category="Physics/Fluids") == ["openfoam"]


@pytest.mark.parametrize("asked", [{"q": "\0"}, {"q": "x" * 201}, {"category": "\0"}])
def test_a_search_that_means_nothing_is_422(client: Client, header: dict[str, str], asked: dict[str, str]) -> None:
    assert_problem(client.get("/api/v1/apps", asked, headers=header), 422)


def test_a_list_costs_the_same_however_long(
    client: Client, header: dict[str, str], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(5):
        make_version()
    with django_assert_max_num_queries(5):
        assert len(slugs(client, header)) == 5


def test_apps_of_other_teams_are_not_there(client: Client, teammate: User, stranger: User) -> None:
    app = make_app(slug="ours", visibility="teams")
    label = make_version(app).label
    app.teams.add(make_team(teammate))
    paths = ["/api/v1/apps/ours", f"/api/v1/apps/ours/versions/{label}", f"/api/v1/apps/ours/versions/{label}/schema"]
    for path in paths:
        assert client.get(path, headers=bearer(teammate)).status_code == 200
        assert_problem(client.get(path, headers=bearer(stranger)), 404)
    assert slugs(client, bearer(teammate)) == ["ours"]
    assert slugs(client, bearer(stranger)) == []
    make_team(stranger)
    assert slugs(client, bearer(stranger), q="pi") == []


def test_an_app_shows_its_commands_and_versions(client: Client, header: dict[str, str], curator: User) -> None:
    app = make_app(slug="pi")
    first, second = make_version(app), make_version(app)
    draft = make_version(app, state="draft")
    app.default_version = second
    app.save()
    shown = client.get("/api/v1/apps/pi", headers=header).json()
    assert shown["version"] == second.label
    assert shown["not_launchable"] == ""
    assert [command["key"] for command in shown["commands"]] == ["throw"]
    assert [version["label"] for version in shown["versions"]] == [second.label, first.label]
    seen = client.get("/api/v1/apps/pi", headers=bearer(curator, "read", "curate")).json()
    assert [version["label"] for version in seen["versions"]] == [draft.label, second.label, first.label]
    assert_problem(client.get(f"/api/v1/apps/pi/versions/{draft.label}", headers=header), 404)


def test_a_version_shows_its_definition_to_the_letter(client: Client, header: dict[str, str]) -> None:
    version = make_version(make_app(slug="pi"))
    shown = client.get(f"/api/v1/apps/pi/versions/{version.label}", headers=header).json()
    assert shown["definition"] == version.definition
    assert shown["digest"] == version.digest
    assert shown["commands"][0]["machines"] == ["n*"]


def test_the_schema_judges_parameters(client: Client, header: dict[str, str]) -> None:
    version = make_version(make_app(slug="pi"))
    shown = client.get(f"/api/v1/apps/pi/versions/{version.label}/schema", headers=header).json()
    schema = shown["commands"]["throw"]
    Draft202012Validator.check_schema(schema)
    assert Draft202012Validator(schema).is_valid({"darts": 20})
    assert not Draft202012Validator(schema).is_valid({"darts": 5})


@pytest.mark.parametrize("path", ["pi", "pi/versions/9", "pi/versions/9/schema", "pi/versions/%00", "pi/versions/a%00"])
def test_what_is_not_there_is_404(client: Client, header: dict[str, str], path: str) -> None:
    if path != "pi":
        make_version(make_app(slug="pi"))
    assert_problem(client.get(f"/api/v1/apps/{path}", headers=header), 404)


# Import


def send(client: Client, header: dict[str, str], definition: Any = None, **body: Any) -> Any:
    text = definition if isinstance(definition, str) else json.dumps(definition or DEFINITION)
    sent = {"definition": text, **body}
    return client.post("/api/v1/apps", sent, content_type="application/json", headers=header)


def test_a_definition_becomes_a_draft(client: Client, curator: User) -> None:
    header = bearer(curator, "read", "curate")
    answer = send(client, header, image="slipway-python:bookworm", slug="pi", label="2.0")
    assert answer.status_code == 201, answer.content
    assert answer.json()["app"] == "pi"
    assert answer.json()["version"] == "2.0"
    version = Version.objects.get()
    assert version.state == Version.State.DRAFT
    assert version.definition == json.dumps(DEFINITION)
    again = send(client, header, slug="pi")
    assert (again.status_code, again.json()["created"]) == (200, False)
    assert Version.objects.count() == 1


def test_a_dry_run_only_reads(client: Client, curator: User) -> None:
    answer = send(client, bearer(curator, "curate"), dry_run=True)
    assert answer.status_code == 200, answer.content
    assert answer.json()["created"] is False
    assert not App.objects.exists()


@pytest.mark.parametrize(
    ("definition", "place"),
    [('{"name": "x",}', "Line 1, column"), ("", "empty"), ('{"name": "x"}', "")],
)
def test_a_faulty_definition_is_422_with_its_place(client: Client, curator: User, definition: str, place: str) -> None:
    answer = send(client, bearer(curator, "curate"), definition or " ")
    errors = assert_problem(answer, 422)["errors"]
    assert errors
    assert place in errors[0]["message"]
    assert not App.objects.exists()


def test_only_curators_import(client: Client, owner: User, curator: User) -> None:
    assert_problem(send(client, bearer(owner, "curate")), 403, "role_missing")
    assert_problem(send(client, bearer(curator, "read", "launch")), 403, "scope_missing")
    assert not App.objects.exists()


@pytest.mark.parametrize("over", [{"image": "a b"}, {"slug": "Ä"}, {"label": "a/b"}, {"image": "x\0"}])
def test_a_name_that_can_not_be_is_422(client: Client, curator: User, over: dict[str, str]) -> None:
    assert_problem(send(client, bearer(curator, "curate"), **over), 422)
    assert not App.objects.exists()
