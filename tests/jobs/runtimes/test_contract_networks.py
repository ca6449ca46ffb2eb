"""What every runtime must do with private networks, and how subnets for them are chosen."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest

from jobs.runtimes.base import Exited, RuntimeFault
from jobs.runtimes.docker import DockerRuntime
from jobs.runtimes.docker_networks import DEFAULT_POOL, subnets
from jobs.runtimes.fake import FakeProgram, FakeRuntime
from tests.jobs.runtimes.bench import LABEL, Bench, text

LISTEN = """
import socket
s = socket.create_server(('0.0.0.0', 7000)); print('ready')
c, _ = s.accept(); c.sendall(socket.gethostname().encode()); c.close()
"""
ASK = """
import json, socket
c = socket.create_connection(('node2', 7000), 10)
said = c.recv(99).decode()
try:
    socket.getaddrinfo('example.org', 80); outside = True
except OSError:
    outside = False
print(json.dumps([socket.gethostname(), said, socket.gethostbyname('node1') == c.getsockname()[0], outside]))
"""


@pytest.fixture
def network(bench: Bench) -> Iterator[str]:
    name = f"contract-{uuid.uuid4().hex}"
    bench.runtime.make_network(name, {LABEL: bench.mark}, size=2)
    yield name
    for handle in bench.runtime.owned(LABEL, bench.mark):
        bench.runtime.remove(handle)
    bench.runtime.remove_network(name)


def test_a_network_is_made_once_and_removed_once(bench: Bench, network: str) -> None:
    bench.runtime.make_network(network, {LABEL: bench.mark}, size=2)
    assert bench.runtime.owned_networks(LABEL, bench.mark) == [network]
    assert bench.runtime.owned_networks(LABEL, bench.mark + "x") == []
    for _ in range(2):
        bench.runtime.remove_network(network)
    assert bench.runtime.owned_networks(LABEL, bench.mark) == []


def test_a_network_of_somebody_elses_is_not_used(bench: Bench, network: str) -> None:
    with pytest.raises(RuntimeFault, match="not ours") as caught:
        bench.runtime.make_network(network, {LABEL: "somebody-else"}, size=2)
    assert (caught.value.code, caught.value.retry) == ("start_refused", False)


def test_those_on_a_network_find_one_another_by_name_and_nobody_outside(bench: Bench, network: str) -> None:
    joined = {"private_network": network}
    other = bench.runtime.start(
        bench.python(LISTEN, hostname="node2", **joined, does=FakeProgram(lines=(b"ready\n",) * 9, duration_s=9))
    )
    assert next(bench.runtime.follow(other)).data == b"ready\n"
    says = FakeProgram(lines=(json.dumps(["node1", "node2", True, False]).encode() + b"\n",))
    end, lines = bench.run(bench.python(ASK, hostname="node1", **joined, does=says))
    assert end == Exited(0), text(lines, "stderr").decode()
    assert json.loads(text(lines)) == ["node1", "node2", True, False]


def test_a_network_that_is_not_there_starts_nothing(bench: Bench) -> None:
    gone = f"contract-{uuid.uuid4().hex}"
    with pytest.raises(RuntimeFault, match="not started") as caught:
        bench.runtime.start(bench.spec("true", private_network=gone, hostname="node1"))
    assert caught.value.code == "start_refused"
    assert bench.runtime.owned(LABEL, bench.mark) == []


def test_an_engine_that_is_away_makes_no_network() -> None:
    runtime = FakeRuntime()
    runtime.away()
    for act in (
        lambda: runtime.make_network("any", {}, size=2),
        lambda: runtime.remove_network("any"),
        lambda: runtime.owned_networks("any", "any"),
    ):
        with pytest.raises(RuntimeFault) as caught:
            act()
        assert caught.value.code == "engine_away"


# -- which subnet -----------------------------------------------------------------------------------------------------


def chosen(pool: str, size: int, *taken: str) -> list[str]:
    return [str(subnet) for subnet in subnets(pool, size, taken)][:3]


def test_the_first_free_subnet_is_taken_and_fits() -> None:
    assert chosen(DEFAULT_POOL, 2) == ["172.30.0.0/28", "172.30.0.16/28", "172.30.0.32/28"]
    assert chosen(DEFAULT_POOL, 12)[0] == "172.30.0.0/28"
    assert chosen(DEFAULT_POOL, 13)[0] == "172.30.0.0/27"
    assert chosen(DEFAULT_POOL, 200)[0] == "172.30.0.0/24"


def test_what_others_have_is_passed_over() -> None:
    taken = ("172.30.0.0/28", "172.17.0.0/16", "fd00::/64", "nonsense", "172.30.0.20/32")
    assert chosen(DEFAULT_POOL, 2, *taken)[0] == "172.30.0.32/28"
    assert chosen(DEFAULT_POOL, 2, "172.30.0.0/16")[0] == "172.31.0.0/28"
    assert chosen("10.9.0.0/28", 2, "10.0.0.0/8") == []
    assert chosen("10.9.0.0/29", 8) == []
    assert chosen("10.9.0.0/29", 4) == ["10.9.0.0/29"]


@pytest.mark.docker
def test_a_pool_that_is_used_up_is_named_and_the_job_may_try_again() -> None:
    mark = uuid.uuid4().hex
    with closing(DockerRuntime(networks="10.254.77.0/28")) as runtime:
        names = [f"contract-{mark}-{number}" for number in range(2)]
        try:
            runtime.make_network(names[0], {LABEL: mark}, size=2)
            with pytest.raises(RuntimeFault, match=r"JOB_NETWORKS \(10\.254\.77\.0/28\)") as caught:
                runtime.make_network(names[1], {LABEL: mark}, size=2)
            assert (caught.value.code, caught.value.retry) == ("start_refused", True)
        finally:
            for name in names:
                runtime.remove_network(name)
