"""A command that an author's schema describes, in what curators and the catalog do with every command."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from apps_catalog.launch.difference import Change, difference
from apps_catalog.launch.overlay import apply, carry_over
from apps_catalog.launch.spec import LaunchSpec, Submission
from apps_catalog.models import Version
from jobs.forms.conditions import absent, as_sent
from jobs.forms.drafts import Draft, as_body, typed_parameters
from jobs.models import Job
from jobs.services import fan_out
from jobs.services.fan_out import FanOut
from portal.people.models import User
from tests.factories import make_host, make_machine, make_person
from tests.jobs.schema_apps import make_schema_app, spec_with
from tests.jobs.test_schema_launch import SCHEMA

BASE = "/curate/apps/pipeline/1.0/"


@pytest.fixture
def curator(db: None) -> User:
    make_machine("n1")
    make_host("one", serves={"n1": 2})
    make_schema_app(SCHEMA)
    return make_person("curie", is_curator=True)


@pytest.fixture
def client(curator: User) -> Client:
    client = Client()
    client.force_login(curator)
    return client


def spec_of(schema: dict[str, Any] = SCHEMA) -> LaunchSpec:
    return spec_with(schema)


def used(owner: User) -> str:
    """The version's label, after a job of it."""
    version = Version.objects.get(app__slug="pipeline")
    sent = {"app": {"prompt": "hi", "tags": ["a"]}}
    job = fan_out.submit(owner=owner, asked=FanOut(app=version, parameters=sent)).job
    assert job.parameters == sent
    return version.label


def test_no_value_of_a_schema_counts_as_hidden_or_unknown() -> None:
    spec = spec_of()
    sent = Submission("run", {"prompt": "hi", "own": {"deep": [None, 0.5]}, "": False}, machine="n1")
    assert absent(spec.commands["run"], sent.parameters) == frozenset()
    assert as_sent(spec, sent) is sent
    assert typed_parameters(spec, sent) == sent.parameters
    for hidden in (True, False):
        body = as_body(Draft(sent), spec, app="x", version="1", hidden=hidden)
        assert body["parameters"] == sent.parameters


def test_an_overlay_may_rename_a_command_and_not_reshape_its_schema() -> None:
    spec = spec_of()
    shaped = apply(
        spec, {"commands": {"run": {"name": "Go", "description": "Does it.", "order": [], "parameters": {}}}}
    )
    assert isinstance(shaped, LaunchSpec)
    assert shaped.commands["run"].name == "Go"
    assert shaped.commands["run"].schema == spec.commands["run"].schema
    wish = {"commands": {"run": {"name": "Go", "order": ["steps"], "parameters": {"steps": {"label": "Rounds"}}}}}
    refused = apply(spec, wish)
    assert isinstance(refused, list)
    assert [fault.pointer for fault in refused] == ["/commands/run/order", "/commands/run/parameters"]
    assert carry_over(spec, wish).overlay == {"commands": {"run": {"name": "Go"}}}


def test_two_schemas_are_compared_by_what_they_ask_for() -> None:
    old = spec_of()
    assert difference(old, spec_of()).same
    properties = {key: one for key, one in SCHEMA["properties"].items() if key != "slow"} | {"new": {"title": "New"}}
    (command,) = difference(old, spec_of({**SCHEMA, "properties": properties})).commands
    assert [(one.key, one.state) for one in command.shown] == [("slow", "dropped"), ("new", "new")]
    assert command.changes == (Change("JSON Schema of the parameters", "", "is another"),)
    bare = replace(old, commands={"run": replace(old.commands["run"], schema=None)})
    assert difference(bare, old).commands[0].changes == (Change("JSON Schema of the parameters", "", "is new"),)
    assert difference(old, bare).commands[0].changes == (Change("JSON Schema of the parameters", "", "is gone"),)


def test_the_apps_page_says_what_it_asks_for_and_how_to_call_it(client: Client) -> None:
    page = client.get("/apps/pipeline/").content.decode()
    assert "1 required and 4 optional values" in page
    assert "&quot;steps&quot;" in page


def test_a_dry_run_judges_by_the_schema(client: Client) -> None:
    page = client.get(BASE + "dry-run/").content.decode()
    assert "Must be filled in." in page  # the prompt has no default
    body = {"app": "pipeline", "command": "run", "machine": "n1"}
    sent = json.dumps({**body, "parameters": {"prompt": "hello"}})
    panel = client.post(BASE + "dry-run/", {"json": sent}).content.decode()
    assert (
        "is a ByteNite app, which runs in stages" in panel
    )  # and its page offers no dry run: the launch page plans it
    assert "Must be" not in panel
    rehearsed = {"app": "pipeline", "dry_run": True, "params": {"app": {"prompt": "hello"}}}
    planned = client.post("/api/v1/jobs", rehearsed, content_type="application/json").json()
    assert planned["stages"][1]["plan"]["env"]["APP_PARAMS"] == '{"prompt":"hello"}'
    sent = json.dumps({**body, "parameters": {"prompt": "hello", "steps": 0}})
    assert "Must be at least 1." in client.post(BASE + "dry-run/", {"json": sent}).content.decode()
    assert Job.objects.count() == 0


@pytest.mark.parametrize(
    "path",
    [
        "",
        "overlay/",
        "overlay/?command=run&part=command",
        "overlay/?command=run&part=parameters",
        "usage/",
        "machines/",
    ],
)
def test_the_curators_pages_draw_it(client: Client, curator: User, path: str) -> None:
    version = used(curator)
    assert client.get(f"/curate/apps/pipeline/{version}/{path}").status_code == 200


def test_the_overlays_preview_draws_the_form(client: Client) -> None:
    entry = json.dumps({"name": "Go", "description": "", "hidden": False, "machines": []})
    page = client.post(BASE + "overlay/preview/", {"command": "run", "part": "command", "page": "1", "entry": entry})
    assert page.status_code == 200
    assert "data-schema-form" in page.content.decode()
    assert ">Go<" in page.content.decode()


def test_running_again_brings_every_value_back(client: Client, curator: User) -> None:
    used(curator)
    page = client.get(f"/apps/pipeline/launch/?from={Job.objects.get().number}").content.decode()
    assert 'value="hi"' in page
    assert 'value="a"' in page
