"""A job's pages in Chromium: they follow the job, the log comes live and is searched, every tab is fit for everyone."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from django.core.asgi import get_asgi_application
from django.db import connections
from django.utils import timezone
from playwright.sync_api import expect

from jobs.events import CHANNEL, notify, record
from jobs.models import Attempt, Job, LogChunk, Task, UsageSeries
from jobs.states import JobState
from jobs.streams import ROUTES
from portal.people.models import User
from portal.streams import Streams
from tests.browser.conftest import Visit, overflow_px, serious_faults
from tests.factories import make_attempt, make_host, make_job, make_result

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    # whitenoise hands static files, which are small, to ASGI as plain iterators
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators"),
]
LIVE_S = 8_000


@pytest.fixture
def portal_url(free_port: int) -> Iterator[str]:
    """The portal as it is served: streams ahead of Django, by uvicorn. (`visit` opens its pages.)"""
    app = Streams(ROUTES, get_asgi_application(), channel=CHANNEL)  # type: ignore[arg-type]
    options = {"port": free_port, "log_level": "error", "lifespan": "off", "timeout_graceful_shutdown": 1}
    server = uvicorn.Server(uvicorn.Config(app, **options))  # type: ignore[arg-type]
    thread = threading.Thread(target=server.run, name="uvicorn")
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{free_port}"
    server.should_exit = True
    thread.join(timeout=20)
    connections["default"].close_pool()  # type: ignore[attr-defined]  # of the server's threads, which are gone


def start(job: Job) -> Attempt:
    host = make_host()
    task = Task.objects.get(job=job)
    Task.objects.filter(pk=task.pk).update(state="running", host=host, attempt_number=1)
    Job.objects.filter(pk=job.pk).update(state="running", started_at=timezone.now())
    task.refresh_from_db()
    attempt = make_attempt(task)
    record(job.number, "started", "Running on one.")
    return attempt


def write(attempt: Attempt, data: bytes) -> None:
    attempt.refresh_from_db()
    sequence = LogChunk.objects.filter(attempt=attempt).count()
    LogChunk.objects.create(attempt=attempt, sequence=sequence, offset=attempt.log_bytes, data=data)
    Attempt.objects.filter(pk=attempt.pk).update(log_bytes=attempt.log_bytes + len(data))
    notify(attempt.task.job_id, "log")


def finish(job: Job) -> None:
    now = timezone.now()
    Attempt.objects.filter(task__job=job).update(state="exited", ended_at=now, exit_code=0)
    Task.objects.filter(job=job).update(state="succeeded", host=None)
    Job.objects.filter(pk=job.pk).update(state="succeeded", finished_at=now, exit_code=0)
    record(job.number, "succeeded", "It ended with exit code 0.")


def test_the_page_follows_a_job_from_waiting_to_its_end(owner: User, visit: Visit) -> None:
    job = make_job(owner)
    page = visit(owner, f"/jobs/{job.number}/log/")
    expect(page.locator("#job-sentence")).to_contain_text("Waiting:")
    expect(page.locator("[data-log-note]")).to_have_text("The log begins when the job starts.")
    attempt = start(job)
    expect(page.locator("#job-sentence")).to_have_text("Running on host one.", timeout=LIVE_S)
    assert page.title().startswith("▶")
    write(attempt, b"10%\r50%\r\x1b[31m99%")
    expect(page.locator(".ansi-f1")).to_have_text("99%", timeout=LIVE_S)
    write(attempt, b"\x1b[0m\n<b>plain</b> \xe2")
    write(attempt, b"\x9c\x93\n")
    expect(page.locator(".log-line").nth(1)).to_contain_text("<b>plain</b> ✓", timeout=LIVE_S)
    expect(page.locator("[data-log]")).not_to_have_attribute(
        "data-empty", re.compile("")
    )  # folded until the first line
    finish(job)
    expect(page.locator("#job-head")).to_have_attribute("data-state", "succeeded", timeout=LIVE_S)
    expect(page.locator("[data-log-status]")).to_have_text("Complete", timeout=LIVE_S)
    assert page.title().startswith("✓")


def test_a_long_log_is_searched_linked_and_left_where_one_reads(owner: User, visit: Visit) -> None:
    job = make_job(owner, state=JobState.RUNNING)
    attempt = Attempt.objects.get(task__job=job)
    lines = b"".join(b"line %d of \x1b[32mmany\x1b[0m\n" % number for number in range(1, 20_001))
    for begin in range(0, len(lines), 60_000):
        write(attempt, lines[begin : begin + 60_000])
    page = visit(owner, f"/jobs/{job.number}/log/#L12345")
    expect(page.locator(".log-line.is-marked")).to_contain_text("line 12345 of many", timeout=LIVE_S)
    follow = page.locator("[data-log-follow]")
    expect(follow).to_have_attribute("aria-pressed", "false")
    page.locator("#log-query").fill("LINE 1999")
    expect(page.locator("[data-log-count]")).to_have_text("11 lines")
    page.locator("#log-query").press("Enter")
    expect(page.locator("[data-log-count]")).to_have_text("2 of 11")
    expect(page.locator(".log-line.is-marked")).to_contain_text("line 19990")
    follow.click()
    expect(page.locator(".log-line").last).to_contain_text("line 20000")
    page.locator("[data-log-view]").hover()
    page.mouse.wheel(0, -400)
    expect(follow).to_have_attribute("aria-pressed", "false")
    assert page.locator(".log-line").count() < 150


def test_the_list_keeps_itself_fresh_and_cancels_what_is_chosen_by_keyboard(owner: User, visit: Visit) -> None:
    job = make_job(owner, label="choose me")
    page = visit(owner, "/jobs/")
    page.locator(f"#choose-{job.number}").focus()
    page.keyboard.press("Space")
    make_job(owner, label="came later")
    expect(page.get_by_text("came later")).to_be_visible(timeout=LIVE_S)
    expect(page.locator(f"#choose-{job.number}")).to_be_checked()
    page.locator("#cancel-chosen").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Cancel the chosen jobs?")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.locator("#cancel-chosen").click()
    dialog.get_by_role("button", name="Cancel jobs").click()
    expect(page.get_by_text("1 job asked to stop.")).to_be_visible()
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1440, False)])
def test_every_page_is_fit_for_everyone(owner: User, visit: Visit, width: int, dark: bool) -> None:
    plan = {
        "argv": ["/bin/echo", "x" * 300],
        "env": {"A": "b"},
        "image": "sha256:" + "0" * 64,
        "mounts": [],
        "files": [{"path": "/etc/JARVICE/jobenv.sh", "text": "A=1\n", "late": True}],
        "variables": [{"name": "A", "value": "%JOBNAME%", "authored": True}, {"name": "B", "account": True}],
        "uid": 505,
        "gid": 505,
        "workdir": "/home/nimbix",
        "limits": {
            "cores": 2,
            "memory_mib": 512,
            "gpus": 1,
            "pids": 9,
            "disk_mib": 9,
            "walltime_s": 60,
            "network": "none",
        },
    }
    job = make_job(owner, state=JobState.SUCCEEDED, plan=plan, nodes=2, label="a label that is quite long " * 3)
    attempt = Attempt.objects.get(task__job=job)
    UsageSeries.objects.create(attempt=attempt, points=[[5 * n, n % 90, 2**20 * n, 2] for n in range(60)])
    write(attempt, b"hello\n")
    make_result(job, "table.csv", b"a,b\n1,2\n")
    make_job(owner)
    User.objects.filter(pk=owner.pk).update(is_operator=True)
    tabs = ("", "log/", "metrics/", "inputs/", "results/", "results/view/table.csv")
    for path in ("/jobs/", "/hosts/", "/account/tokens/", *(f"/jobs/{job.number}/{tab}" for tab in tabs)):
        page = visit(owner, path, width=width, dark=dark)
        assert serious_faults(page) == [], path
        assert overflow_px(page) <= 0, path
        page.context.close()


def test_without_scripts_the_pages_still_tell_all(owner: User, visit: Visit) -> None:
    job = make_job(owner, state=JobState.RUNNING)
    write(Attempt.objects.get(task__job=job), b"printed\n")
    page = visit(owner, f"/jobs/{job.number}/", scripts=False)
    expect(page.get_by_text("Running on host one.")).to_be_visible()
    page.get_by_role("link", name="Log", exact=True).click()
    page.get_by_role("link", name="Plain text", exact=True).click()
    expect(page.get_by_text("printed")).to_be_visible()
