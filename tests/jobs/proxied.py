"""A web app behind the proxy, for tests: the app, a relay, and the web server as it is, in this process or beside it.

The relay's target connects to the loopback that the test has, for only containers have another
(tests/jobs/relay/test_containers.py has some).
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import httpx
import uvicorn
from django.db import connections
from django.test import Client

from jobs import endpoints, origins
from jobs.models import Attempt, Endpoint, Host, Job
from jobs.proxy import gate
from jobs.proxy.application import Application, Apps
from jobs.proxy.headers import pass_cookie
from jobs.relay.handshake import Refused
from jobs.relay.server import Relay
from jobs.relay.targets import Place
from jobs.runtimes.base import Handle
from jobs.runtimes.fake import FakeRuntime
from jobs.states import JobState
from portal.people.models import User
from portal.web import OPTIONS
from tests.factories import make_host, make_job, make_person

T = TypeVar("T")
SERVED = Path(__file__).resolve().parents[2] / "bench" / "served_app.py"


class LocalPort:
    """A port of this machine's own loopback, in the place of a container's."""

    name = "port"

    async def open(self, place: Place, arguments: Mapping[str, str]) -> socket.socket:
        port = int(arguments["port"])
        if not await place.declared(port):
            raise Refused("not_allowed", "Not declared.")
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
        except OSError:
            made.close()
            raise Refused("not_listening", f"Nothing answers on port {port} of the container yet.") from None
        return made


@contextmanager
def served() -> Iterator[int]:
    """The app, and its port."""
    child = subprocess.Popen([sys.executable, str(SERVED), "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        found = re.search(r"Serving on (\d+)", child.stdout.readline())
        assert found
        yield int(found[1])
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


@dataclass
class Served:
    """An endpoint of a running job whose app answers on `port`, and the web server's `port` in `url`."""

    owner: User
    job: Job
    attempt: Attempt
    endpoint: Endpoint
    relay: Relay
    url: str = ""
    apps: Apps | None = None
    places: dict[str, Place] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return origins.origin_of(self.endpoint.label).host

    @property
    def origin(self) -> str:
        return origins.origin_of(self.endpoint.label).url

    def beside(self, other: Served) -> Served:
        """The other, behind the same web server."""
        other.url, other.apps = self.url, self.apps
        return other

    def pass_of(self, user: User) -> str:
        """A pass to the endpoint, out of a fresh session of this person's."""
        return committed(_pass_of, user, self.endpoint)

    @contextmanager
    def browser(self, user: User | None = None, **headers: str) -> Iterator[httpx.Client]:
        """A client of the app's origin; without a user, one that has no pass."""
        cookie = {"cookie": self.pass_of(user)} if user else {}
        given = {"host": self.host, **cookie, **headers}
        with httpx.Client(base_url=self.url, headers=given, timeout=20) as client:
            yield client


def committed(function: Callable[..., T], *args: Any, **more: Any) -> T:
    """What the function gives, done in a thread of its own: what it writes is there for all, whatever becomes of the test."""

    def work() -> T:
        try:
            return function(*args, **more)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def _pass_of(user: User, endpoint: Endpoint) -> str:
    client = Client()
    client.force_login(user)
    ticket = gate.ticket_for(user, client.session.session_key or "", endpoint)
    entered = gate.enter(endpoint.label, ticket)
    assert entered is not None
    return f"{pass_cookie()}={entered[1]}"


def open_job(owner: User, port: int, *, path: str = "/", **over: Any) -> tuple[Job, Attempt, Endpoint]:
    job = make_job(owner, state=JobState.RUNNING, **over)
    attempt = Attempt.objects.get(task__job=job)
    attempt.host = make_host(f"host-{job.number}")
    attempt.save()
    endpoint = endpoints.declare(attempt, kind=Endpoint.Kind.WEB, port=port, path=path)
    return job, attempt, endpoint


def place_of(attempt: Attempt) -> Place:
    def ports() -> frozenset[int]:
        try:
            return endpoints.ports_of(attempt)
        finally:
            connections.close_all()

    return Place(attempt, attempt.task.job, FakeRuntime(), Handle(attempt.name), ports)


@contextmanager
def relayed(owner: User, port: int, *, path: str = "/", **over: Any) -> Iterator[Served]:
    """The job's rows, and a relay that serves it. No web server."""
    job, attempt, endpoint = committed(open_job, owner, port, path=path, **over)
    places = {attempt.name: place_of(attempt)}
    relay = Relay(places.get, {"port": LocalPort()})
    at = relay.start("127.0.0.1", 0)
    committed(Host.objects.filter(pk=attempt.host_id).update, relay=f"127.0.0.1:{at}")
    try:
        yield Served(owner, job, attempt, endpoint, relay, places=places)
    finally:
        relay.stop()


async def portal_instead(scope: Any, receive: Any, send: Any) -> None:
    """Stands where the portal would."""
    await send({"type": "http.response.start", "status": 299, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"the portal"})


@contextmanager
def web_server(otherwise: Any = portal_instead, port: int = 0) -> Iterator[tuple[str, Apps]]:
    """The proxy under the web server as portal.web sets it up; its address."""
    apps = Apps(cast("Application", otherwise))
    options = OPTIONS | {"log_level": "critical", "timeout_graceful_shutdown": 1, "proxy_headers": False}
    config = uvicorn.Config(apps, port=port, **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="uvicorn")
    thread.start()
    while not server.started:
        time.sleep(0.01)
    at = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{at}", apps
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        connections["default"].close_pool()  # type: ignore[attr-defined]  # of the server's threads, which are gone


@contextmanager
def app_of_module(name: str = "owner", *, path: str = "/") -> Iterator[Served]:
    """A person's app with its relay and a web server of its own, for all tests of a module: they only read its rows."""
    with (
        served() as port,
        relayed(committed(make_person, name), port, path=path) as site,
        web_server() as (site.url, site.apps),
    ):
        yield site


def heard(answer: httpx.Response) -> tuple[str, str, list[tuple[str, str]]]:
    """What the app's /headers says that it got: method, target, headers."""
    method, target, pairs = json.loads(answer.text)
    return method, target, [(name.lower(), value) for name, value in pairs]


def values(pairs: list[tuple[str, str]], name: str) -> list[str]:
    return [value for found, value in pairs if found == name]


def until(true: Callable[[], Any], within_s: float = 10) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, "It did not come true."
        time.sleep(0.01)
