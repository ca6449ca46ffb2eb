"""Real containers that serve: without any network the worker sees their port open and close; public ports are reached."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.folders import Folder
from jobs.job_values import password_of
from jobs.models import Endpoint, Job
from jobs.relay import namespaces
from jobs.runtimes.base import PublicPort
from jobs.runtimes.docker import DockerRuntime
from jobs.slots import Slots
from jobs.states import JobState
from portal.people.models import User
from tests.apps_catalog.launch import generate
from tests.factories import make_host, make_machine, make_version
from tests.jobs.engines import real_engine, serving
from tests.jobs.outputs import program_output
from tests.jobs.runtimes.bench import IMAGE, LABEL
from tests.jobs.runtimes.test_docker_hardening import make_spec
from tests.jobs.test_outgoing_network import able, outgoing
from tests.jobs.workers import ended, launch

__all__ = ["able", "outgoing"]  # fixtures
pytestmark = [pytest.mark.docker, pytest.mark.django_db(transaction=True)]
# Told by its standard words what it is told; opens its port, closes it and opens another, each when a file says so.
PROGRAM = r"""
import json, os, socket, sys, time
print(json.dumps(sys.argv[1:]), os.listdir("/sys/class/net"), flush=True)
def until(name):
    while not os.path.exists("/results/" + name):
        time.sleep(0.05)
until("open")
with socket.create_server(("127.0.0.1", 8888)):
    print("opened", flush=True)
    until("close")
other = socket.create_server(("0.0.0.0", 9999))
until("end")
"""


@pytest.fixture
def slots(settings: Any, folders: Path) -> Iterator[Slots]:
    settings.BROKER_URL = "none"
    settings.HEARTBEAT_S = 1
    if fault := namespaces.fault():
        pytest.skip(fault)
    make_machine("n1", ram_mib=96, pids=64)
    host = make_host(serves={"n1": 1})
    with real_engine(folders) as runtime, serving(Slots(host=host, runtime=runtime, serve={"n1": 1})) as made:
        yield made


def eventually(found: Callable[[], Any], within_s: float = 40) -> Any:
    until = time.monotonic() + within_s
    while not (result := found()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return result


def state(job: Job) -> tuple[str, bool, list[int]] | None:
    found = Endpoint.objects.filter(job=job).first()
    return (found.state, found.answered_at is not None, found.other_ports) if found else None


def test_the_port_of_a_program_without_any_network_is_seen_to_open_and_to_close(slots: Slots, owner: User) -> None:
    shape = {"name": "w", "description": "w", "type": "CONST", "positional": True, "required": True}
    words = ["-c", PROGRAM, "%CONNECTURL%", "%BASEURL%", "%PUBLICADDR%"]
    parameters = {f"w{number}": shape | {"value": word} for number, word in enumerate(words)}
    url = "https://%PUBLICADDR%:8888/lab?token=%NIMBIXPASSWD%"
    command = {"path": "/usr/bin/python3", "interactive": True, "url": url}
    raw = generate.definition(parameters, command=command, appdefversion=1)
    version = make_version(definition=raw, image_pinned=slots.runtime.image(IMAGE, pull=False).pinned)
    job = launch(owner, version=version, command="go", parameters={})

    def says(name: str) -> None:
        (attempt,) = [one.attempt for one in slots.watcher.tending()]
        (Folder.of(attempt, "one").results / name).touch()

    eventually(lambda: job.tasks.get().attempts.filter(state="running").exists())
    assert state(job) == ("waiting", False, [])
    says("open")
    eventually(lambda: state(job) == ("open", True, []))
    says("close")
    eventually(lambda: state(job) == ("waiting", True, [9999]))
    says("end")
    assert ended(job, within_s=40).state == JobState.SUCCEEDED
    assert [event.message for event in job.events.filter(kind__in=["ready", "silent"]).order_by("id")] == [
        "Port 8888 answers: you can connect.",
        "Port 8888 does not answer any more. The log may say why.",
    ]
    endpoint = Endpoint.objects.get(job=job)
    assert (endpoint.state, endpoint.path) == (Endpoint.State.CLOSED, f"/lab?token={password_of(job)}")
    told = program_output(job.tasks.get().attempts.get()).decode()
    host = f"{endpoint.label}.localhost"
    assert told.startswith(f"{json.dumps([f'http://{host}:8000/', '/', host])} ['lo']\n")


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_public_ports_are_reached_at_the_address_that_was_asked_for(outgoing: None, protocol: str) -> None:
    kind = "SOCK_STREAM" if protocol == "tcp" else "SOCK_DGRAM"
    code = (
        f"import socket\ns = socket.socket(socket.AF_INET, socket.{kind}); s.bind(('0.0.0.0', 8080))\n"
        "t = socket.create_server(('0.0.0.0', 8081)); print('ready', flush=True)\n"
        + (
            "s.listen()\nwhile True: c, _ = s.accept(); c.sendall(b'hello'); c.close()"
            if protocol == "tcp"
            else "while True: _, who = s.recvfrom(99); s.sendto(b'hello', who)"
        )
    )
    runtime = DockerRuntime()
    asked = (PublicPort(8080, protocol, "127.0.0.1"),)  # type: ignore[arg-type]
    spec = make_spec(
        "python3", "-u", "-c", code, image=IMAGE, labels={LABEL: "public"}, network="outgoing", public=asked
    )
    handle = runtime.start(spec)
    try:
        assert next(runtime.follow(handle)).data == b"ready\n"
        (found,) = runtime.published(handle)
        assert (found.port, found.protocol, found.address) == (8080, protocol, "127.0.0.1")
        assert runtime.start(spec).adopted
        assert runtime.published(handle) == (found,)
        way = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
        with socket.socket(socket.AF_INET, way) as client:
            client.settimeout(10)
            client.connect((found.address, found.host_port))
            if protocol == "udp":
                client.send(b"hi")
            assert client.recv(99) == b"hello"
    finally:
        runtime.remove(handle)
        assert runtime.published(handle) == ()
        runtime.close()
