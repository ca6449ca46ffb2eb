"""What a job serves, in Chromium: waited for, ready, silent again, all live; kept running; and what the launch page says of it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from playwright.sync_api import expect

from jobs import readiness
from jobs.models import Attempt, Endpoint, Job
from jobs.states import JobState
from portal.people.models import User
from tests.apps_catalog.launch import generate
from tests.browser.conftest import Visit, overflow_px, serious_faults
from tests.browser.test_jobs import LIVE_S, portal_url
from tests.factories import make_app, make_host, make_machine, make_version
from tests.jobs.serving_jobs import WEB, age, endpoint_of, make_serving_job, open_it

__all__ = ["portal_url"]  # served with its streams
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators"),
]
PORTS = [{"address": "192.0.2.7", "host_port": 49152 + n, "port": 22 + n, "protocol": "tcp"} for n in range(3)]
LONG = "A label that is far longer than anybody would write, and goes on and on: " + "x" * 90


def publish(slug: str, **command: Any) -> None:
    make_version(make_app(slug=slug), definition=generate.definition(command=command))


def test_the_page_follows_what_is_served_from_waiting_to_ready_and_back(owner: User, visit: Visit) -> None:
    job = make_serving_job(owner)
    page = visit(owner, f"/jobs/{job.number}/")
    words = page.locator("#connection-words")
    expect(words).to_have_text(re.compile(r"Starting: waiting for port 8888 \(\d+ s\)"))
    before = page.locator("[data-counted]").text_content()
    expect(page.locator("[data-counted]")).not_to_have_text(str(before), timeout=LIVE_S)  # it counts by itself
    expect(page.locator("#job-connect")).to_have_count(0)
    page.evaluate("window.mark = 'the same page'")

    readiness.opened(endpoint_of(job))
    expect(words).to_have_text("Ready: the app answers.", timeout=LIVE_S)
    button = page.get_by_role("link", name="Connect to the app, in a new tab")
    expect(button).to_have_attribute("href", f"/jobs/{job.number}/connect/")
    expect(page.locator(".events")).to_contain_text("Port 8888 answers: you can connect.")

    readiness.fell_silent(endpoint_of(job))
    expect(words).to_contain_text("Port 8888 does not answer any more.", timeout=LIVE_S)
    expect(page.locator("#job-connect")).to_have_count(0)
    assert page.evaluate("window.mark") == "the same page"
    words.get_by_role("link", name="Look at the log").click()
    expect(page.locator("[data-log-view]")).to_be_visible()
    expect(page.locator("#connection-words")).to_contain_text("does not answer any more")


def test_a_click_on_connect_opens_the_apps_own_origin_in_a_new_tab(owner: User, visit: Visit, settings: Any) -> None:
    settings.PUBLIC_URL = (
        "http://127.0.0.1:9"  # the app's origin has this port: nobody is there, only the address counts
    )
    job = make_serving_job(owner)
    endpoint = open_it(job)
    page = visit(owner, "/jobs/")
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    with page.context.expect_page() as opened:
        page.get_by_role("link", name=f"Connect to job {job.number}, in a new tab").click()
    assert opened.value != page
    pattern = re.compile(rf"http://{endpoint.label}\.localhost:9/\.slipway/enter\?ticket=[\w-]{{43}}")
    for _ in range(200):
        if any(map(pattern.fullmatch, asked)):
            break
        page.wait_for_timeout(25)
    assert any(map(pattern.fullmatch, asked)), asked
    assert "path-secret" not in " ".join(asked)


def test_nobody_uses_it_is_said_in_time_and_a_click_keeps_it(owner: User, visit: Visit, settings: Any) -> None:
    settings.IDLE_STOP_HOURS = 8
    job = make_serving_job(owner)
    age(open_it(job), hours=7, minutes=45)
    Endpoint.objects.update(idle_warned_at=Now())
    page = visit(owner, f"/jobs/{job.number}/", width=390)
    expect(page.locator("#job-idle")).to_contain_text(re.compile(r"It is stopped in 1[45] min"))
    assert serious_faults(page) == []
    page.get_by_role("button", name="Keep running").click()
    expect(page.locator("#job-idle")).to_have_count(0)
    expect(page.locator(".events")).to_contain_text("still needs it.")


@pytest.mark.parametrize(("width", "dark"), [(390, False), (820, True), (1440, False)])
def test_all_that_can_be_said_of_it_fits_and_is_fit_for_everyone(
    owner: User, visit: Visit, settings: Any, width: int, dark: bool
) -> None:
    settings.IDLE_STOP_HOURS = 8
    command = {**WEB, "publicip": True, "ports": ["22/tcp", "23/tcp", "24/tcp"]}
    jobs: list[Job] = [make_serving_job(owner, command=command, published=PORTS, label=LONG) for _ in range(4)]
    waiting, late, silent, ready = jobs
    age(endpoint_of(late), minutes=5)
    Endpoint.objects.filter(job=silent).update(answered_at=Now() - timedelta(hours=1))
    open_it(ready)
    Endpoint.objects.filter(job=ready).update(idle_warned_at=Now(), since=Now() - timedelta(hours=7, minutes=45))
    version = ready.version
    version.help_html = f"<h2>{'Help' * 40}</h2><p>{LONG}</p><table><tr><td>{LONG}</td><td>b</td></tr></table>"
    version.save()
    for job, words in (
        (waiting, "Starting: waiting for port 8888"),
        (late, "Nothing has answered on port 8888 for 5 min"),
        (silent, "does not answer any more"),
        (ready, "Ready: the app answers."),
    ):
        page = visit(owner, f"/jobs/{job.number}/", width=width, dark=dark)
        expect(page.locator("#connection-words")).to_contain_text(words)
        expect(page.get_by_text("192.0.2.7:49154")).to_be_visible()
        assert overflow_px(page) == 0
        assert serious_faults(page) == []


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ({"interactive": True, "url": "http://%PUBLICADDR%:8888/"}, "Opens in your browser when ready"),
        ({"desktop": True}, "A desktop opens in your browser when ready"),
        ({"webshell": True}, "A terminal opens in your browser when it runs"),
    ],
)
def test_the_launch_page_says_what_comes(owner: User, visit: Visit, command: dict[str, Any], words: str) -> None:
    make_machine("n1")
    make_host()
    publish("serving", **command)
    page = visit(owner, "/apps/serving/launch/")
    expect(page.locator("#panel-connect")).to_contain_text(words)
    assert serious_faults(page) == []
    page.get_by_role("button", name=re.compile("Launch")).first.click()
    expect(page.locator("#connection-words")).to_contain_text("opens in your browser once the job runs")
    assert Job.objects.get().state == JobState.QUEUED


def test_the_launch_page_says_which_machine_type_has_a_public_address(owner: User, visit: Visit) -> None:
    make_machine("n1")
    make_machine("n2", network="outgoing", public_ports=True, order=1)
    make_host(serves={"n1": 1, "n2": 1}, public_address="127.0.0.1")
    publish("public", publicip=True, ports=["2222/tcp"])
    page = visit(owner, "/apps/public/launch/")
    expect(page.get_by_role("radio", name=re.compile("^n2"))).to_be_checked()
    page.get_by_role("radio", name=re.compile("^n1")).check()
    said = "This app asks for a public address, and jobs on n1 get none. Pick n2, which do."
    expect(page.locator(".panel-todo")).to_contain_text(said)
    expect(page.locator(".panel-glance")).to_contain_text("n1 no address")
    assert serious_faults(page) == []
    page.get_by_role("radio", name=re.compile("^n2")).check()
    expect(page.locator("#panel-connect")).to_contain_text("Ports 2222/tcp get a public address")
    page.get_by_role("button", name=re.compile("Launch")).first.click()
    expect(page.locator("#connection-words")).to_contain_text(
        "Its ports (2222/tcp) get a public address when it starts."
    )
    assert not Attempt.objects.exists()
