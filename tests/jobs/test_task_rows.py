"""Windows into the tasks of a job: every row once whatever the order, filters, and what a window costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from jobs import task_rows
from jobs.models import Job
from jobs.task_rows import Sought
from portal.people.models import User
from tests.jobs.stage_jobs import job_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(owner: User) -> Job:
    return job_of(owner, 1_000)


def walked(job: Job, sought: Sought, limit: int = 130) -> list[task_rows.TaskRow]:
    rows: list[task_rows.TaskRow] = []
    after = ""
    while True:
        window = task_rows.window(job, sought, after=after, limit=limit)
        rows += window.rows
        after = window.next
        if not after:
            return rows


@pytest.mark.parametrize("sort", task_rows.SORTS)
def test_each_row_comes_once_and_in_order_by_any_key(job: Job, sort: str) -> None:
    rows = walked(job, Sought(sort=sort))
    assert sorted(row.index for row in rows) == list(range(1_000))
    key = sort.lstrip("-")
    ended = [row for row in rows if row.state in ("succeeded", "failed")]
    values: list[Any] = [
        {"chunk": row.index, "duration": row.duration_s, "memory": row.memory_bytes}[key] for row in ended
    ]
    assert values == sorted(values, reverse=sort.startswith("-"))


@pytest.mark.parametrize("sort", ["chunk", "-duration"])
def test_a_jump_skips_from_a_cursor_that_is_known(job: Job, sort: str) -> None:
    whole = [row.index for row in walked(job, Sought(sort=sort))]
    first = task_rows.window(job, Sought(sort=sort), limit=100)
    jumped = task_rows.window(job, Sought(sort=sort), after=first.next, skip=500, limit=100)
    assert [row.index for row in jumped.rows] == whole[600:700]
    assert task_rows.window(job, Sought(sort=sort), skip=5_000, limit=100).rows == []


def test_rows_can_be_found_by_state_chunk_and_host(job: Job) -> None:
    assert {row.state for row in walked(job, Sought(state="failed"))} == {"failed"}
    assert len(walked(job, Sought(state="failed"))) == 20
    assert [row.index for row in walked(job, Sought(text="17"))] == [17]
    assert len(walked(job, Sought(text="on"))) == 950  # host one: those that were begun
    assert walked(job, Sought(text="%")) == []
    assert task_rows.counts(job) == {
        "held": 0, "ready": 50, "running": 30, "succeeded": 900, "failed": 20, "cancelled": 0
    }  # fmt: skip
    assert task_rows.counts(job, "17")["succeeded"] == 1


def test_a_row_tells_what_its_last_attempt_did(job: Job) -> None:
    failed = walked(job, Sought(text="90"))[0]
    assert (failed.state, failed.host, failed.attempt, failed.exit_code) == ("failed", "one", 1, 3)
    assert failed.reason == "The program ended with exit code 3."
    waiting = walked(job, Sought(text="95"))[0]
    assert (waiting.host, waiting.attempt, waiting.duration_s, waiting.memory_bytes) == ("", 0, None, None)


def test_a_window_of_ten_thousand_is_one_statement_or_two(as_owner: Client, owner: User) -> None:
    job = job_of(owner, 10_000)
    for sought in (Sought(), Sought(sort="-duration"), Sought(state="failed", text="one")):
        first = task_rows.window(job, sought)
        with CaptureQueriesContext(connection) as asked:
            task_rows.window(job, sought, after=first.next)
        assert len(asked) == 1
    address = f"/jobs/{job.number}/tasks/rows.json"
    with CaptureQueriesContext(connection) as asked:
        found = as_owner.get(address, {"limit": "200", "counts": ""}).json()
    assert len(found["rows"]) == 200
    assert len(asked) <= 7  # session, person, job, now, rows, counts
    assert len(as_owner.get(address, {"limit": 10_000}).json()["rows"]) == 200


@pytest.fixture
def nothing_known(owner: User) -> Iterator[None]:
    """PostgreSQL takes each table for an empty one, as it does where ten thousand rows came at once after a quiet time."""
    job_of(owner, 1_000)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM jobs_jobevent; DELETE FROM jobs_attempt; DELETE FROM jobs_task")
        cursor.execute("ANALYZE jobs_task, jobs_attempt, jobs_host")
        yield
        cursor.execute("ANALYZE jobs_task, jobs_attempt, jobs_host")  # what it knows is not undone with the test


def blocks_read(job: Job, sought: Sought, **place: Any) -> int:
    """How many blocks of 8 KiB one window looks at."""
    asked: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        asked.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        task_rows.window(job, sought, **place)
    sql, params = asked[-1]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params)
        plan = cursor.fetchone()[0][0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


@pytest.mark.usefixtures("nothing_known")
def test_a_window_costs_the_same_before_the_database_knows_how_many_tasks_there_are(owner: User) -> None:
    job = job_of(owner, 10_000)
    middle = task_rows.window(job, Sought(), skip=5_000).next
    assert blocks_read(job, Sought(), after=middle) < 1_500  # 100 rows with their look-ups
    for sought in (Sought(sort="-duration"), Sought(sort="memory", text="one")):
        assert blocks_read(job, sought) < 8 * 10_000  # each task once, with its look-ups


@pytest.mark.parametrize(
    "query", [{"state": "sideways"}, {"sort": "colour"}, {"after": "1.2"}, {"after": "'; drop"}, {"after": "9" * 30}]
)
def test_what_makes_no_sense_is_said_and_never_a_fault_of_ours(
    as_owner: Client, job: Job, query: dict[str, str]
) -> None:
    assert as_owner.get(f"/jobs/{job.number}/tasks/rows.json", query).status_code == 422
    assert as_owner.get(f"/jobs/{job.number}/tasks/", query).status_code == 422


def test_odd_numbers_are_taken_as_if_left_out(as_owner: Client, job: Job) -> None:
    answer = as_owner.get(f"/jobs/{job.number}/tasks/rows.json", {"skip": "-3", "limit": "x", "q": "\0"})
    assert len(answer.json()["rows"]) == 100
