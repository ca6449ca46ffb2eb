"""Connected, and then a process dies: the container goes on, the same pass opens the same app, and pages come again."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest
from django.test import Client
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from jobs.models import Attempt, Endpoint, Job, Visit
from jobs.proxy import gate
from jobs.proxy.headers import pass_cookie
from tests.factories import make_version
from tests.faults.site import Process, Site, eventually
from tests.jobs.proxied import SERVED

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root enters the network of a container"),
]
COMMAND: dict[str, Any] = {
    "path": "/opt/served_app.py",
    "name": "Serve",
    "description": "",
    "interactive": True,
    "url": "http://%PUBLICADDR%:8888/",
    "cmdscript": SERVED.read_text(encoding="utf-8"),
    "parameters": {},
}
SERVING: dict[str, Any] = {
    "name": "Served",
    "description": "",
    "author": "tests",
    "licensed": True,
    "classifications": ["Tests"],
    "machines": ["*"],
    "vault-types": ["NONE"],
    "commands": {"run": COMMAND},
}


class Connected:
    """One person's browser at the app of a job, over real processes."""

    def __init__(self, site: Site, port: int, machine: str = "n1") -> None:
        from apps_catalog.launch.spec import Submission
        from jobs import services

        version = make_version(definition=SERVING, image_pinned=site.version.image_pinned)
        submission = Submission("run", {}, machine=machine, vault="NONE")
        self.site, self.port = site, port
        self.job: Job = services.submit(owner=site.owner, version=version, submission=submission).job
        self.attempt = site.running(self.job)
        self.endpoint = Endpoint.objects.get(attempt=self.attempt)
        self.host = f"{self.endpoint.label}.localhost:{port}"
        client = Client()
        client.force_login(site.owner)
        ticket = gate.ticket_for(site.owner, client.session.session_key or "", self.endpoint)
        entered = gate.enter(self.endpoint.label, ticket)
        assert entered is not None
        self.cookie = f"{pass_cookie()}={entered[1]}"

    def get(self, path: str = "/headers") -> httpx.Response | None:
        with suppress(httpx.TransportError):
            given = {"host": self.host, "cookie": self.cookie}
            return httpx.get(f"http://127.0.0.1:{self.port}{path}", headers=given, timeout=10)
        return None

    def answers(self, within_s: float = 40) -> None:
        eventually(lambda: (a := self.get()) is not None and a.status_code == 200, within_s, "An answer of the app")

    def socket(self) -> Any:
        raw = socket.create_connection(("127.0.0.1", self.port))
        given = {"Cookie": self.cookie}
        return connect(f"ws://{self.host}/echo", sock=raw, additional_headers=given, compression=None, proxy=None)

    @contextmanager
    def talking(self, word: str) -> Iterator[ClientConnection]:
        """A WebSocket by which the app has said the word back."""
        with self.socket() as open_one:
            open_one.send(word)
            assert open_one.recv(timeout=10) == word
            yield open_one

    def container(self) -> tuple[str, int]:
        found = self.site.inspect(self.attempt.name)
        return found["Id"], found["State"]["Pid"]

    def end(self) -> None:
        from jobs import services

        services.cancel(job=self.job, actor=self.site.owner)
        self.site.ended(self.job)


@pytest.fixture
def port(free_port: int) -> int:
    return free_port


@pytest.fixture
def web(site: Site, port: int) -> Iterator[Callable[[], Process]]:
    """Start the portal on `port`, as often as asked."""
    begun: list[Process] = []

    def start() -> Process:
        begun.append(site.web(port, PUBLIC_URL=f"http://127.0.0.1:{port}"))
        return begun[-1]

    yield start
    for process in begun:
        if process.alive:
            process.kill()


def test_a_worker_that_is_killed_and_comes_back_serves_the_same_app(
    site: Site, web: Callable[[], Process], port: int
) -> None:
    site.machine("relayed")  # of this worker alone, so that no other takes the job
    worker = site.worker("relayed", "--serve", "relayed=1")
    web()
    at = Connected(site, port, "relayed")
    at.answers()
    before = at.container()
    with at.talking("here") as open_one:
        worker.kill()
        with pytest.raises(ConnectionClosed):
            open_one.recv(timeout=20)
    answer = at.get("/")
    assert answer is not None
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    again = site.worker("relayed", "--serve", "relayed=1")
    at.answers()
    with at.talking("again"):
        pass
    assert at.container() == before
    assert Attempt.objects.filter(task__job=at.job).count() == 1
    at.end()
    closed = at.get()
    assert closed is not None
    assert closed.status_code == 410
    again.terminate()


def test_a_portal_that_is_killed_and_comes_back_knows_the_pass(
    site: Site, worker: Process, web: Callable[[], Process], port: int
) -> None:
    first = web()
    at = Connected(site, port)
    at.answers()
    before = at.container()
    with at.talking("here") as open_one:
        first.kill()
        with pytest.raises(ConnectionClosed):
            open_one.recv(timeout=20)
    web()
    at.answers()
    with at.talking("again"):
        pass
    assert at.container() == before
    assert Visit.objects.filter(endpoint=at.endpoint).count() == 1
    at.end()


def test_a_program_that_crashes_while_connected_ends_the_job_and_the_page_says_so(
    site: Site, worker: Process, web: Callable[[], Process], port: int
) -> None:
    web()
    at = Connected(site, port)
    at.answers()
    with at.socket() as open_one:
        crashed = at.get("/exit")
        with pytest.raises(ConnectionClosed):
            open_one.recv(timeout=20)
    assert crashed is None or crashed.status_code in (502, 503)
    job = site.ended(at.job)
    assert (job.state, job.exit_code) == ("failed", 3)
    eventually(lambda: (a := at.get()) is not None and a.status_code == 410, 20, "The page of an app that has ended")


def test_an_answer_of_gigabytes_leaves_the_processes_small(
    site: Site, worker: Process, web: Callable[[], Process], port: int
) -> None:
    """A short form of ten gigabytes: what matters is that memory does not follow what passes through."""
    portal = web()
    at = Connected(site, port)
    at.answers()
    small = portal.rss_mib(), worker.rss_mib()
    url = f"http://127.0.0.1:{port}/bytes?mib=1024"
    total = 0
    with httpx.stream("GET", url, headers={"host": at.host, "cookie": at.cookie}, timeout=60) as answer:
        for number, piece in enumerate(answer.iter_raw(1 << 20)):
            total += len(piece)
            if number == 100:
                time.sleep(1)  # a reader that pauses: nothing piles up meanwhile
    assert total == 1024 * 2**20
    assert portal.rss_mib() - small[0] < 40
    assert worker.rss_mib() - small[1] < 40
    assert json.loads((at.get() or answer).text)[0] == "GET"
    at.end()
