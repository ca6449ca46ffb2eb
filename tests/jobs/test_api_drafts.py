"""Drafts and jobs in stages over the API: all keys in, all faults out, one job however often it is asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from jobs.models import Job
from jobs.states import JobState, Stage
from portal.people.models import User
from tests.factories import make_machine, make_template
from tests.jobs.bundles import make_bundle, stage

pytestmark = pytest.mark.django_db
SCHEMA = {"type": "object", "properties": {"width": {"type": "integer", "minimum": 1, "maximum": 4000}}}


@pytest.fixture(autouse=True)
def bundles() -> None:
    make_machine("n1", cores=4, ram_mib=8192)
    make_bundle("app", name="tiles", schema=SCHEMA)
    make_bundle("partitioner", name="cutter")
    make_bundle("assembler", name="stitch")


def send(client: Client, verb: str, path: str, body: Any = None, **headers: str) -> Any:
    ask = getattr(client, verb)
    raw = json.dumps({} if body is None else body)
    return ask(f"/api/v1/{path}", raw, content_type="application/json", headers=headers)


def made(client: Client, **body: Any) -> dict[str, Any]:
    answer = send(client, "post", "drafts", body)
    assert answer.status_code == 201, answer.content
    assert answer["Location"] == f"/api/v1/drafts/{answer.json()['number']}"
    found: dict[str, Any] = answer.json()
    return found


def faults(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.content
    return {fault["pointer"]: fault["message"] for fault in answer.json()["errors"]}


def test_a_draft_is_kept_as_it_was_sent(as_owner: Client) -> None:
    body = {
        "app": "tiles@1",
        "partitioner": "cutter",
        "assembler": "stitch@1.0",
        "params": {"app": {"width": 800}},
        "dataSource": {"kind": "bypass"},
        "dataDestination": {"kind": "bypass"},
        "config": {"taskTimeout": 60, "isTestJob": True},
        "machines": {"run": "n1"},
        "name": "first",
        "description": "A try.",
    }
    found = made(as_owner, **body)
    shown = as_owner.get(f"/api/v1/drafts/{found['number']}").json()
    tags = {"app": "tiles@1.0", "partitioner": "cutter@1.0", "assembler": "stitch@1.0"}
    assert {key: shown[key] for key in body} == body | tags
    assert as_owner.get("/api/v1/drafts").json()["items"] == [shown]


def test_a_template_gives_what_is_left_out(as_owner: Client, owner: User) -> None:
    make_template(
        owner,
        slug="usual",
        app="tiles",
        assembler="stitch",
        parameters={"app": {"width": 1, "deep": True}},
        config={"taskTimeout": 60, "maxTaskRetries": 2},
    )
    found = made(as_owner, template="usual", params={"app": {"width": 2}}, config={"taskTimeout": 5})
    assert (found["app"], found["partitioner"], found["assembler"]) == ("tiles@1.0", "passthrough", "stitch@1.0")
    assert found["params"] == {"app": {"width": 2, "deep": True}}
    assert found["config"] == {"taskTimeout": 5, "maxTaskRetries": 2}
    assert found["template"] == "usual"


@pytest.mark.parametrize(
    ("body", "pointer", "words"),
    [
        ({}, "/app", "Name an app"),
        ({"app": "tilse"}, "/app", "Did you mean 'tiles'?"),
        ({"app": "tiles@9"}, "/app", "No version that tiles@9 means is active"),
        ({"app": "tiles@1.7"}, "/app", "There is no version tiles@1.7"),
        ({"app": "tiles@99999999999"}, "/app", "is no tag"),
        ({"app": "passthrough"}, "/app", "There is no ByteNite app"),
        ({"app": "ti les"}, "/app", "is no tag"),
        ({"app": "cutter"}, "/app", "'cutter' is a partitioner"),
        ({"app": "tiles", "assembler": "cutter"}, "/assembler", "'cutter' is a partitioner"),
        ({"template": "nope"}, "/template", "There is no template 'nope'"),
        ({"app": "tiles", "team": "nope"}, "/team", "You are in no team"),
        ({"app": "tiles", "params": []}, "/params", "dictionary"),
        ({"app": "tiles", "parameters": {}}, "/parameters", "is not a key here"),
        ({"app": "tiles", "machines": {"run": "x" * 41}}, "/machines/run", "at most 40 characters"),
        ({"app": "tiles", "name": "x" * 201}, "/name", "200"),
    ],
)
def test_what_can_not_be_drafted_is_said_at_its_place(
    as_owner: Client, body: dict[str, Any], pointer: str, words: str
) -> None:
    found = faults(send(as_owner, "post", "drafts", body))
    assert words in found[pointer]
    assert not Job.objects.exists()


def test_a_template_whose_app_is_gone_says_which(as_owner: Client, owner: User) -> None:
    make_template(owner, slug="old", app="gone")
    assert (
        "app: There is no ByteNite app or engine 'gone'"
        in faults(send(as_owner, "post", "drafts", {"template": "old"}))["/template"]
    )
    assert made(as_owner, template="old", app="tiles")["app"] == "tiles@1.0"


def test_check_says_all_that_is_wrong_and_run_demands_that_nothing_is(as_owner: Client) -> None:
    body = {
        "app": "tiles",
        "params": {"app": {"width": 0}, "assembler": {"x": 1}},
        "dataSource": {"kind": "url"},
        "config": {"taskTimout": 3},
        "machines": {"run": "big"},
    }
    unknown = {"dataSource": {"kind": "moon", "secret_access_key": "open"}}  # nobody knows what of it is a secret
    assert faults(send(as_owner, "post", "drafts", {**body, **unknown})).keys() == {"/dataSource/kind"}
    assert not Job.objects.exists()
    number = made(as_owner, **body)["number"]
    verdict = send(as_owner, "post", f"drafts/{number}/check").json()
    assert not verdict["valid"]
    pointers = {fault["pointer"] for fault in verdict["faults"]}
    assert pointers >= {
        "/params/app/width",
        "/params/assembler",
        "/dataSource/urls",
        "/config/taskTimout",
        "/machines/run",
    }
    assert faults(send(as_owner, "post", f"drafts/{number}/run")).keys() == pointers
    changed = {"params": {"app": {"width": 5}}, "dataSource": {}, "config": {}, "machines": {}}
    answer = send(as_owner, "patch", f"drafts/{number}", changed)
    assert answer.status_code == 200
    assert answer.json()["params"] == {"app": {"width": 5}}
    verdict = send(as_owner, "post", f"drafts/{number}/check").json()
    assert verdict["valid"]
    assert [one["machine"] for one in verdict["stages"]] == ["n1", "n1", "n1"]
    assert verdict["stages"][1]["plan"]["env"]["APP_PARAMS"] == '{"width":5}'
    assert verdict["stages"][0]["plan"] is None
    assert Job.objects.get().state == JobState.DRAFT


def test_a_strict_change_refuses_what_is_wrong_with_it_and_changes_nothing(as_owner: Client) -> None:
    number = made(as_owner, app="tiles", params={"app": {"width": 5}})["number"]
    wrong = {"params": {"app": {"width": 0}}, "strict": True}
    assert "/params/app/width" in faults(send(as_owner, "patch", f"drafts/{number}", wrong))
    assert as_owner.get(f"/api/v1/drafts/{number}").json()["params"] == {"app": {"width": 5}}
    assert send(as_owner, "patch", f"drafts/{number}", {"name": "fine", "strict": True}).status_code == 200
    engine = send(as_owner, "patch", f"drafts/{number}", {"partitioner": "cutter"}).json()
    assert (engine["partitioner"], engine["app"]) == ("cutter@1.0", "tiles@1.0")
    assert send(as_owner, "patch", f"drafts/{number}", {"partitioner": "passthrough"}).json()["partitioner"] == (
        "passthrough"
    )


def test_a_draft_that_runs_is_a_job_with_the_same_number(as_owner: Client) -> None:
    number = made(as_owner, app="tiles", partitioner="cutter", config={"maxTaskRetries": 1})["number"]
    config = {"config": {"taskTimeout": 7}}
    first = send(as_owner, "post", f"drafts/{number}/run", config, **{"Idempotency-Key": "once"})
    again = send(as_owner, "post", f"drafts/{number}/run", config, **{"Idempotency-Key": "once"})
    assert first.status_code == again.status_code == 201
    assert first.json()["number"] == again.json()["number"] == number
    assert first.json()["config"] == {"maxTaskRetries": 1, "taskTimeout": 7}
    assert first.json()["state"] == "queued"
    assert send(as_owner, "post", f"drafts/{number}/run").status_code == 409
    assert send(as_owner, "patch", f"drafts/{number}", {"name": "late"}).status_code == 404
    assert as_owner.get("/api/v1/drafts").json()["items"] == []


def test_one_call_drafts_and_runs_once_for_each_key(as_owner: Client) -> None:
    body = {"app": "tiles", "partitioner": "cutter", "assembler": "stitch", "params": {"app": {"width": 9}}}
    first = send(as_owner, "post", "jobs", body, **{"Idempotency-Key": "k1"})
    assert first.status_code == 201, first.content
    again = send(as_owner, "post", "jobs", body, **{"Idempotency-Key": "k1"})
    assert (again.status_code, again["Idempotent-Replay"]) == (200, "true")
    assert again.json()["number"] == first.json()["number"]
    other = send(as_owner, "post", "jobs", {**body, "name": "other"}, **{"Idempotency-Key": "k1"})
    assert other.json()["code"] == "idempotency_mismatch"
    job = Job.objects.get()
    assert stage(job, Stage.PARTITION).total == 1
    assert first["Location"] == f"/api/v1/jobs/{job.number}"


def test_a_dry_run_and_validate_give_the_plan_of_each_stage_and_write_nothing(as_owner: Client) -> None:
    body = {"app": "tiles", "partitioner": "cutter"}
    dry = send(as_owner, "post", "jobs", {**body, "dry_run": True})
    assert dry.status_code == 200
    judged = send(as_owner, "post", "apps/tiles/validate", {"partitioner": "cutter"})
    assert judged.status_code == 200
    assert judged.json() == dry.json()
    assert judged.json()["stages"][0]["version"] == "cutter@1.0"
    wrong = send(as_owner, "post", "apps/tiles/validate", {"params": {"app": {"width": "x"}}}).json()
    assert [fault["pointer"] for fault in wrong["faults"]] == ["/params/app/width"]
    assert "/params/app/width" in faults(
        send(as_owner, "post", "jobs", {"app": "tiles", "params": {"app": {"width": "x"}}, "dry_run": True})
    )
    assert "/app" in faults(send(as_owner, "post", "apps/tiles/validate", {"app": "other"}))
    assert not Job.objects.exists()


def test_any_job_in_stages_can_be_duplicated_and_a_draft_deleted(as_owner: Client) -> None:
    number = made(as_owner, app="tiles", params={"app": {"width": 3}}, name="one")["number"]
    send(as_owner, "post", f"drafts/{number}/run")
    copy = send(as_owner, "post", f"jobs/{number}/duplicate")
    assert copy.status_code == 201
    assert copy.json()["params"] == {"app": {"width": 3}}
    assert copy.json()["number"] != number
    assert send(as_owner, "delete", f"drafts/{copy.json()['number']}").status_code == 204
    assert send(as_owner, "delete", f"drafts/{number}").status_code == 404
    assert Job.objects.count() == 1


def test_a_teammate_sees_a_shared_draft_and_can_not_change_it(client: Client, owner: User, teammate: User) -> None:
    client.force_login(owner)
    team = owner.teams.get()
    number = made(client, app="tiles", team=team.slug)["number"]
    client.force_login(teammate)
    assert client.get(f"/api/v1/drafts/{number}").status_code == 200
    assert send(client, "patch", f"drafts/{number}", {"name": "x"}).status_code == 403
    assert send(client, "post", f"drafts/{number}/run").status_code == 403
    assert send(client, "delete", f"drafts/{number}").status_code == 403
    assert client.get("/api/v1/drafts").json()["items"] == []
