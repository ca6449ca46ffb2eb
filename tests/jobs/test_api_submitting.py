"""What a submission over REST costs, and what it gives away: the app is asked for once, whoever may see it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from apps_catalog.models import App, Version
from portal.people.models import User
from tests.factories import make_app, make_machine, make_team, make_version
from tests.portal.test_api import assert_problem, bearer

pytestmark = pytest.mark.django_db


@pytest.fixture
def version(db: None) -> Version:
    make_machine("n1")
    return make_version(make_app(slug="pi"))


@pytest.fixture
def header(owner: User) -> dict[str, str]:
    return bearer(owner)


def submit(client: Client, header: dict[str, str], **body: Any) -> Any:
    sent = {"app": "pi", "parameters": {"darts": 200}, "machine": "n1", "vault": "NONE", **body}
    return client.post("/api/v1/jobs", sent, content_type="application/json", headers=header)


def test_submitting_asks_for_nothing_twice(
    client: Client,
    owner: User,
    header: dict[str, str],
    version: Version,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """The token, the app, a savepoint and its release, machine types, the owner's count, job, task and event, hosts."""
    made = submit(client, header)
    assert made.json()["stages"] == []
    with django_assert_num_queries(10):
        assert submit(client, header).status_code == 201
    version.app.teams.add(make_team(owner))
    App.objects.update(visibility=App.Visibility.TEAMS)
    with django_assert_num_queries(12):  # whether one of its teams is theirs, when it is found and when it is launched
        assert submit(client, header).status_code == 201


def test_spaces_around_the_name_of_an_app_are_nothing(client: Client, header: dict[str, str], version: Version) -> None:
    assert submit(client, header, app=" pi ").json()["app"] == "pi"


def test_an_app_for_others_looks_as_if_it_were_not_there(
    client: Client, header: dict[str, str], version: Version
) -> None:
    missing = assert_problem(submit(client, header, app="secret"), 422)
    hidden = make_version(make_app(slug="secret", visibility="teams")).app
    assert assert_problem(submit(client, header, app="secret"), 422)["errors"] == missing["errors"]
    App.objects.filter(pk=hidden.pk).update(visibility="everyone", published=False)
    assert assert_problem(submit(client, header, app="secret"), 422)["errors"] == missing["errors"]
