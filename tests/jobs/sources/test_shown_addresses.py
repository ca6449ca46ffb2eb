"""What follows the `?` of a source's address may be a key: who may change what names it sees it, and nobody else, nor a job's page."""

from __future__ import annotations

import pytest
from django.test import Client

from portal.people.models import User
from tests.factories import make_template
from tests.jobs.bundles import make_bundle, submit
from tests.portal.test_api import bearer

pytestmark = pytest.mark.django_db
SOURCE = {"kind": "url", "urls": ["https://data.example/a.csv?sig=geheim"]}


def seen(user: User, path: str) -> str:
    client = Client()
    client.force_login(user)
    headers = bearer(user, "read") if path.startswith("/api/") else {}
    answer = (Client() if headers else client).get(path, headers=headers)
    assert answer.status_code == 200, (path, answer.content[:300])
    return answer.content.decode()


@pytest.fixture
def paths(owner: User, teammate: User, folders: object) -> dict[str, list[str]]:
    """Addresses of a job, a draft and a template that the team shares."""
    app, team = make_bundle(name="plain-app"), owner.teams.get()
    make_template(owner, slug="shared", app="plain-app", source=SOURCE, team=team)
    job, draft = submit(owner, app=app, source=SOURCE), submit(owner, app=app, source=SOURCE)
    type(job).objects.update(team=team)
    type(job).objects.filter(pk=draft.pk).update(state="draft")
    return {
        "job": [f"/api/v1/jobs/{job.number}", "/api/v1/jobs?whose=all", f"/jobs/{job.number}/inputs/"],
        "own": [
            f"/api/v1/drafts/{draft.number}",
            "/api/v1/templates/shared",
            "/api/v1/templates",
            "/templates/shared/",
        ],
    }


def test_a_job_shows_nothing_of_it(paths: dict[str, list[str]], owner: User, teammate: User) -> None:
    for person in (owner, teammate):
        for path in paths["job"]:
            found = seen(person, path)
            assert "https://data.example/a.csv?..." in found, path
            assert "geheim" not in found, path


def test_a_draft_and_a_template_show_it_to_who_may_change_them(
    paths: dict[str, list[str]], owner: User, teammate: User
) -> None:
    for path in paths["own"]:
        assert "sig=geheim" in seen(owner, path), path
        found = seen(teammate, path)
        assert "https://data.example/a.csv?..." in found, path
        assert "geheim" not in found, path
