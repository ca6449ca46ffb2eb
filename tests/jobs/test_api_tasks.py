"""Stages and tasks over the API: what a job says of its stages, the list of tasks, one task, and a retry."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client

from jobs import mounts
from jobs.collect import Item
from jobs.models import Job
from jobs.states import FailureClass
from portal.people.models import User
from tests.jobs.bundles import begin, done, partitioned, submit

pytestmark = pytest.mark.django_db


def get(client: Client, path: str, **query: Any) -> Any:
    answer = client.get(f"/api/v1/jobs/{path}", query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def stored(name: str, text: bytes) -> Item:
    mounts.mark()
    return Item(
        "out.txt", len(text), "0" * 64, "text/plain", default_storage.save(f"results/{name}", ContentFile(text))
    )


@pytest.fixture
def job(owner: User) -> Job:
    """Three chunks: the first succeeded, the second failed, the third was not run."""
    job = submit(owner, assembler=None, config={"maxTaskRetries": 0}, parameters={"app": {"n": 1}})
    partitioned(job, 3)
    done(begin(job), results=(stored("zero", b"zero"),))
    done(begin(job), "Exit code 3.", failure=FailureClass.USER, exit_code=3)
    return job


def test_a_job_tells_of_its_stages(as_owner: Client, job: Job) -> None:
    found = get(as_owner, str(job.number))
    stages = {stage["stage"]: stage for stage in found["stages"]}
    assert list(stages) == ["partition", "run", "assemble"]
    assert (stages["partition"]["state"], stages["partition"]["total"]) == ("succeeded", 1)
    run = stages["run"]
    assert (run["state"], run["total"], run["succeeded"], run["failed"], run["cancelled"]) == ("failed", 3, 1, 1, 1)
    assert run["started_at"]
    assert run["machine"] == "n1"
    assert stages["assemble"]["version"] is None
    assert stages["run"]["version"] == str(job.version)
    assert found["parameters"] == {"app": {"n": 1}}
    assert found["config"] == {"maxTaskRetries": 0}
    listed = as_owner.get("/api/v1/jobs").json()["items"][0]
    assert len(listed["stages"]) == 3


def test_tasks_are_listed_by_stage_and_state_and_in_pages(as_owner: Client, job: Job) -> None:
    page = get(as_owner, f"{job.number}/tasks", limit=2)
    assert [(task["stage"], task["index"]) for task in page["items"]] == [("partition", 0), ("run", 0)]
    rest = as_owner.get(page["next"]).json()
    assert [(task["stage"], task["index"]) for task in rest["items"]] == [("run", 1), ("run", 2)]
    assert rest["next"] is None
    failed = get(as_owner, f"{job.number}/tasks", stage="run", state="failed")["items"]
    assert [task["index"] for task in failed] == [1]
    assert (failed[0]["attempt"]["exit_code"], failed[0]["attempt"]["host"]) == (3, "one")
    assert as_owner.get(f"/api/v1/jobs/{job.number}/tasks", {"state": "odd"}).status_code == 422


def test_a_page_of_tasks_costs_the_same_whatever_it_holds(
    as_owner: Client, owner: User, django_assert_max_num_queries: Any
) -> None:
    job = submit(owner)
    partitioned(job, 300)
    with django_assert_max_num_queries(14):
        assert len(get(as_owner, f"{job.number}/tasks", limit=200)["items"]) == 200


def test_one_task_tells_its_attempts_log_and_results(as_owner: Client, job: Job) -> None:
    at = f"{job.number}/tasks/run/0"
    task = get(as_owner, at)
    assert [(attempt["number"], attempt["state"]) for attempt in task["attempts"]] == [(1, "exited")]
    assert (task["state"], task["chunk_bytes"]) == ("succeeded", 10)
    assert task["links"]["log"] == f"/api/v1/jobs/{at}/log"
    assert as_owner.get(task["links"]["log"]).status_code == 200
    assert [result["path"] for result in get(as_owner, f"{at}/results")["items"]] == ["out.txt"]
    answer = as_owner.get(f"/api/v1/jobs/{at}/results/out.txt")
    assert b"".join(answer.streaming_content) == b"zero"  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", ["run/9", "walk/0", "run/99999999999999999999", "assemble/0", "run/0/results/none"])
def test_what_is_not_there_is_a_404(as_owner: Client, job: Job, path: str) -> None:
    assert as_owner.get(f"/api/v1/jobs/{job.number}/tasks/{path}").status_code == 404


def test_tasks_of_others_are_not_there(client: Client, stranger: User, job: Job) -> None:
    client.force_login(stranger)
    for path in ("tasks", "tasks/run/0", "tasks/run/0/log", "tasks/run/0/results", "tasks/run/0/results/out.txt"):
        assert client.get(f"/api/v1/jobs/{job.number}/{path}").status_code == 404
    assert client.post(f"/api/v1/jobs/{job.number}/retry").status_code == 404


def test_retry_makes_one_job_for_one_key(as_owner: Client, job: Job) -> None:
    address = f"/api/v1/jobs/{job.number}/retry"
    first, second = (as_owner.post(address, headers={"Idempotency-Key": "again"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    made = first.json()
    assert (made["retry_of"], made["number"]) == (job.number, second.json()["number"])
    taken = get(as_owner, f"{made['number']}/tasks/run/0")
    assert taken["taken_from"] == {"job": job.number, "index": 0}
    assert as_owner.post(f"/api/v1/jobs/{made['number']}/retry").status_code == 409


def test_results_of_a_job_are_flat_once_all_tasks_have_ended(as_owner: Client, owner: User) -> None:
    job = submit(owner, assembler=None)
    partitioned(job, 2)
    for name in ("a", "b"):
        done(begin(job), results=(stored(name, name.encode()),))
    items = get(as_owner, f"{job.number}/results")["items"]
    assert [item["path"] for item in items] == ["0_out.txt", "1_out.txt"]
    answer = as_owner.get(f"/api/v1/jobs/{job.number}/results/1_out.txt")
    assert b"".join(answer.streaming_content) == b"b"  # type: ignore[attr-defined]
