"""The relay and real containers: reached without any network, by the ports that were declared, until they end."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.relay import namespaces
from jobs.relay.handshake import Refused
from jobs.relay.targets import Place, Port
from jobs.runtimes.base import ContainerSpec, Handle, Mount, Running, RuntimeFault
from jobs.runtimes.docker import DockerRuntime
from tests.factories import make_job, make_person
from tests.jobs.proxied import SERVED

pytestmark = [
    pytest.mark.slow,
    pytest.mark.docker,
    pytest.mark.django_db,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root enters the network of a container"),
]


@pytest.fixture(scope="module")
def runtime() -> Iterator[DockerRuntime]:
    made = DockerRuntime()
    yield made
    made.close()


def serve(runtime: DockerRuntime, *words: str, image: str = "slipway-python:bookworm") -> Handle:
    return runtime.start(
        ContainerSpec(
            name=f"slipway-relay-{uuid.uuid4().hex[:8]}",
            image=runtime.image(image, pull=False).pinned,
            argv=("/usr/bin/python3", "/opt/served_app.py", *words),
            env={},
            uid=505,
            gid=505,
            workdir="/tmp",
            mounts=(Mount(str(SERVED), "/opt/served_app.py", readonly=True),),
            memory_mib=128,
        )
    )


@pytest.fixture
def container(runtime: DockerRuntime) -> Iterator[Handle]:
    handle = serve(runtime)
    yield handle
    runtime.remove(handle)


def place(runtime: DockerRuntime, handle: Handle, *ports: int) -> Place:
    job = make_job(make_person())
    return Place(job.tasks.get(), job, runtime, handle, lambda: frozenset(ports))  # type: ignore[arg-type]


async def opened(where: Place, port: int) -> socket.socket:
    """Once the program listens."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await Port().open(where, {"port": str(port)})
            except Refused as refusal:
                if refusal.code != "not_listening":
                    raise
                await asyncio.sleep(0.05)


async def said_by(connection: socket.socket) -> dict[str, object]:
    loop = asyncio.get_running_loop()
    with connection:
        await loop.sock_sendall(connection, b"GET /headers HTTP/1.1\r\nHost: x\r\n\r\n")
        raw = b""
        while not raw.endswith(b"]]]"):
            raw += await loop.sock_recv(connection, 65536)
    method, target, _ = json.loads(raw.partition(b"\r\n\r\n")[2])
    return {"method": method, "target": target}


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_container_without_network_is_reached_on_its_loopback(runtime: DockerRuntime, address: str) -> None:
    handle = serve(runtime, "8888", address)
    where = place(runtime, handle, 8888)
    try:

        async def walk() -> dict[str, object]:
            return await said_by(await opened(where, 8888))

        assert asyncio.run(walk()) == {"method": "GET", "target": "/headers"}
    finally:
        where.close()
        runtime.remove(handle)


def test_this_process_stays_in_its_own_network(runtime: DockerRuntime, container: Handle) -> None:
    before = Path("/proc/self/ns/net").readlink()
    where = place(runtime, container, 8888)

    async def walk() -> None:
        (await opened(where, 8888)).close()

    asyncio.run(walk())
    where.close()
    assert Path("/proc/self/ns/net").readlink() == before
    assert {(task / "ns/net").readlink() for task in Path("/proc/self/task").iterdir()} == {before}


def test_a_port_that_nobody_declared_is_not_reached(runtime: DockerRuntime, container: Handle) -> None:
    where = place(runtime, container, 5902)

    async def walk() -> None:
        with pytest.raises(Refused) as caught:
            await Port().open(where, {"port": "8888"})
        assert caught.value.code == "not_allowed"
        with pytest.raises(Refused) as caught:
            await Port().open(where, {"port": "5902"})
        assert caught.value.code == "not_listening"

    asyncio.run(walk())
    where.close()


def test_a_container_that_has_ended_is_gone(runtime: DockerRuntime, container: Handle) -> None:
    runtime.stop(container, 0)
    with pytest.raises(Refused) as caught:
        namespaces.of_container(runtime, container)
    assert caught.value.code == "gone"


def test_another_process_that_got_the_number_is_never_entered(runtime: DockerRuntime, container: Handle) -> None:
    """The engine names a process of this machine's own network: the relay must not serve its loopback."""

    class Misled(DockerRuntime):
        def observe(self, handle: Handle) -> Running:
            return Running(pid=os.getpid())

    misled = Misled()
    with pytest.raises(Refused) as caught:
        namespaces.of_container(misled, container)
    assert caught.value.code == "unable"
    misled.close()


def test_an_engine_that_is_away_is_said_as_such(container: Handle) -> None:
    away = DockerRuntime("unix:///nowhere/docker.sock")
    with pytest.raises(Refused) as caught:
        namespaces.of_container(away, container)
    assert caught.value.code == "away"
    with pytest.raises(RuntimeFault):
        away.ping()
    away.close()
