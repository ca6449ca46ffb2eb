"""Ports on a public address: what a runtime says of them, of what the engine says; the fake's and a container's own."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.runtimes.base import Handle, PublicPort
from jobs.runtimes.docker_config import published_ports
from jobs.runtimes.fake import FakeProgram, FakeRuntime
from tests.jobs.runtimes.test_docker_hardening import make_spec

ASKED = (PublicPort(8080, "tcp", "127.0.0.1"), PublicPort(22, "tcp", "127.0.0.1"))


def inspected(bindings: Any, ports: Any) -> dict[str, Any]:
    return {"HostConfig": {"PortBindings": bindings}, "NetworkSettings": {"Ports": ports}}


@pytest.mark.parametrize(
    ("bindings", "ports", "found"),
    [
        (None, None, ()),
        ({}, {"5000/tcp": None}, ()),
        (
            {"8080/tcp": [{}], "22/tcp": [{}]},
            {
                "22/tcp": [{"HostIp": "192.0.2.7", "HostPort": "49153"}],
                "8080/tcp": [{"HostIp": "192.0.2.7", "HostPort": "49154"}],
                "5000/tcp": None,
            },
            (PublicPort(8080, "tcp", "192.0.2.7", 49154), PublicPort(22, "tcp", "192.0.2.7", 49153)),
        ),
        ({"53/udp": [{}]}, {"53/udp": None}, ()),
        ({"53/udp": [{}]}, {}, ()),
    ],
)
def test_what_the_engine_says_is_read_in_the_order_asked_for(
    bindings: Any, ports: Any, found: tuple[PublicPort, ...]
) -> None:
    assert published_ports(inspected(bindings, ports)) == found


def test_the_fake_publishes_what_it_is_asked_for_while_it_runs() -> None:
    runtime = FakeRuntime(lambda spec: FakeProgram(duration_s=60))
    handle = runtime.start(make_spec("serve", network="outgoing", public=ASKED))
    found = runtime.published(handle)
    assert [(one.port, one.address) for one in found] == [(8080, "127.0.0.1"), (22, "127.0.0.1")]
    assert len({one.host_port for one in found} - {0}) == 2
    runtime.stop(handle, 0)
    assert runtime.published(handle) == ()
    assert runtime.published(Handle("nobody")) == ()
