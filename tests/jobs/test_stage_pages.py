"""The page of a job in stages: ten steps, bars, tiles, the page of a task, logs by stage, and what can be done."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from jobs import mounts, stage_logs
from jobs.collect import Item
from jobs.models import Attempt, Job, LogChunk, Task
from jobs.preface import RULE
from jobs.services import fan_out
from jobs.stage_logs import Level
from jobs.states import FailureClass, JobState, Stage
from portal.people.models import User
from tests.factories import make_machine
from tests.jobs.bundles import asked, begin, done, make_bundle, partitioned, submit
from tests.jobs.stage_jobs import job_of
from tests.world import PIXEL

pytestmark = pytest.mark.django_db


def text_of(client: Client, address: str, **query: Any) -> str:
    """The words of a page, without markup."""
    answer = client.get(address, query)
    assert answer.status_code == 200, answer.content[:500]
    body = re.sub(r"<(script|style).*?</\1>", " ", answer.content.decode().split("<main", 1)[1], flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def bytes_of(answer: Any) -> bytes:
    """Read to the end, which closes it; closing it by hand would close the test's connection too."""
    return b"".join(answer.streaming_content)


def steps_of(client: Client, job: Job) -> list[tuple[str, str]]:
    """(state, label) of the ten steps."""
    page = client.get(f"/jobs/{job.number}/").content.decode()
    return re.findall(r'class="step step-(\w+)".*?step-label">([^<]+)<', page, re.DOTALL)


def stored(data: bytes, path: str = "out.txt", media_type: str = "text/plain") -> Item:
    mounts.mark()
    return Item(path, len(data), "0" * 64, media_type, default_storage.save(f"results/{path}", ContentFile(data)))


def printed(attempt: Attempt, text: str) -> None:
    data = f"INIT[1]: ready\n{RULE}\n{text}".encode()
    LogChunk.objects.create(attempt=attempt, sequence=0, offset=0, data=data, stamp="", repeats=0)
    Attempt.objects.filter(pk=attempt.pk).update(log_bytes=len(data))


def finished(owner: User, **over: Any) -> Job:
    """Two tasks and an assembler that leaves a picture."""
    job = submit(owner, **over)
    partitioned(job, 2)
    for _ in range(2):
        done(begin(job), results=(stored(b"part"),))
    done(begin(job), results=(stored(PIXEL, "whole.png", "image/png"), stored(b"x")))
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED
    return job


def test_ten_steps_tell_how_far_a_job_is(as_owner: Client, owner: User) -> None:
    job = submit(owner)
    assert steps_of(as_owner, job)[:3] == [("done", "Drafted"), ("now", "Submitted"), ("todo", "Fetching source")]
    partitioned(job, 2)
    assert ("now", "Running tasks") in steps_of(as_owner, job)
    done(begin(job))
    done(begin(job))
    assert ("now", "Tasks done") in steps_of(as_owner, job)
    done(begin(job))
    ended = {label: state for state, label in steps_of(as_owner, job)}
    assert len(ended) == 10
    assert ended["Assembled"] == "done"
    assert ended["Delivering"] == "skipped"
    assert ended["Complete"] == "succeeded"


def test_a_failure_stands_at_the_step_where_it_happened(as_owner: Client, owner: User) -> None:
    job = submit(owner)
    done(begin(job), "Exit code 3.", failure=FailureClass.USER, exit_code=3)
    assert ("failed", "Fetching source: failed") in steps_of(as_owner, job)
    assert ("skipped", "Complete") in steps_of(as_owner, job)
    cancelled = submit(owner)
    partitioned(cancelled, 3)
    as_owner.post(f"/jobs/{cancelled.number}/cancel/")
    assert ("cancelled", "Running tasks: cancelled") in steps_of(as_owner, cancelled)


@pytest.mark.slow
def test_the_page_of_ten_thousand_tasks_asks_no_more_than_that_of_ten(as_owner: Client, owner: User) -> None:
    small, large = job_of(owner, 100), job_of(owner, 10_000)
    for tab, most in (("", 26), ("tasks/", 26), ("inputs/", 26), ("results/", 26)):
        costs = []
        for job in (small, large):
            as_owner.get(f"/jobs/{job.number}/{tab}")
            with CaptureQueriesContext(connection) as queries:
                assert as_owner.get(f"/jobs/{job.number}/{tab}").status_code == 200
            costs.append(len(queries))
        assert costs[0] == costs[1] <= most, tab
    page = as_owner.get(f"/jobs/{large.number}/tasks/").content
    assert page.count(b"data-row aria") == 50
    assert len(page) < 120_000


