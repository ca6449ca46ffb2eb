"""Jobs over the API: submit, rehearse, replay, list, read, cancel."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apps_catalog.models import Version
from jobs.models import IdempotencyKey, Job, MachineType, Task
from jobs.states import JobState, TaskState
from portal.people.models import User
from tests.factories import make_app, make_host, make_job, make_machine, make_vault, make_version
from tests.portal.test_api import assert_problem, bearer

pytestmark = pytest.mark.django_db


@pytest.fixture
def version(machine: MachineType) -> Version:
    return make_version(make_app(slug="pi"))


@pytest.fixture
def machine(db: None) -> MachineType:
    return make_machine("n1", price_per_hour="0.5")


@pytest.fixture
def header(owner: User) -> dict[str, str]:
    return bearer(owner)


def submit(client: Client, header: dict[str, str], *, key: str = "", **body: Any) -> Any:
    sent = {"app": "pi", "parameters": {"darts": 200}, "vault": "NONE", **body}
    more = {"Idempotency-Key": key} if key else {}
    return client.post("/api/v1/jobs", sent, content_type="application/json", headers={**header, **more})


# Create


def test_a_submission_becomes_a_job(client: Client, owner: User, header: dict[str, str], version: Version) -> None:
    answer = submit(client, header, label="first", walltime_s=60, priority=3)
    assert answer.status_code == 201, answer.content
    job = Job.objects.get()
    shown = answer.json()
    assert answer["Location"] == f"/api/v1/jobs/{job.number}"
    assert shown["number"] == job.number
    assert (shown["state"], shown["app"], shown["version"], shown["command"]) == (
        "queued",
        "pi",
        version.label,
        "throw",
    )
    assert shown["parameters"] == {"darts": 200}
    assert (shown["machine"], shown["vault"], shown["label"], shown["priority"]) == ("n1", None, "first", 3)
    assert shown["plan_digest"] == job.plan_digest
    assert job.owner == owner
    assert client.get(shown["links"]["self"], headers=header).json()["number"] == job.number


def test_the_same_key_and_body_give_the_first_job_again(
    client: Client, header: dict[str, str], version: Version
) -> None:
    first = submit(client, header, key="k-1")
    again = submit(client, header, key="k-1")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again["Idempotent-Replay"] == "true"
    assert "Idempotent-Replay" not in first
    assert first.json()["number"] == again.json()["number"]
    assert Job.objects.count() == IdempotencyKey.objects.count() == 1


def test_the_order_of_keys_does_not_make_another_body(client: Client, header: dict[str, str], version: Version) -> None:
    texts = ('{"app": "pi", "vault": "NONE", "label": "a"}', '{"label":"a","vault":"NONE","app":"pi"}')
    with_key = {**header, "Idempotency-Key": "k"}
    body = [client.post("/api/v1/jobs", text, content_type="application/json", headers=with_key) for text in texts]
    assert [answer.status_code for answer in body] == [201, 200], body[0].content


def test_the_same_key_with_another_body_is_refused(client: Client, header: dict[str, str], version: Version) -> None:
    submit(client, header, key="k-1")
    assert_problem(submit(client, header, key="k-1", label="other"), 422, "idempotency_mismatch")
    assert Job.objects.count() == 1


def test_keys_of_two_people_are_two_keys(
    client: Client, header: dict[str, str], stranger: User, version: Version
) -> None:
    assert submit(client, header, key="k").status_code == 201
    assert submit(client, bearer(stranger), key="k").status_code == 201


@pytest.mark.parametrize("key", ["x" * 201, "a b", "é", "\t"])
def test_a_key_that_is_none_is_a_fault(client: Client, header: dict[str, str], version: Version, key: str) -> None:
    assert_problem(submit(client, header, key=key), 422, "bad_key")


def test_a_dry_run_shows_the_plan_and_writes_nothing(client: Client, header: dict[str, str], version: Version) -> None:
    answer = submit(client, header, dry_run=True, walltime_s=7200)
    assert answer.status_code == 200, answer.content
    shown = answer.json()
    assert shown["plan"]["argv"] == ["/usr/bin/python3", "200"]
    assert shown["machine"] == "n1"
    assert shown["estimate"] == {"walltime_s": 7200, "cost_max": "1.00"}
    assert not Job.objects.exists()
    real = submit(client, header, walltime_s=7200)
    assert real.json()["plan_digest"] == shown["plan_digest"]


def test_a_job_says_its_nodes_and_what_it_costs(client: Client, header: dict[str, str], version: Version) -> None:
    MachineType.objects.update(nodes_max=3, price_per_hour=Decimal("0.50"))
    made = submit(client, header, nodes=3, walltime_s=7200)
    shown = made.json()
    assert (shown["nodes"], shown["price_per_hour"], shown["cost"]) == (3, "0.5000", "0.0000")
    began = timezone.now() - timedelta(hours=2)
    job = Job.objects.get()
    Job.objects.update(state="succeeded", started_at=began, finished_at=began + timedelta(minutes=30))
    MachineType.objects.update(price_per_hour=9)
    assert client.get(made["Location"], headers=header).json()["cost"] == "0.7500"
    rehearsed = submit(client, header, nodes=2, walltime_s=3600, dry_run=True).json()
    assert (rehearsed["plan"]["nodes"], rehearsed["estimate"]["cost_max"]) == (2, "18.00")
    assert_problem(submit(client, header, nodes=4), 422)
    job.started_at, job.finished_at = began, None
    job.price_per_hour = Decimal("0.5")
    assert job.cost(began + timedelta(seconds=90)) == Decimal("0.0375")
    assert job.cost(began - timedelta(seconds=90)) == 0


def test_all_faults_come_at_once_with_their_places(client: Client, header: dict[str, str], version: Version) -> None:
    answer = submit(
        client, header, parameters={"darts": 205, "-sed": 3}, machine="n9", vault="nobodys", walltime_s=None
    )
    pointers = {fault["pointer"] for fault in assert_problem(answer, 422, "invalid")["errors"]}
    assert {"/parameters/darts", "/parameters/-sed", "/machine", "/vault"} <= pointers
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("over", "pointer", "says"),
    [
        ({"app": "po"}, "/app", "no app"),
        ({"app": "pi@1"}, "/app", "no app 'pi@1'"),
        ({"version": "9.9"}, "/version", "no version"),
        ({"command": "thrw"}, "/command", "throw"),
        ({"team": "crew"}, "/team", "no team"),
        ({"paramters": {}}, "/paramters", "'parameters'"),
        ({"nodes": True}, "/nodes", ""),
        ({"nodes": "2"}, "/nodes", ""),
        ({"label": 3}, "/label", ""),
        ({"label": "a\0b"}, "/label", ""),
        ({"vault_readonly": "yes"}, "/vault_readonly", ""),
        ({"walltime_s": 0}, "/walltime_s", ""),
        ({"parameters": [1]}, "/parameters", ""),
        ({"app": "a\0b"}, "/app", ""),
        ({"app": ""}, "/app", ""),
    ],
)
def test_each_fault_has_its_place(
    client: Client, header: dict[str, str], version: Version, over: dict[str, Any], pointer: str, says: str
) -> None:
    errors = assert_problem(submit(client, header, **over), 422)["errors"]
    assert [error["pointer"] for error in errors] == [pointer]
    assert says in errors[0]["message"]


def test_a_draft_is_launched_by_nobody(client: Client, header: dict[str, str], curator: User, version: Version) -> None:
    draft = make_version(version.app, state="draft")
    assert_problem(submit(client, header, version=draft.label), 422)
    answer = submit(client, bearer(curator, "launch", "curate"), version=draft.label)
    assert_problem(answer, 409, "not_launchable")


def test_a_job_is_shared_only_with_a_team_of_ones_own(
    client: Client, header: dict[str, str], owner: User, teammate: User, stranger: User, version: Version
) -> None:
    slug = owner.teams.get().slug
    made = submit(client, header, team=slug)
    assert made.json()["team"] == slug
    assert client.get(made["Location"], headers=bearer(teammate)).status_code == 200
    assert_problem(submit(client, bearer(stranger), team=slug), 422)


# Validate


def test_validate_gives_the_plan_or_the_faults(client: Client, header: dict[str, str], version: Version) -> None:
    def ask(**body: Any) -> Any:
        sent = {"vault": "NONE", **body}
        return client.post("/api/v1/apps/pi/validate", sent, content_type="application/json", headers=header)

    good = ask(parameters={"darts": 20}).json()
    assert good["valid"] is True
    assert good["plan"]["argv"][-1] == "20"
    assert good["estimate"]["walltime_s"] > 0
    bad = ask(parameters={"darts": 5}).json()
    assert (bad["valid"], bad["plan"]) == (False, None)
    assert bad["faults"][0]["pointer"] == "/parameters/darts"
    assert not Job.objects.exists()


def test_validate_of_an_app_that_is_not_yours_is_404(client: Client, header: dict[str, str], db: None) -> None:
    make_app(slug="secret", visibility="teams", published=True)
    answer = client.post("/api/v1/apps/secret/validate", {}, content_type="application/json", headers=header)
    assert_problem(answer, 404)


# List and read


def numbers(client: Client, header: dict[str, str], **asked: Any) -> list[int]:
    answer = client.get("/api/v1/jobs", asked, headers=header)
    assert answer.status_code == 200, answer.content
    return [item["number"] for item in answer.json()["items"]]


def test_the_list_is_filtered_by_each_thing(
    client: Client, header: dict[str, str], owner: User, version: Version
) -> None:
    first = make_job(owner, version=version, label="Mesh 1")
    second = make_job(owner, version=version, state=JobState.FAILED, label="mesh 2")
    third = make_job(owner, state=JobState.SUCCEEDED)
    Job.objects.filter(pk=first.pk).update(created_at=timezone.now() - timedelta(days=3))
    assert numbers(client, header) == [third.number, second.number, first.number]
    assert numbers(client, header, state="failed,succeeded") == [third.number, second.number]
    assert numbers(client, header, app="pi") == [second.number, first.number]
    assert numbers(client, header, label="MESH") == [second.number, first.number]
    yesterday = (timezone.now() - timedelta(days=1)).isoformat()
    assert numbers(client, header, created_after=yesterday) == [third.number, second.number]
    assert numbers(client, header, created_before=yesterday) == [first.number]
    assert numbers(client, header, app="pi", state="queued") == [first.number]


@pytest.mark.parametrize(
    "asked", [{"state": "done"}, {"created_after": "soon"}, {"whose": "yours"}, {"label": "a\0"}, {"app": "\0"}]
)
def test_a_filter_that_means_nothing_is_422(client: Client, header: dict[str, str], asked: dict[str, str]) -> None:
    body = assert_problem(client.get("/api/v1/jobs", asked, headers=header), 422)
    assert body["errors"][0]["pointer"] == "/" + next(iter(asked))


def test_whose_jobs_are_listed(
    client: Client, owner: User, teammate: User, stranger: User, operator: User, version: Version
) -> None:
    own = make_job(owner, version=version)
    shared = make_job(owner, version=version, team=owner.teams.get())
    assert numbers(client, bearer(owner)) == [shared.number, own.number]
    assert numbers(client, bearer(teammate)) == []
    assert numbers(client, bearer(teammate), whose="team") == [shared.number]
    assert numbers(client, bearer(teammate), whose="all") == [shared.number]
    assert numbers(client, bearer(stranger), whose="team") == []
    assert numbers(client, bearer(stranger), whose="all") == []
    assert numbers(client, bearer(operator), whose="all") == []
    assert numbers(client, bearer(operator, "read", "operate"), whose="all") == [shared.number, own.number]


def test_a_list_costs_the_same_however_long(
    client: Client, header: dict[str, str], owner: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(6):
        make_job(owner, vault=make_vault(owner))
    for path in ("jobs", "queue"):
        with django_assert_max_num_queries(8):
            assert len(client.get(f"/api/v1/{path}", headers=header).json()["items"]) == 6


def test_a_waiting_job_says_why(client: Client, header: dict[str, str], owner: User, version: Version) -> None:
    job = make_job(owner, version=version)
    reason = client.get(f"/api/v1/jobs/{job.number}", headers=header).json()["reason"]
    assert "no host that serves n1 is up" in reason
    queue = client.get("/api/v1/queue", headers=header).json()["items"]
    assert queue[0]["number"] == job.number
    assert queue[0]["reason"] == "No host that serves n1 is up."


def test_the_queue_names_limits_free_and_busy_slots(
    client: Client, header: dict[str, str], owner: User, version: Version
) -> None:
    def reasons() -> list[str]:
        return [item["reason"] for item in client.get("/api/v1/queue", headers=header).json()["items"]]

    make_job(owner, version=version)
    host = make_host(serves={"n1": 1})
    assert reasons() == ["About to start."]
    running = make_job(owner, version=version, state=JobState.RUNNING)
    assert running.tasks.get().host == host
    assert reasons() == ["All 1 slots busy; 1 waiting."]
    Task.objects.filter(state=TaskState.READY).update(state=TaskState.HELD)
    assert reasons() == ["owner has as many jobs running as the limit allows."]
    MachineType.objects.update(enabled=False)
    Task.objects.filter(state=TaskState.HELD).update(state=TaskState.READY)
    assert reasons()[0].startswith("n1 is switched off.")


def test_a_finished_job_tells_how_it_went(
    client: Client, header: dict[str, str], owner: User, version: Version
) -> None:
    now = timezone.now()
    job = make_job(
        owner,
        version=version,
        state=JobState.FAILED,
        exit_code=3,
        reason="It ended with exit code 3.",
        started_at=now - timedelta(seconds=5),
        finished_at=now,
    )
    shown = client.get(f"/api/v1/jobs/{job.number}", headers=header).json()
    assert (shown["state"], shown["failure_class"], shown["exit_code"]) == ("failed", "user", 3)
    assert shown["duration_s"] == 5.0


@pytest.mark.parametrize("number", [0, 999_999, 2**63, 10**30])
def test_a_number_that_is_not_there_is_404(client: Client, header: dict[str, str], number: int) -> None:
    for rest in ("", "/log", "/events", "/results", "/results/a.txt"):
        assert_problem(client.get(f"/api/v1/jobs/{number}{rest}", headers=header), 404)


# Cancel


def test_a_waiting_job_is_cancelled_at_once(
    client: Client, header: dict[str, str], owner: User, version: Version
) -> None:
    job = make_job(owner, version=version)
    answer = client.post(f"/api/v1/jobs/{job.number}/cancel", headers=header)
    assert answer.status_code == 200, answer.content
    assert answer.json()["state"] == "cancelled"
    again = client.post(f"/api/v1/jobs/{job.number}/cancel", headers=header)
    assert_problem(again, 409, "already_ended")


def test_teammates_see_and_strangers_do_not_and_neither_cancels(
    client: Client, owner: User, teammate: User, stranger: User, operator: User, version: Version
) -> None:
    job = make_job(owner, version=version, team=owner.teams.get(), state=JobState.RUNNING)
    path = f"/api/v1/jobs/{job.number}/cancel"
    assert_problem(client.post(path, headers=bearer(teammate)), 403)
    assert_problem(client.post(path, headers=bearer(stranger)), 404)
    assert_problem(client.post(path, headers=bearer(operator, "launch")), 404)
    assert_problem(client.post(path, headers=bearer(owner, "read")), 403, "scope_missing")
    assert client.post(path, headers=bearer(operator, "launch", "operate")).status_code == 200


# Machines and hosts


def test_machines_show_how_busy_they_are(client: Client, header: dict[str, str], version: Version) -> None:
    make_host(serves={"n1": 2})
    found = client.get("/api/v1/machines", headers=header).json()["items"]
    assert [(one["machine"]["name"], one["state"], one["slots"]) for one in found] == [("n1", "free", 2)]
    assert found[0]["machine"]["price_per_hour"] == "0.5000"


def test_hosts_are_for_operators(client: Client, header: dict[str, str], operator: User, owner: User) -> None:
    make_host("one")
    make_host("two", heartbeat_at=timezone.now() - timedelta(hours=1))
    make_job(owner, state=JobState.RUNNING)
    assert_problem(client.get("/api/v1/hosts", headers=bearer(owner, "operate")), 403)
    found = client.get("/api/v1/hosts", headers=bearer(operator, "operate")).json()["items"]
    assert [(host["name"], host["alive"], host["running"]) for host in found] == [("one", True, 1), ("two", False, 0)]


def test_the_answer_is_json_whatever_is_asked_for(client: Client, header: dict[str, str]) -> None:
    for accept in ("text/html", "application/xml", "*/*", "nonsense"):
        answer = client.get("/api/v1/jobs", headers={**header, "Accept": accept})
        assert answer.status_code == 200
        assert answer["Content-Type"] == "application/json"
        json.loads(answer.content)
