"""Apps that an author's schema describes, by every door: validator, launch page, REST; the same words at the same places."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps_catalog.launch.json_schema.asking import judge_here
from apps_catalog.launch.spec import Launch, Submission
from apps_catalog.launch.validate import validate
from jobs.models import Job
from jobs.states import JobState
from portal.people.models import User
from tests.apps_catalog.launch.json_schema.browsing import sent_by
from tests.factories import make_host, make_machine, make_person
from tests.jobs.schema_apps import make_schema_app, spec_with
from tests.jobs.schema_pages import posted

pytestmark = pytest.mark.django_db

SCHEMA: dict[str, Any] = {
    "$id": "db://samples",
    "definitions": {"word": {"type": "string", "maxLength": 5}},
    "properties": {
        "prompt": {"$ref": "#/definitions/word", "title": "Prompt"},
        "steps": {"type": "integer", "default": 3, "minimum": 1},
        "tags": {"type": "array", "items": {"type": "string"}},
        "slow": {"type": "string", "pattern": "^(a|a)*$"},
        "mode": {"enum": ["fast", "exact"]},
    },
    "required": ["prompt"],
    "if": {"properties": {"mode": {"const": "exact"}}, "required": ["mode"]},
    "then": {"properties": {"digits": {"type": "integer"}}, "required": ["digits"]},
}
URL = "/apps/pipeline/launch/"


@pytest.fixture
def ada(db: None) -> User:
    make_machine("n1")
    make_host("one", serves={"n1": 2})
    make_schema_app(SCHEMA)
    return make_person("ada")


@pytest.fixture
def client(ada: User) -> Client:
    client = Client()
    client.force_login(ada)
    return client


def judged(parameters: Any) -> Any:
    return validate(spec_with(SCHEMA), Submission("run", parameters, machine="n1"), judge_here)


def test_the_validator_gives_the_instance_itself() -> None:
    found = judged({"prompt": "hi", "extra": {"kept": None}})
    assert isinstance(found, Launch)
    assert found.values == {"prompt": "hi", "extra": {"kept": None}}


@pytest.mark.parametrize(
    ("parameters", "places"),
    [
        ({}, ["/parameters/prompt"]),
        ({"prompt": "too long"}, ["/parameters/prompt"]),
        ({"prompt": "x", "steps": 0, "tags": ["a", 1]}, ["/parameters/steps", "/parameters/tags/1"]),
        ({"prompt": "x", "mode": "exact"}, ["/parameters/digits"]),
        ({"prompt": "x\0"}, ["/parameters/prompt"]),
        ({"prompt": "x", "extra": "y" * 130_000}, ["/parameters"]),
        ([1], ["/parameters"]),
        ("text", ["/parameters"]),
        (None, ["/parameters"]),
    ],
)
def test_faults_have_pointers_below_parameters(parameters: Any, places: list[str]) -> None:
    assert [fault.pointer for fault in judged(parameters)] == places


def test_a_schema_without_a_judge_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="judge"):
        validate(spec_with({}), Submission("run", {}, machine="n1"))


def fill(client: Client, **changes: str) -> dict[str, Any]:
    """What the page posts once these fields (by address) were changed."""
    page = client.get(URL).content.decode()
    sent = dict(sent_by(page))
    sent.update({f"s:v:app/{key}": [value] for key, value in changes.items()})
    return posted(list(sent.items())).dict() | {k: v for k, v in sent.items() if len(v) > 1}


def launched() -> list[Job]:
    """Jobs that are more than drafts: what is refused is kept as one."""
    return list(Job.objects.exclude(state=JobState.DRAFT))


def test_the_page_launches_what_the_form_holds(client: Client) -> None:
    answer = client.post(URL, {**fill(client, prompt="hello"), "go": "launch"})
    assert answer.status_code == 303, answer.content.decode()[:3000]
    assert Job.objects.get().parameters == {"app": {"prompt": "hello", "steps": 3}}


def test_the_page_marks_faults_at_their_fields(client: Client) -> None:
    answer = client.post(URL, {**fill(client, prompt="much too long", steps="0"), "go": "launch"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "2 things to fix before launching" in page
    assert '<a href="#fapp/prompt" data-goto="fapp/prompt">' in page
    assert "Must have at most 5 characters." in page
    assert launched() == []


def test_the_live_panel_names_the_fields(client: Client) -> None:
    page = client.post(URL + "preview/", fill(client)).content.decode()
    assert '<li data-name="s:app/prompt" data-label="Prompt">Must be filled in.</li>' in page


def test_conditions_are_answered_at_once(client: Client) -> None:
    sent = fill(client, mode="1")
    assert client.post(URL + "part/", sent).json() == {"active": {"app/@0": True}}
    assert client.post(URL + "part/", {**sent, "s:v:app/mode": "0"}).json() == {"active": {"app/@0": False}}


def test_one_place_is_drawn_anew(client: Client) -> None:
    sent = {**fill(client), "go": "schema:add:app/tags", "part": "app/tags"}
    page = client.post(URL + "part/", sent).content.decode()
    assert 'data-node="app/tags/*0"' in page
    assert 'data-node="app/prompt"' not in page
    assert client.post(URL + "part/", {**sent, "part": "app/nowhere"}).status_code == 404


def test_form_and_json_show_the_same(client: Client) -> None:
    sent = fill(client, prompt="hello", mode="1")
    page = client.post(URL, {**sent, "go": "side:json"}).content.decode()
    values = dict(sent_by(page))
    assert '"prompt": "hello"' in values["json"][0]
    answer = client.post(URL, {**{k: v[-1] for k, v in values.items()}, "go": "side:form"})
    back = dict(sent_by(answer.content.decode()))
    assert back["s:v:app/prompt"] == ["hello"]
    assert back["s:v:app/mode"] == ["1"]


def test_links_fill_fields_in_and_say_what_they_could_not(client: Client) -> None:
    page = client.get(URL + '?p.prompt=7&p.steps=9&p.tags=["a"]&p.nothing=1').content.decode()
    sent = dict(sent_by(page))
    assert (sent["s:v:app/prompt"], sent["s:v:app/steps"], sent["s:v:app/tags/*0"]) == (["7"], ["9"], ["a"])
    assert "pipeline@1.0 does not have the parameter &#x27;nothing&#x27;" in page
    page = client.get(URL + "?p.partitioner.rows=7&p.app.prompt=hi").content.decode()
    assert dict(sent_by(page))["s:v:app/prompt"] == ["hi"]
    assert "passthrough does not have the parameter &#x27;rows&#x27;" in page


def test_an_earlier_job_is_edited_and_run_again(client: Client) -> None:
    client.post(URL, {**fill(client, prompt="hello"), "go": "launch"})
    job = Job.objects.get()
    sent = dict(sent_by(client.get(f"{URL}?from={job.number}").content.decode()))
    assert sent["s:v:app/prompt"] == ["hello"]


def test_a_schema_that_judges_too_long_launches_nothing_and_the_page_lives(client: Client) -> None:
    answer = client.post(URL, {**fill(client, prompt="a", slow="a" * 40 + "b"), "go": "launch"})
    assert answer.status_code == 422
    assert "This schema took longer than 1 s" in answer.content.decode()
    assert launched() == []
    assert client.post(URL, {**fill(client, prompt="a"), "go": "launch"}).status_code == 303


def test_rest_validates_creates_and_serves_the_schema(client: Client, ada: User) -> None:
    body = {"machines": {"run": "n1"}, "params": {"app": {"prompt": "too long", "tags": [1]}}}
    faults = client.post("/api/v1/apps/pipeline/validate", body, content_type="application/json").json()
    pointers = [fault["pointer"] for fault in faults["faults"]]
    assert pointers == ["/params/app/prompt", "/params/app/tags/0"]
    made = client.post(
        "/api/v1/jobs",
        {**body, "app": "pipeline", "params": {"app": {"prompt": "ok"}}},
        content_type="application/json",
    )
    assert made.status_code == 201, made.content
    assert Job.objects.get().parameters == {"app": {"prompt": "ok"}}
    refused = client.post("/api/v1/jobs", {**body, "app": "pipeline"}, content_type="application/json")
    assert refused.status_code == 422
    assert [error["pointer"] for error in refused.json()["errors"]] == pointers
    assert len(launched()) == 1
    served = client.get("/api/v1/apps/pipeline/versions/1.0/schema").json()
    assert SCHEMA in (served, served.get("run"), served.get("commands", {}).get("run"))


def test_without_a_script_the_buttons_load_the_page(client: Client) -> None:
    page = client.post(URL, {**fill(client, prompt="hello"), "go": "schema:add:app/tags"}).content.decode()
    sent = dict(sent_by(page))
    assert sent["s:v:app/prompt"] == ["hello"]
    assert "s:v:app/tags/*0" in sent