def test_bars_and_tiles_show_each_state(as_owner: Client, owner: User) -> None:
    job = job_of(owner, 1_000)
    words = text_of(as_owner, f"/jobs/{job.number}/")
    assert "Running tasks: 920 of 1,000 are done, 30 at work now." in words
    assert "900 succeeded 20 failed" in words
    assert "30 running 50 waiting" in words
    tiles = text_of(as_owner, f"/jobs/{job.number}/tasks/")
    assert "1,000 All 50 Waiting 30 Running 900 Succeeded 20 Failed" in tiles
    failed = text_of(as_owner, f"/jobs/{job.number}/tasks/", state="failed")
    assert "20 tasks" in failed
    assert "No task fits" in text_of(as_owner, f"/jobs/{job.number}/tasks/", q="nowhere")
    listed = text_of(as_owner, "/jobs/")
    assert "920 of 1,000 tasks" in listed


def test_why_nothing_of_a_stage_runs_is_said_there(as_owner: Client, owner: User) -> None:
    make_machine("n1")
    job = submit(owner)
    words = text_of(as_owner, f"/jobs/{job.number}/")
    assert words.count("no host that serves n1 is up") == 2  # in the sentence, and at the stage


def test_a_picture_is_seen_on_the_page_without_a_click(as_owner: Client, owner: User) -> None:
    job = finished(owner)
    page = as_owner.get(f"/jobs/{job.number}/").content.decode()
    address = re.search(r'<img src="(/jobs/\d+/results/image/whole.png[^"]*)"', page)
    assert address is not None
    assert as_owner.get(html.unescape(address[1])).headers["Content-Type"] == "image/png"
    assert "whole.png" in text_of(as_owner, f"/jobs/{job.number}/results/")


def test_a_task_has_a_page_with_attempts_files_and_log(as_owner: Client, owner: User) -> None:
    job = submit(owner, config={"maxTaskRetries": 1, "max_failed_tasks": 1})
    partitioned(job, 2)
    first = begin(job)
    printed(first, "hello from zero\n")
    done(first, results=(stored(b"zero\n"), stored(PIXEL, "tile.png", "image/png")))
    done(begin(job), "Exit code 3.", failure=FailureClass.USER, exit_code=3)
    done(begin(job), "Exit code 4.", failure=FailureClass.USER, exit_code=4)
    place = f"/jobs/{job.number}/tasks/run"
    words = text_of(as_owner, f"{place}/0/")
    assert "Task 0 of job" in words
    assert "out.txt" in words
    page = as_owner.get(f"{place}/0/").content.decode()
    assert f'src="{place}/0/files/image/tile.png"' in page
    assert f'data-stream="/streams/jobs/{job.number}/tasks/run/0/log' in page
    assert bytes_of(as_owner.get(f"{place}/0/log.txt")).endswith(b"hello from zero\n")
    got = as_owner.get(f"{place}/0/files/get/out.txt")
    assert bytes_of(got) == b"zero\n"
    assert "attachment" in got["Content-Disposition"]
    assert as_owner.get(f"{place}/0/files/view/out.txt").status_code == 200
    failed = text_of(as_owner, f"{place}/1/")
    assert "Exit code 4." in failed
    assert "1 time after the program failed" in failed
    assert "exit 3" in failed
    for missing in ("7/", "0/files/get/no.txt", "0/files/image/out.txt", "0/?attempt=9"):
        assert as_owner.get(f"{place}/{missing}").status_code == 404
    assert as_owner.get(f"/jobs/{job.number}/tasks/sideways/0/").status_code == 404
    assert "Partition of job" in text_of(as_owner, f"/jobs/{job.number}/tasks/partition/0/")


