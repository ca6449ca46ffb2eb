"""Template pages: listed and searched, shown, made from a job or a text, changed by whom they belong to."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from jobs.models import JobTemplate
from portal.people.models import User
from tests.factories import make_machine, make_person, make_template
from tests.jobs.bundles import make_bundle, submit
from tests.jobs.test_fan_launch import CUT_SCHEMA, fields, page_of, problems
from tests.jobs.test_stage_pages import text_of

pytestmark = pytest.mark.django_db
NEW = "/templates/new/"


@pytest.fixture(autouse=True)
def bundles() -> None:
    make_machine("n1", cores=2, ram_mib=4096)
    make_bundle("app", name="tiles", schema={"properties": {"width": {"type": "integer", "default": 800}}})
    make_bundle("partitioner", name="cutter", schema=CUT_SCHEMA)


def saved(client: Client, address: str, page: str, **changed: Any) -> Any:
    return client.post(address, {**fields(page), "go": "save", **changed})


def test_an_empty_list_says_what_to_do_next(as_owner: Client) -> None:
    assert "No templates yet" in text_of(as_owner, "/templates/")


def test_the_list_has_what_a_person_may_use_and_can_be_searched(
    as_owner: Client, owner: User, teammate: User, stranger: User
) -> None:
    make_template(owner, slug="mine", name="Sand dunes", app="tiles")
    make_template(teammate, slug="ours", app="tiles", team=owner.teams.get())
    make_template(stranger, slug="theirs", app="tiles")
    make_template(stranger, slug="for-all", app="tiles", everyone=True)
    words = text_of(as_owner, "/templates/")
    assert all(one in words for one in ("Sand dunes", "ours", "for-all"))
    assert "theirs" not in words
    found = text_of(as_owner, "/templates/", q="dUnes")
    assert "Sand dunes" in found
    assert "for-all" not in found
    assert "No template fits" in text_of(as_owner, "/templates/", q="%")


def test_a_bundles_page_and_launch_page_name_the_templates_that_one_may_start_from(
    as_owner: Client, owner: User, stranger: User
) -> None:
    assert "Start from a template" not in text_of(as_owner, "/apps/tiles/")
    make_template(
        owner, slug="usual", name="Usual <b>tiles</b>", description="Small ones", app="tiles@1", partitioner="cutter"
    )
    make_template(stranger, slug="theirs", name="Secret tiles", app="tiles")
    make_template(owner, slug="others", name="Other tiles", app="tiles-of-others", partitioner="cutter@1.0")
    for address in ("/apps/tiles/", "/apps/tiles/launch/"):
        page = page_of(as_owner, address)
        assert "Usual &lt;b&gt;tiles&lt;/b&gt;" in page
        assert "/templates/usual/launch/" in page
        assert "Secret tiles" not in page
        assert "Other tiles" not in page
    assert "Other tiles" in page_of(as_owner, "/apps/cutter/")
    assert "Filled in already" not in page_of(as_owner, "/apps/tiles/launch/?template=usual")


def test_a_template_shows_what_it_runs_and_where_it_could(as_owner: Client, owner: User) -> None:
    make_bundle("assembler", name="huge", device_requirements={"min_cpu": 99})
    make_template(
        owner,
        slug="t",
        app="tiles@1",
        partitioner="gone",
        assembler="huge",
        parameters={"app": {"deep": {"a": [1, 2]}}},
    )
    words = text_of(as_owner, "/templates/t/")
    assert "Machines that fit n1" in words
    assert "There is no ByteNite app or engine 'gone'" in words
    assert "No machine type here has that" in words
    assert '"a": [ 1, 2 ]' in words
    assert '"id": "t"' in words


def test_a_template_is_made_through_the_three_forms(as_owner: Client) -> None:
    page = page_of(as_owner, f"{NEW}?app=tiles")
    page = as_owner.post(NEW, {**fields(page), "go": "tag:partitioner", "partitioner": "cutter"}).content.decode()
    wrong = saved(as_owner, NEW, page, **{"id": "a b", "config-taskTimeout": "soon"})
    assert wrong.status_code == 422
    assert any("hours and minutes" in line for line in problems(wrong))
    answer = saved(
        as_owner, NEW, page, **{"id": "usual", "name": "Usual", "s:v:partitioner/rows": "9", "s:v:app/width": ""}
    )
    assert answer["Location"] == "/templates/usual/"
    made = JobTemplate.objects.get()
    assert (made.app, made.partitioner, made.name) == ("tiles", "cutter", "Usual")
    assert made.parameters["partitioner"] == {"rows": 9}
    again = saved(as_owner, NEW, page, id="usual")
    assert again.status_code == 409
    assert "There is a template 'usual' already" in again.content.decode().replace("&#x27;", "'")


def test_a_new_template_asks_for_an_app_and_says_so(as_owner: Client) -> None:
    page = page_of(as_owner, NEW)
    assert "not there any more" not in page
    answer = saved(as_owner, NEW, page, id="mine")
    assert answer.status_code == 422
    assert problems(answer) == ["App: Choose an app."]
    assert not JobTemplate.objects.exists()


def test_a_template_is_made_of_a_job_a_template_or_a_text(as_owner: Client, owner: User) -> None:
    job = submit(owner, assembler=None, parameters={"app": {"n": 3}}, config={"taskTimeout": 60})
    form = fields(page_of(as_owner, f"{NEW}?job={job.number}"))
    assert form["app"] == f"{job.version.app.slug}@1.0"
    assert json.loads(form["box-app"]) == {"n": 3}
    assert form["config-taskTimeout"] == "00:01"
    make_template(owner, slug="one", app="tiles", parameters={"app": {"width": 3}})
    assert fields(page_of(as_owner, f"{NEW}?copy=one"))["id"] == "one-copy"
    text = json.dumps({"id": "two", "app": "tiles", "params": {"app": {"width": 5}}})
    assert as_owner.post(NEW, {"go": "json", "json": text})["Location"] == "/templates/two/"
    assert JobTemplate.objects.get(slug="two").parameters == {"app": {"width": 5}}
    for missing in (f"{NEW}?job=999", f"{NEW}?copy=nope", f"{NEW}?bundle=tiles"):
        assert as_owner.get(missing).status_code == 404


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("{", "line 1"),
        ("[]", "is a JSON object"),
        ('{"id": "x", "app": "nope"}', "no ByteNite app or engine"),
        ('{"id": "x", "app": 3}', "must be a text"),
        ('{"id": "new", "app": "tiles"}', "address of the portal"),
        ('{"id": "x", "app": "tiles", "sauce": 1}', "not a key of a template"),
        ('{"id": "x", "app": "tiles", "params": []}', "must be an object"),
        ('{"id": "x", "app": "tiles", "config": {"taskTimeout": -1}}', "from 1"),
    ],
)
def test_a_text_that_is_no_template_says_what_is_wrong(as_owner: Client, text: str, words: str) -> None:
    answer = as_owner.post(NEW, {"go": "json", "json": text})
    assert answer.status_code == 422
    assert words.lower() in answer.content.decode().lower()
    assert not JobTemplate.objects.exists()


def test_only_its_owner_changes_a_template_and_curators_what_is_for_everyone(
    client: Client, owner: User, teammate: User
) -> None:
    make_template(owner, slug="ours", app="tiles", team=owner.teams.get())
    make_template(owner, slug="all", app="tiles", everyone=True)
    client.force_login(teammate)
    assert client.get("/templates/ours/edit/").status_code == 403
    assert client.post("/templates/ours/delete/").status_code == 403
    assert "Delete the template" not in client.get("/templates/ours/").content.decode()
    client.force_login(make_person(is_curator=True))
    assert client.get("/templates/all/edit/").status_code == 200
    client.force_login(owner)
    page = page_of(client, "/templates/ours/edit/")
    assert saved(client, "/templates/ours/edit/", page, name="New name")["Location"] == "/templates/ours/"
    kept = JobTemplate.objects.get(slug="ours")
    assert (kept.name, kept.team) == ("New name", owner.teams.get())
    assert client.post("/templates/ours/delete/").status_code == 302
    assert not JobTemplate.objects.filter(slug="ours").exists()


@pytest.mark.parametrize(
    "posted", [{"go": "save"}, {"go": "save", "id": "\0", "app": "\0" * 50}, {"go": "schema:add:x"}, {}]
)
def test_odd_posts_are_never_a_fault_of_ours(as_owner: Client, posted: dict[str, str]) -> None:
    assert as_owner.post(NEW, posted).status_code < 500
    assert as_owner.post("/templates/part/", posted).status_code < 500


def test_a_template_whose_app_is_gone_offers_no_launch(as_owner: Client, owner: User) -> None:
    make_template(owner, slug="whole", app="tiles", config={"taskTimeout": 90, "isTestJob": True})
    make_template(owner, slug="broken", app="nothing-like-it")
    page = as_owner.get("/templates/whole/").content.decode()
    assert "/templates/whole/launch/" in page
    assert '<dt>Time limit of a task</dt><dd class="input-value">1 min 30 s</dd>' in page
    assert '<dt>Trial</dt><dd class="input-value">Yes</dd>' in page
    page = as_owner.get("/templates/broken/").content.decode()
    assert "/templates/broken/launch/" not in page
    assert "/templates/broken/edit/" in page
