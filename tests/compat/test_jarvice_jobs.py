"""Jobs through the JARVICE door: statuses, names, output, and what is done to one that runs."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from jobs import log_tails, logs
from jobs.job_values import password_of
from jobs.models import Attempt, Job, LogChunk, Task
from jobs.states import JOB_TERMINAL, JobState, TaskState
from portal.people.models import User
from tests.compat.jarvice_client import JarviceClient
from tests.factories import make_app, make_job, make_machine, make_person, make_team, make_version
from tests.jobs.serving_jobs import make_serving_job, open_it
from tests.jobs.stage_jobs import job_of

pytestmark = pytest.mark.usefixtures("folders")
LINE = "#" * 79


def written(job: Job, *pieces: bytes) -> Attempt:
    attempt = Attempt.objects.get(task__job=job)
    offset = 0
    for number, data in enumerate(pieces):
        LogChunk.objects.create(attempt=attempt, sequence=number, offset=offset, data=data)
        offset += len(data)
    attempt.log_bytes = offset
    attempt.save()
    return attempt


# Status


@pytest.mark.parametrize(
    ("state", "over", "word"),
    [
        (JobState.QUEUED, {}, "SUBMITTED"),
        (JobState.RUNNING, {}, "PROCESSING STARTING"),
        (JobState.SUCCEEDED, {"exit_code": 0}, "COMPLETED"),
        (JobState.FAILED, {"exit_code": 3}, "COMPLETED WITH ERROR"),
        (JobState.FAILED, {"failure_class": "oom"}, "COMPLETED WITH ERROR"),
        (JobState.FAILED, {"failure_class": "infra"}, "COMPLETED WITH ERROR"),
        (JobState.FAILED, {"failure_class": "timeout"}, "TERMINATED"),
        (JobState.CANCELLED, {}, "TERMINATED"),
        (JobState.CANCELLED, {"started_at": None}, "CANCELED"),
    ],
)
def test_each_state_has_its_word(
    theirs: JarviceClient, owner: User, state: JobState, over: dict[str, Any], word: str
) -> None:
    job = make_job(owner, state=state, **over)
    assert theirs.json("status", number=job.number)[str(job.number)]["job_status"] == word
    listed = theirs.json("jobs", completed="true" if job.terminal else "false")
    assert listed[str(job.number)]["job_status"] == word


def test_a_job_that_its_owners_limit_holds_back_is_sequentially_queued(theirs: JarviceClient, owner: User) -> None:
    job = make_job(owner)
    Task.objects.filter(job=job).update(state=TaskState.HELD)
    assert theirs.json("status", number=job.number)[str(job.number)]["job_status"] == "SEQUENTIALLY QUEUED"
    assert theirs.json("jobs")[str(job.number)]["job_status"] == "SEQUENTIALLY QUEUED"


def test_times_are_unix_seconds_and_0_where_not_yet(theirs: JarviceClient, owner: User) -> None:
    at = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    job = make_job(owner, state=JobState.SUCCEEDED, exit_code=0, walltime_s=90_061, project="x", nodes=2)
    hour = timedelta(hours=1)
    Job.objects.filter(pk=job.pk).update(
        created_at=at, started_at=at + hour, finished_at=at + 3 * hour, price_per_hour="1.5", label="mine"
    )
    found = theirs.json("status", number=job.number)[str(job.number)]
    assert (found["job_submit_time"], found["job_start_time"], found["job_end_time"]) == (
        1772600767,
        1772604367,
        1772611567,
    )
    assert (found["job_walltime"], found["job_project"]) == ("25:01:01", "x")
    entry = theirs.json("jobs", completed="true")[str(job.number)]
    assert entry["job_stats"] == {
        "app_cost": 0.0,
        "compute_cost": 6.0,
        "compute_time": 14400,
        "job_count": 1,
        "queue_time": 3600,
        "wall_time": 7200,
    }
    assert (entry["job_label"], entry["job_exitcode"], entry["job_mc_scale"]) == ("mine", 0, 2)
    assert "apikey" not in str(entry)
    queued = make_job(owner)
    found = theirs.json("status", number=queued.number)[str(queued.number)]
    assert (found["job_start_time"], found["job_end_time"]) == (0, 0)


def test_completed_counts_only_in_small_letters(theirs: JarviceClient, owner: User) -> None:
    ended, waits = make_job(owner, state=JobState.SUCCEEDED), make_job(owner)
    assert theirs.json("jobs", completed="true").keys() == {str(ended.number)}
    for word in ("True", "TRUE", "1", "false", ""):
        assert theirs.json("jobs", completed=word).keys() == {str(waits.number)}


# Names


def test_a_job_is_found_by_its_name_among_those_of_the_same_second_and_code(theirs: JarviceClient, owner: User) -> None:
    at = timezone.now()
    apps = [make_version(make_app(slug=slug)) for slug in ("pi", "pi-2", "my-app_x")]
    jobs = [make_job(owner, version=version, code="AAAAA") for version in apps]
    Job.objects.update(created_at=at)
    for job in jobs:
        job.refresh_from_db()
        assert theirs.json("status", name=job.name).keys() == {str(job.number)}
    name = jobs[0].name
    for wrong in (name[:-1], name + "x", name.lower(), name.replace("AAAAA", "AAAAB"), "9" * 14 + name[14:], "x"):
        assert theirs.error("status", 404, name=wrong) == "Job not found"
    later = (at + timedelta(seconds=1)).strftime("%Y%m%d%H%M%S") + name[14:]
    assert theirs.error("status", 404, name=later) == "Job not found"


def test_a_name_with_an_at_sign_is_found_too(door: None) -> None:
    from tests.compat.conftest import client_of
    from tests.factories import make_person

    person = make_person("me.you@example.org")
    job = make_job(person)
    assert client_of(person).json("status", name=job.name).keys() == {str(job.number)}


def test_a_job_has_to_be_named(theirs: JarviceClient) -> None:
    for endpoint in ("status", "info", "connect", "tail", "output", "metrics", "shutdown", "terminate", "signal"):
        assert "No job specified" in theirs.error(endpoint, 400)
        assert theirs.error(endpoint, 404, number=999_999_999)
        assert theirs.error(endpoint, 404, number="9" * 18)


# Output


def test_tail_is_for_jobs_that_run_and_output_for_those_that_have_ended(theirs: JarviceClient, owner: User) -> None:
    waits, runs, ended = (
        make_job(owner, state=state) for state in (JobState.QUEUED, JobState.RUNNING, JobState.FAILED)
    )
    assert theirs.error("tail", 404, number=waits.number) == "Running job is not found"
    assert theirs.error("tail", 404, number=ended.number).startswith("Running job is not found")
    assert theirs.text("tail", number=runs.number) == ""
    assert theirs.text("output", number=ended.number) == ""
    for job in (waits, runs):
        assert theirs.error("output", 404, number=job.number).startswith("Completed job is not found")


def test_the_last_100_lines_unless_other_are_asked_for(theirs: JarviceClient, owner: User) -> None:
    job = make_job(owner, state=JobState.RUNNING)
    whole = f"INIT[1]: ready\n{LINE}\n" + "".join(f"line {n}\n" for n in range(150))
    written(job, whole.encode())
    lines = whole.splitlines(keepends=True)
    assert theirs.text("tail", number=job.number) == "".join(lines[-100:])
    assert theirs.text("tail", number=job.number, lines=3) == "line 147\nline 148\nline 149\n"
    assert theirs.text("tail", number=job.number, lines=100_000) == whole
    assert theirs.text("tail", number=job.number, lines="") == "".join(lines[-100:])


def test_bytes_that_are_no_text_are_replaced(theirs: JarviceClient, owner: User) -> None:
    """Clients decode strictly: one byte of a picture would stop them."""
    job = make_job(owner, state=JobState.SUCCEEDED)
    written(job, b"caf\xc3\xa9 \xff\xfe\n", b"end")
    assert theirs.text("output", number=job.number) == "café \ufffd\ufffd\nend"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("packed", [False, True])
def test_lines_0_is_all_of_it(theirs: JarviceClient, owner: User, packed: bool) -> None:
    job = make_job(owner, state=JobState.SUCCEEDED)
    piece = "".join(f"line {n} é\n" for n in range(4000)).encode()
    attempt = written(job, piece[:60_001], piece[60_001:])
    if packed:
        logs.close(attempt)
    address = f"/api/jarvice/output?username=owner&apikey={theirs.apikey}&number={job.number}&lines=0"
    answer = Client().get(address)
    assert answer["Content-Type"] == "text/plain"
    assert b"".join(answer.streaming_content) == piece  # type: ignore[attr-defined]  # a streaming response has it
    assert theirs.text("output", number=job.number, lines=0) == piece.decode()
    assert theirs.text("output", number=job.number, lines=1) == "line 3999 é\n"


def plain(pieces: list[bytes], lines: int) -> bytes:
    return b"".join(b"".join(pieces).splitlines(keepends=True)[-lines:])


@pytest.mark.parametrize("packed", [False, True])
def test_last_lines_are_those_of_the_whole_wherever_pieces_end(owner: User, settings: Any, packed: bool) -> None:
    settings.LOG_LIMIT_MIB = 1
    logs_: list[list[bytes]] = [
        [b"one"],
        [b"one\n"],
        [b"\n\n\n"],
        [b"one\ntwo", b"\nthree\n", b"four"],
        [b"one\n", b"two\n", b"three\n"],
        [b"x" * 40_000, b"\n", b"y" * 40_000, b"\nend\n"],
        [f"{n}\n".encode() for n in range(40)],
    ]
    for pieces in logs_:
        attempt = written(make_job(owner, state=JobState.SUCCEEDED), *pieces)
        if packed:
            logs.close(attempt)
            attempt.refresh_from_db()
        for lines in (1, 2, 3, 5, 100):
            assert log_tails.last_lines(attempt, lines) == plain(pieces, lines), (pieces, lines)


def test_only_the_end_of_a_long_log_is_read(owner: User) -> None:
    job = make_job(owner, state=JobState.RUNNING)
    attempt = written(job, *([b"y" * 65_000 + b"\n"] * 100), b"a\nb\nc\n")
    tracemalloc.start()
    assert log_tails.last_lines(attempt, 2) == b"b\nc\n"
    assert tracemalloc.get_traced_memory()[1] < 2**20  # of 6.5 MB
    tracemalloc.stop()


def test_where_the_middle_is_left_out_its_mark_stands_between(owner: User, settings: Any) -> None:
    settings.LOG_LIMIT_MIB = 1
    job = make_job(owner, state=JobState.RUNNING)
    attempt = Attempt.objects.get(task__job=job)
    LogChunk.objects.create(attempt=attempt, sequence=0, offset=0, data=b"head\n")
    LogChunk.objects.create(attempt=attempt, sequence=9, offset=2**20, data=b"tail\n")
    assert log_tails.last_lines(attempt, 1) == b"tail\n"
    found = log_tails.last_lines(attempt, 100)
    assert found.startswith(b"head\n")
    assert b"left out" in found
    assert found.endswith(b"tail\n")


def test_a_log_that_retention_took_is_empty(theirs: JarviceClient, owner: User) -> None:
    job = make_job(owner, state=JobState.SUCCEEDED)
    Attempt.objects.filter(task__job=job).update(log_state=Attempt.LogState.GONE, log_bytes=100)
    assert theirs.text("output", number=job.number) == ""


# What is done to a job


def test_shutdown_asks_a_job_that_runs_to_stop(theirs: JarviceClient, owner: User) -> None:
    runs, waits = make_job(owner, state=JobState.RUNNING), make_job(owner)
    assert theirs.json("shutdown", number=runs.number) == {"status": "shutdown requested"}
    runs.refresh_from_db()
    assert runs.cancel_requested_at is not None
    entry = theirs.json("jobs")[str(runs.number)]
    assert (entry["job_status"], entry["job_substatus_text"]) == ("PROCESSING STARTING", "Stopping")
    for job in (waits, make_job(owner, state=JobState.SUCCEEDED)):
        assert theirs.error("shutdown", 404, number=job.number) == "Running job is not found"
    assert theirs.error("shutdown", 404, number=12345) == "Running job is not found"


def test_terminate_ends_a_job_that_waits_too(theirs: JarviceClient, owner: User) -> None:
    runs, waits = make_job(owner, state=JobState.RUNNING), make_job(owner)
    for job in (runs, waits):
        assert theirs.json("terminate", name=job.name) == {"status": "terminated"}
    assert theirs.json("status", number=waits.number)[str(waits.number)]["job_status"] == "CANCELED"
    assert theirs.error("terminate", 404, number=waits.number) == "Running job is not found"


def test_signals_20_and_18_suspend_and_resume(theirs: JarviceClient, owner: User) -> None:
    job = make_job(owner, state=JobState.RUNNING)
    assert theirs.json("signal", number=job.number) == {"signal": 20, "pid": 1}
    entry = theirs.json("jobs")[str(job.number)]
    assert (entry["job_substatus"], entry["job_substatus_text"]) == (1, "Suspended by user")
    assert theirs.json("signal", number=job.number, signal=18) == {"signal": 18, "pid": 1}
    assert theirs.json("jobs")[str(job.number)]["job_substatus"] == 0
    assert "Signal 9 is not sent here" in theirs.error("signal", 400, number=job.number, signal=9)
    waits = make_job(owner)
    assert theirs.error("signal", 404, number=waits.number) == "Running job is not found"


def test_there_are_no_actions_and_nothing_to_connect_to(theirs: JarviceClient, owner: User) -> None:
    job = make_job(owner, state=JobState.RUNNING)
    assert "no action 'reboot'" in theirs.error("action", 404, number=job.number, action="reboot")
    assert "action" in theirs.error("action", 400, number=job.number)
    assert "nothing to connect to" in theirs.error("connect", 404, number=job.number)


def test_a_client_that_asks_again_and_again_gets_address_and_password_once_it_answers(
    theirs: JarviceClient, owner: User
) -> None:
    job = make_serving_job(owner)
    nothing = {"url": None, "address": None, "password": None}
    assert theirs.json("info", number=job.number).items() >= nothing.items()
    assert "waiting for port 8888" in theirs.error("connect", 404, number=job.number)
    endpoint = open_it(job)
    told = {"address": f"{endpoint.label}.localhost:8000", "password": password_of(job)}
    assert theirs.json("connect", number=job.number) == told
    assert theirs.json("connect", name=job.name) == told
    url = f"http://127.0.0.1:8000/jobs/{job.number}/connect/"
    assert theirs.json("info", number=job.number).items() >= {"url": url, **told}.items()
    assert len(told["password"]) == 16
    Job.objects.filter(pk=job.pk).update(state=JobState.SUCCEEDED, finished_at=timezone.now())
    assert theirs.error("connect", 404, number=job.number) == "Running job is not found"
    assert theirs.json("info", number=job.number).items() >= nothing.items()


def test_a_job_with_public_ports_is_reached_at_the_hosts_address(theirs: JarviceClient, owner: User) -> None:
    ports = [{"address": "192.0.2.7", "host_port": 49152, "port": 22, "protocol": "tcp"}]
    job = make_serving_job(owner, command={"publicip": True, "ports": ["22/tcp"]}, published=ports)
    assert theirs.json("connect", number=job.number) == {"address": "192.0.2.7", "password": password_of(job)}
    found = theirs.json("info", number=job.number)
    assert (found["url"], found["address"]) == (None, "192.0.2.7")


def test_a_teammate_gets_in_and_who_only_oversees_does_not(theirs: JarviceClient, owner: User) -> None:
    other = make_person()
    shared = make_serving_job(other, team=make_team(owner, other))
    open_it(shared)
    assert theirs.json("connect", number=shared.number)["password"] == password_of(shared)
    alone = make_serving_job(other)
    open_it(alone)
    User.objects.filter(pk=owner.pk).update(is_operator=True)
    error = theirs.error("connect", 404, number=alone.number)
    assert password_of(alone) not in error
    info = theirs.json("info", number=alone.number) if error != "Job not found" else {"password": None}
    assert info["password"] is None


@pytest.mark.parametrize("state", [JobState.DRAFT, JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED])
def test_a_job_in_stages_is_answered_for_too(theirs: JarviceClient, owner: User, state: JobState) -> None:
    job = job_of(owner, 3)
    Job.objects.filter(pk=job.pk).update(state=state, finished_at=timezone.now() if state in JOB_TERMINAL else None)
    for completed in ("true", "false"):
        for endpoint in ("jobs", "teamjobs"):
            listed = theirs.json(endpoint, completed=completed)
            there = state != JobState.DRAFT and (completed == "true") == (state in JOB_TERMINAL)
            assert (str(job.number) in listed) == there
    assert theirs.json("status", number=job.number)[str(job.number)]["job_name"] == job.name
    assert theirs.json("info", number=job.number)["url"] is None
    assert theirs.error("connect", 404, number=job.number)


def test_info_shows_about_and_help_as_clean_html(theirs: JarviceClient, owner: User) -> None:
    app = make_app(slug="pi", summary="Less < more & so on")
    version = make_version(app, help_html="<p>Read <b>this</b><script>alert(1)</script></p>")
    app.summary = "Less < more & so on"
    app.save()
    make_machine("n1")
    found = theirs.json("info", number=make_job(owner, version=version).number)
    assert found == {
        "url": None,
        "about": "<p>Less &lt; more &amp; so on</p>",
        "help": "<p>Read <b>this</b></p>",
        "actions": None,
        "address": None,
        "password": None,
    }