def test_the_logs_of_a_stage_are_one_to_search_by_words_and_level(as_owner: Client, owner: User) -> None:
    job = submit(owner)
    partitioned(job, 3)
    for number in range(3):
        attempt = begin(job)
        printed(attempt, f"started {number}\nWARNING low on {number}\nValueError: no {number}\n<b>bold</b>\n")
        done(attempt)
    page = as_owner.get(f"/jobs/{job.number}/log/").content.decode()
    assert "started 2" in page
    assert "INIT[1]" not in page
    assert "&lt;b&gt;bold" in page
    errors = text_of(as_owner, f"/jobs/{job.number}/log/", level="error")
    assert "ValueError: no 1" in errors
    assert "started" not in errors
    found = text_of(as_owner, f"/jobs/{job.number}/log/", q="LOW ON 2", level=["warning", "error"])
    assert "low on 2" in found
    assert "low on 1" not in found
    assert "No line fits" in text_of(as_owner, f"/jobs/{job.number}/log/", q="nothing of the kind")
    whole = bytes_of(as_owner.get(f"/jobs/{job.number}/log.txt?download"))
    assert whole.count(b"==> run") == 3
    assert "Nothing was printed" not in text_of(as_owner, f"/jobs/{job.number}/log/", stage="run")
    assert as_owner.get(f"/jobs/{job.number}/log/?stage=sideways").status_code == 404
    assert as_owner.get(f"/jobs/{job.number}/log/?after=x&q=%00").status_code == 200


def test_why_a_job_stopped_is_told_once(as_owner: Client, owner: User) -> None:
    job = submit(owner)
    partitioned(job, 2)
    done(begin(job), "Exit code 3.", failure=FailureClass.USER, exit_code=3)
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert list(job.events.filter(message=job.reason).values_list("kind", flat=True)) == ["stopping", "failed"]
    events = as_owner.get(f"/jobs/{job.number}/").content.decode().split('<ol class="events">')[1]
    assert events.count(html.escape(job.reason, quote=False).replace("'", "&#x27;")) == 1


def test_colours_are_left_out_of_what_is_read_and_searched(as_owner: Client, owner: User) -> None:
    job = submit(owner)
    partitioned(job, 1)
    attempt = begin(job)
    printed(attempt, "\x1b[1;32mok\x1b[0m so far\x07\n")
    done(attempt)
    assert "ok so far" in text_of(as_owner, f"/jobs/{job.number}/log/", stage="run", q="OK SO")
    (line,) = stage_logs.page(job, Stage.RUN).lines
    assert line.text == "\x1b[1;32mok\x1b[0m so far\x07"  # programs get what was written


def test_long_logs_go_on_where_a_page_of_them_ended(owner: User) -> None:
    job = submit(owner)
    partitioned(job, 3)
    for number in range(3):
        attempt = begin(job)
        printed(attempt, "".join(f"{number}.{line}\n" for line in range(10)))
        done(attempt)
    seen: list[str] = []
    after: tuple[int, int] | None = (0, 0)
    while after is not None:
        page = stage_logs.page(job, Stage.RUN, after=after, limit=7)
        seen += [line.text for line in page.lines]
        after = page.next
    assert seen == [f"{number}.{line}" for number in range(3) for line in range(10)]


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("2026-01-01 ERROR no disk", Level.ERROR),
        ("Traceback (most recent call last):", Level.ERROR),
        ("json.decoder.JSONDecodeError: Expecting value", Level.ERROR),
        ("error: unknown option", Level.ERROR),
        ("0 errors found", Level.INFO),
        ("WARN: slow", Level.WARNING),
        ("app.py:3: DeprecationWarning: old", Level.WARNING),
        ("DEBUG x=1", Level.DEBUG),
        ("tile 7 done", Level.INFO),
        ("\x1b[31mERROR\x1b[0m no disk", Level.ERROR),
        ("\x1b]0;title\x07WARN: slow", Level.WARNING),
        ("", Level.INFO),
    ],
)
def test_levels_are_told_by_the_words_that_programs_use(text: str, level: Level) -> None:
    assert stage_logs.level_of(text) == level


def test_what_failed_is_retried_once_however_often_it_is_asked(as_owner: Client, owner: User) -> None:
    job = submit(owner)
    partitioned(job, 2)
    done(begin(job), results=(stored(b"zero"),))
    done(begin(job), "Exit code 3.", failure=FailureClass.USER, exit_code=3)
    page = as_owner.get(f"/jobs/{job.number}/").content.decode()
    assert "takes over the task that finished, runs the other one" in page
    token = re.search(r'name="token" value="([0-9a-f]{32})"', page)
    assert token is not None
    answers = [as_owner.post(f"/jobs/{job.number}/retry/", {"token": token[1]}) for _ in range(2)]
    assert answers[0]["Location"] == answers[1]["Location"]
    made = Job.objects.get(retry_of=job)
    words = text_of(as_owner, f"/jobs/{made.number}/")
    assert f"1 task is taken over from job {job.number}" in words
    assert Task.objects.filter(job=made, state="succeeded").count() == 1
    taken = text_of(as_owner, f"/jobs/{made.number}/tasks/run/0/")
    assert f"from job {job.number}" in taken


