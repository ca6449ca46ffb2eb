"""The list of jobs, a job's page, its results: who sees what, what it says, and that nothing of a job is ever active."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from jobs.models import Attempt, Job, LogChunk, Result, UsageSeries
from jobs.previews import Preview, preview
from jobs.states import JobState
from jobs.views.job_words import sentence, steps, summary
from portal.people.models import AuditEvent, User
from tests.factories import make_host, make_job, make_machine, make_result, make_team, make_version

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


@pytest.fixture
def as_owner(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def page(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, path
    return str(answer.content.decode())


def addresses(job: Job) -> list[str]:
    """Every page and file of a job that is read."""
    plain = [
        "job",
        "job-log",
        "job-metrics",
        "job-inputs",
        "job-results",
        "job-log-text",
        "job-usage",
        "job-results-zip",
    ]
    named = ["job-result-view", "job-result"]
    return [reverse(f"jobs:{name}", args=[job.number]) for name in plain] + [
        reverse(f"jobs:{name}", args=[job.number, "pi.txt"]) for name in named
    ]


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


# Who sees what


def test_a_job_is_seen_by_its_owner_its_team_and_operators(
    owner: User, teammate: User, stranger: User, operator: User, curator: User
) -> None:
    own = make_job(owner, state=JobState.SUCCEEDED)
    shared = make_job(owner, state=JobState.SUCCEEDED, team=owner.teams.get())
    for job in (own, shared):
        make_result(job)
    for person, sees_own, sees_shared in (
        (owner, 200, 200),
        (teammate, 404, 200),
        (stranger, 404, 404),
        (curator, 404, 404),
        (operator, 200, 200),
    ):
        client = Client()
        client.force_login(person)
        for job, status in ((own, sees_own), (shared, sees_shared)):
            for path in addresses(job):
                answer = client.get(path)
                body(answer)
                assert answer.status_code == status, (person, path)


def test_teammates_may_look_but_not_cancel_or_share(teammate: User, owner: User, stranger: User) -> None:
    job = make_job(owner, team=owner.teams.get())
    for person, status in ((teammate, 403), (stranger, 404)):
        client = Client()
        client.force_login(person)
        for name in ("job-cancel", "job-share"):
            assert client.post(reverse(f"jobs:{name}", args=[job.number])).status_code == status
    assert "Cancel</button>" not in page(client_of(teammate), job.get_absolute_url())
    job.refresh_from_db()
    assert job.cancel_requested_at is None


def client_of(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.mark.parametrize("name", ["job-cancel", "job-rerun", "job-share"])
def test_what_changes_a_job_is_posted(as_owner: Client, owner: User, name: str) -> None:
    assert as_owner.get(reverse(f"jobs:{name}", args=[make_job(owner).number])).status_code == 405


# The list


def test_list_shows_mine_and_on_request_my_teams(as_owner: Client, owner: User, teammate: User, stranger: User) -> None:
    make_job(owner, label="my own")
    make_job(teammate, label="of the team", team=teammate.teams.get())
    make_job(teammate, label="private of a teammate")
    make_job(stranger, label="of a stranger")
    mine = page(as_owner, "/jobs/")
    assert "my own" in mine
    assert "of the team" not in mine
    teams = page(as_owner, "/jobs/?whose=teams")
    assert "of the team" in teams
    assert "private of a teammate" not in teams
    assert "of a stranger" not in teams
    assert as_owner.get("/jobs/?whose=all").status_code == 422


def test_filters_narrow_the_list_and_nonsense_is_told_at_the_field(as_owner: Client, owner: User) -> None:
    first = make_version()
    make_job(owner, label="alpha", state=JobState.SUCCEEDED, version=first)
    make_job(owner, label="beta", state=JobState.FAILED)
    old = make_job(owner, label="gamma", state=JobState.QUEUED)
    Job.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=9))

    def labels(query: str) -> set[str]:
        text = page(as_owner, f"/jobs/?{query}")
        return {label for label in ("alpha", "beta", "gamma") if f">{label}</td>" in text}

    assert labels("") == {"alpha", "beta", "gamma"}
    assert labels("state=failed") == {"beta"}
    assert labels("state=active") == {"gamma"}
    assert labels(f"app={first.app.slug}") == {"alpha"}
    assert labels("label=ALP") == {"alpha"}
    assert labels(f"since={timezone.now() - timedelta(days=2):%Y-%m-%d}") == {"alpha", "beta"}
    assert labels(f"until={timezone.now() - timedelta(days=2):%Y-%m-%d}") == {"gamma"}
    assert "Enter a valid date" in page(as_owner, "/jobs/?since=soon", 422)
    assert "No job fits" in page(as_owner, "/jobs/?label=zzz")


def test_pages_follow_each_other_without_gap_both_ways(
    as_owner: Client, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.views.jobs.PAGE", 3)
    version = make_version()
    numbers = [make_job(owner, version=version).number for _ in range(8)][::-1]

    def shown(query: str) -> tuple[list[int], str, str]:
        context = as_owner.get(f"/jobs/?{query}").context
        return [row.job.number for row in context["rows"]], context["newer"], context["older"]

    first, none, older = shown("")
    second, _, oldest = shown(older)
    third, back, end = shown(oldest)
    assert (none, end) == ("", "")
    assert first + second + third == numbers
    assert shown(back)[0] == second
    assert shown("before=nonsense")[0] == first
    assert shown("before=99999999999999999999")[0] == first


def test_list_costs_the_same_number_of_queries_however_long(as_owner: Client, owner: User) -> None:
    version = make_version()
    make_job(owner, version=version)
    page(as_owner, "/jobs/")

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            page(as_owner, "/jobs/")
        return len(captured)

    one = queries()
    for _ in range(15):
        make_job(owner, version=version)
    assert queries() == one
    assert one <= 8


def test_hostile_words_stay_words_everywhere(as_owner: Client, owner: User) -> None:
    plan = {"argv": [HOSTILE], "env": {HOSTILE: HOSTILE}, "files": [{"path": HOSTILE}], "mounts": [], "image": HOSTILE}
    job = make_job(
        owner, state=JobState.FAILED, label=HOSTILE, reason=HOSTILE, plan=plan, parameters={HOSTILE: HOSTILE}
    )
    job.events.create(kind="x", message=HOSTILE)
    make_result(job, "<b>.txt", HOSTILE.encode())
    Result.objects.create(job=job, task=job.tasks.get(), path=HOSTILE, size=0, skipped=HOSTILE)
    view = reverse("jobs:job-result-view", args=[job.number, "<b>.txt"])
    for path in ["/jobs/", view, *addresses(job)[:5]]:
        text = page(as_owner, path)
        assert HOSTILE not in text, path
        assert "&lt;" in text, path


def test_several_jobs_are_cancelled_at_once_and_only_ones_own(as_owner: Client, owner: User, stranger: User) -> None:
    mine = [make_job(owner).number for _ in range(2)]
    ended = make_job(owner, state=JobState.SUCCEEDED).number
    other = make_job(stranger).number
    answer = as_owner.post("/jobs/cancel/", {"number": [*mine, ended, other, "x"]}, follow=True)
    assert "2 jobs asked to stop" in answer.content.decode()
    assert "has ended already" in answer.content.decode()
    assert set(Job.objects.filter(state=JobState.CANCELLED).values_list("number", flat=True)) == set(mine)


def test_a_page_with_nothing_says_what_to_do(as_owner: Client) -> None:
    assert "To the catalog" in page(as_owner, "/jobs/")


def test_summary_tells_runs_apart(owner: User) -> None:
    assert summary(make_job(owner, label="night run")) == "night run"
    assert summary(make_job(owner, parameters={"darts": 100})) == ""
    assert summary(make_job(owner, parameters={"darts": 500, "-seed": 3})) == "Darts = 500, Seed = 3"
    assert summary(make_job(owner, parameters={"gone": "x" * 90})).endswith("…")


# The page


def test_state_is_told_in_a_sentence(owner: User) -> None:
    def told(**over: Any) -> str:
        job = make_job(owner, **over)
        return sentence(job, Attempt.objects.filter(task__job=job).last())

    assert told().startswith("Waiting: no host that serves n1 is up")
    assert told(state=JobState.RUNNING, machine_type=make_machine("n2")) == "Running on host one."
    assert told(state=JobState.SUCCEEDED).startswith("Finished in ")
    assert told(state=JobState.FAILED, failure_class="oom").startswith("It needed more memory")
    assert "not your program" in told(state=JobState.FAILED, failure_class="infra", reason="Host one is lost.")
    assert told(state=JobState.CANCELLED, reason="Cancelled by owner.") == "Cancelled by owner."
    assert told(state=JobState.RUNNING, cancel_requested_at=timezone.now()).startswith("Stopping")


def test_steps_go_from_submitted_to_the_end(owner: User) -> None:
    def states(**over: Any) -> list[str]:
        job = make_job(owner, **over)
        return [step.state for step in steps(job, Attempt.objects.filter(task__job=job).last())]

    assert states() == ["done", "now", "todo", "todo", "todo"]
    assert states(state=JobState.RUNNING) == ["done", "done", "done", "now", "todo"]
    assert states(state=JobState.SUCCEEDED) == ["done", "done", "done", "done", "succeeded"]
    waiting = make_job(owner)
    waiting.state, waiting.finished_at = JobState.CANCELLED, timezone.now()
    assert [step.state for step in steps(waiting, None)] == ["done", "done", "skipped", "skipped", "cancelled"]


def test_a_waiting_job_names_the_missing_host_and_then_the_busy_slot(as_owner: Client, owner: User) -> None:
    machine = make_machine("gpu1", requires=["gpu=a100"])
    job = make_job(owner, machine_type=machine)
    assert "gpu=a100" in page(as_owner, job.get_absolute_url())
    make_host("g", serves={"gpu1": 1}, tags=["gpu=a100"])
    make_job(owner, state=JobState.RUNNING, machine_type=machine)
    assert "the slot of gpu1 is busy" in page(as_owner, job.get_absolute_url())


def test_cancel_asks_and_says_so(as_owner: Client, owner: User) -> None:
    job = make_job(owner)
    answer = as_owner.post(reverse("jobs:job-cancel", args=[job.number]), follow=True)
    assert f"Job {job.number} is cancelled" in answer.content.decode()
    again = as_owner.post(reverse("jobs:job-cancel", args=[job.number]))
    assert again.status_code == 409
    assert "has ended already" in again.content.decode()


def test_sharing_is_with_a_team_of_ones_own(as_owner: Client, owner: User, teammate: User, stranger: User) -> None:
    job = make_job(owner)
    theirs = make_team(stranger)
    address = reverse("jobs:job-share", args=[job.number])
    for slug in (theirs.slug, "none-such"):
        assert as_owner.post(address, {"team": slug}).status_code == 404
    as_owner.post(address, {"team": owner.teams.get().slug})
    assert Job.objects.visible_to(teammate).filter(pk=job.pk).exists()
    as_owner.post(address, {"team": ""})
    assert not Job.objects.visible_to(teammate).filter(pk=job.pk).exists()
    assert AuditEvent.objects.filter(action="job.share").count() == 2


def test_page_of_a_job_costs_few_queries(as_owner: Client, owner: User) -> None:
    job = make_job(owner, state=JobState.RUNNING)
    for number in range(30):
        job.events.create(kind="x", message=f"event {number}")
    page(as_owner, job.get_absolute_url())
    with CaptureQueriesContext(connection) as captured:
        page(as_owner, job.get_absolute_url())
    assert len(captured) <= 12


# Log and metrics


def log_of(job: Job, *pieces: bytes) -> Attempt:
    attempt = Attempt.objects.get(task__job=job)
    offset = 0
    for number, data in enumerate(pieces):
        LogChunk.objects.create(attempt=attempt, sequence=number, offset=offset, data=data)
        offset += len(data)
    Attempt.objects.filter(pk=attempt.pk).update(log_bytes=offset)
    return attempt


@pytest.mark.django_db(transaction=True)
def test_log_as_text_is_the_bytes_and_never_a_page(as_owner: Client, owner: User) -> None:
    job = make_job(owner, state=JobState.RUNNING)
    data = b"<script>\x1b[31m\xff\r\n" + b"x" * 70_000
    log_of(job, data[:9], data[9:])
    answer = as_owner.get(reverse("jobs:job-log-text", args=[job.number]))
    assert body(answer) == data
    assert answer["Content-Type"].startswith("text/plain")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert answer["X-Log-End"] == str(len(data))
    saved = as_owner.get(reverse("jobs:job-log-text", args=[job.number]) + "?download")
    assert saved["Content-Disposition"].startswith("attachment")


def test_log_of_a_job_that_never_ran_is_empty(as_owner: Client, owner: User) -> None:
    job = make_job(owner)
    answer = as_owner.get(reverse("jobs:job-log-text", args=[job.number]))
    assert (body(answer), answer["X-Log-Attempt"]) == (b"", "0")
    assert as_owner.get(reverse("jobs:job-log", args=[job.number]) + "?attempt=7").status_code == 404


def test_metrics_come_as_columns_and_as_a_table(as_owner: Client, owner: User) -> None:
    job = make_job(owner, state=JobState.RUNNING)
    attempt = Attempt.objects.get(task__job=job)
    UsageSeries.objects.create(attempt=attempt, points=[[0, 10.5, 2048, 1], [5, 99, 4096, 2]])
    data = json.loads(page(as_owner, reverse("jobs:job-usage", args=[job.number])))
    assert data == {"columns": [[0, 5], [10.5, 99], [2048, 4096], [1, 2]], "ended": False}
    assert "4.0 KiB" in page(as_owner, reverse("jobs:job-metrics", args=[job.number]))


# Results


def done_job(owner: User) -> Job:
    return make_job(owner, state=JobState.SUCCEEDED)


@pytest.mark.parametrize("name", ["evil.html", "evil.svg", "evil.xhtml", "evil.js", "pic.png"])
def test_no_result_is_ever_active_content(as_owner: Client, owner: User, name: str) -> None:
    job = done_job(owner)
    make_result(job, name, b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    got = as_owner.get(reverse("jobs:job-result", args=[job.number, name]))
    assert body(got).startswith(b"<svg")
    assert got["Content-Type"] == "application/octet-stream"
    assert got["Content-Disposition"].startswith("attachment")
    assert got["X-Content-Type-Options"] == "nosniff"
    assert as_owner.get(reverse("jobs:job-result-image", args=[job.number, name])).status_code == 404
    assert "onload=&#x27;alert" in page(as_owner, reverse("jobs:job-result-view", args=[job.number, name]))


def test_a_real_image_is_shown_sandboxed_and_typed_by_its_bytes(as_owner: Client, owner: User) -> None:
    job = done_job(owner)
    make_result(job, "plot.html", PNG)
    got = as_owner.get(reverse("jobs:job-result-image", args=[job.number, "plot.html"]))
    assert got["Content-Type"] == "image/png"
    assert got["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert got["X-Content-Type-Options"] == "nosniff"
    assert got.content == PNG


@pytest.mark.parametrize("path", ["../../etc/passwd", "%2e%2e/x", "none.txt", "a\0b", "/etc/passwd"])
def test_only_paths_of_results_lead_anywhere(as_owner: Client, owner: User, path: str) -> None:
    job = done_job(owner)
    make_result(job)
    for name in ("get", "view", "image"):
        assert as_owner.get(f"/jobs/{job.number}/results/{name}/{path}").status_code == 404


def test_odd_names_lead_to_their_files(as_owner: Client, owner: User) -> None:
    job = done_job(owner)
    for index, name in enumerate(("a b #?%.txt", "ünï/✓.txt", "q\"u'o.txt", "\u202etxt.exe")):
        Result.objects.create(
            job=job, task=job.tasks.get(), path=name, size=2, stored=make_result(job, f"{index}.x", b"ok").stored
        )
        got = as_owner.get(reverse("jobs:job-result", args=[job.number, name]))
        assert body(got) == b"ok"


def test_zip_holds_all_that_was_kept_and_says_what_was_not(as_owner: Client, owner: User) -> None:
    job = done_job(owner)
    big = bytes(range(256)) * 4096
    make_result(job, "a/big.bin", big)
    make_result(job, "pi.txt")
    Result.objects.create(job=job, task=job.tasks.get(), path="link", size=0, skipped="link")
    answer = as_owner.get(reverse("jobs:job-results-zip", args=[job.number]))
    with zipfile.ZipFile(io.BytesIO(body(answer))) as archive:
        assert archive.testzip() is None
        assert archive.read("a/big.bin") == big
        assert set(archive.namelist()) == {"a/big.bin", "pi.txt", "LEFT-OUT.txt"}
        assert b"link" in archive.read("LEFT-OUT.txt")


def test_zip_is_never_whole_in_memory(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs import zips

    job = done_job(owner)
    make_result(job, "big.bin", random_bytes(6 * 2**20))
    sizes = [len(piece) for piece in zips.zip_of(job.results.select_related("task"), by_task=False)]
    assert len(sizes) > 10
    assert max(sizes) < 2 * 2**20


def random_bytes(size: int) -> bytes:
    import random

    return random.Random(7).randbytes(size)


def test_zip_and_log_stream_under_asgi_too(as_owner: Client, owner: User) -> None:
    job = done_job(owner)
    make_result(job, "big.bin", random_bytes(2**20))
    answer = as_owner.get(reverse("jobs:job-results-zip", args=[job.number]))

    async def first() -> bytes:
        pieces: AsyncIterator[bytes] = aiter(answer)  # type: ignore[arg-type]  # the stubs know no streamed answers
        return await anext(pieces)

    assert asyncio.run(first()).startswith(b"PK")


@pytest.mark.parametrize(
    ("name", "data", "judge"),
    [
        ("a.txt", b"plain \xff text", lambda p: p.kind == "text" and "plain" in p.text),
        ("a.csv", b'n,v\n"x, y",2\n', lambda p: (p.header, p.rows) == (("n", "v"), (("x, y", "2"),))),
        ("a.tsv", b"n\tv\n1\t2\n", lambda p: p.rows == (("1", "2"),)),
        ("a.csv", b"x\n" * 5000, lambda p: len(p.rows) == 200 and p.cut),
        ("a.json", b'{"a":[1]}', lambda p: p.text == '{\n  "a": [\n    1\n  ]\n}'),
        ("a.json", b'{"a":', lambda p: p.kind == "text" and p.text == '{"a":'),
        ("a.json", b"[" * 200_000, lambda p: p.kind == "text"),
        ("a.dat", b"\0\1\2", lambda p: p.kind == "none"),
        ("a.txt", PNG, lambda p: p.kind == "image"),
        ("a.txt", b"line\n" * 100_000, lambda p: p.cut and p.text.endswith("line\n")),
        ("a.txt", b"", lambda p: p.kind == "text"),
    ],
)
def test_previews(name: str, data: bytes, judge: Callable[[Preview], bool]) -> None:
    assert judge(preview(io.BytesIO(data), name, len(data)))


# Hosts


def test_hosts_are_for_operators(as_owner: Client, operator: User, curator: User) -> None:
    make_host("one")
    for client, status in ((as_owner, 403), (client_of(curator), 403), (client_of(operator), 200)):
        assert client.get("/hosts/").status_code == status
        drained = client.post("/hosts/one/drain/").status_code
        assert drained == (302 if status == 200 else 403)


def test_hosts_page_says_what_is_up_and_what_is_missing(operator: User, owner: User) -> None:
    client = client_of(operator)
    make_machine("n1")
    make_machine("gpu1", requires=["gpu=a100"])
    make_host("one", serves={"n1": 2}, tags=["cpu=epyc"])
    make_host("gone", heartbeat_at=timezone.now() - timedelta(hours=1))
    make_host("sick", engine_fault="The Docker Engine does not answer.")
    make_job(owner, state=JobState.RUNNING)
    text = page(client, "/hosts/")
    for words in ("1 of 2", "cpu=epyc", "does not answer", "gpu=a100", "Down", "Engine away"):
        assert words in text, words
    client.post("/hosts/one/drain/")
    assert "Take work again" in page(client, "/hosts/")
    assert client.post("/hosts/none/drain/").status_code == 404
    assert AuditEvent.objects.filter(action="host.drain", target="one").exists()