def test_trials_and_holes_are_marked(as_owner: Client, owner: User) -> None:
    job = submit(owner, config={"isTestJob": True, "max_failed_tasks": 1})
    partitioned(job, 9)
    done(begin(job))
    done(begin(job), "Exit code 3.", failure=FailureClass.USER, exit_code=3)
    done(begin(job))
    done(begin(job))
    words = text_of(as_owner, f"/jobs/{job.number}/")
    assert "only the first 3 chunks are run" in words
    assert "1 task failed. This job allows 1" in words
    assert "3 of 3 tasks" in words


def test_a_draft_has_a_page_and_can_be_deleted(as_owner: Client, owner: User) -> None:
    make_machine()
    draft = fan_out.draft(owner=owner, asked=asked())
    words = text_of(as_owner, f"/jobs/{draft.number}/")
    assert "A draft: nothing runs until it is launched." in words
    assert "Edit and launch" in words
    assert "No tasks yet" in text_of(as_owner, f"/jobs/{draft.number}/tasks/")
    for tab in ("log", "inputs", "results", "metrics"):
        assert as_owner.get(f"/jobs/{draft.number}/{tab}/").status_code == 200
    assert as_owner.post(f"/jobs/{draft.number}/delete/").status_code == 302
    assert not Job.objects.exists()


def test_any_job_in_stages_can_be_duplicated_as_a_draft(as_owner: Client, owner: User) -> None:
    job = finished(owner, parameters={"app": {"n": 3}})
    answer = as_owner.post(f"/jobs/{job.number}/duplicate/")
    made = Job.objects.get(state=JobState.DRAFT)
    assert answer["Location"].endswith(f"?draft={made.number}")
    assert made.parameters == {"app": {"n": 3}}


def test_inputs_show_what_each_stage_was_given(as_owner: Client, owner: User) -> None:
    job = submit(owner, parameters={"app": {"words": "<i>x</i>", "deep": {"a": [1]}}}, config={"taskTimeout": 60})
    page = as_owner.get(f"/jobs/{job.number}/inputs/").content.decode()
    assert "&lt;i&gt;x&lt;/i&gt;" in page
    assert '<dt>Time limit of a task</dt><dd class="input-value">1 min</dd>' in page
    assert "CHUNKS_DIR" in page


def test_a_teammate_looks_and_a_stranger_finds_nothing(
    client: Client, owner: User, teammate: User, stranger: User
) -> None:
    job = finished(owner, app=make_bundle("app"))
    Job.objects.filter(pk=job.pk).update(team=owner.teams.get())
    pages = [
        "",
        "tasks/",
        "tasks/rows.json",
        "tasks/run/0/",
        "tasks/run/0/log.txt",
        "tasks/run/0/files/get/out.txt",
        "log/",
    ]

    def statuses() -> set[int]:
        found = set()
        for page in pages:
            answer = client.get(f"/jobs/{job.number}/{page}")
            found.add(answer.status_code)
            if answer.streaming:
                bytes_of(answer)
        return found

    client.force_login(teammate)
    assert statuses() == {200}
    assert b"Retry what failed" not in client.get(f"/jobs/{job.number}/").content
    assert client.post(f"/jobs/{job.number}/retry/").status_code == 403
    client.force_login(stranger)
    assert statuses() == {404}


def test_source_and_destination_are_told_in_the_words_of_the_form(as_owner: Client, owner: User) -> None:
    job = submit(owner, source={"kind": "url", "urls": ["https://example.org/a.csv"]})
    page = text_of(as_owner, f"/jobs/{job.number}/inputs/")
    assert "Kind Addresses on the web Addresses https://example.org/a.csv" in page
    assert "Destination Kind Keep with the job" in page


def test_a_failure_is_told_once_and_only_what_helps_is_advised(as_owner: Client, owner: User) -> None:
    job = submit(owner)
    done(begin(job), failure=FailureClass.USER, reason="The program ended with exit code 2.", exit_code=2)
    page = text_of(as_owner, f"/jobs/{job.number}/")
    assert "Failed The partition failed: The program ended with exit code 2. Look at its log. Drafted" in page
