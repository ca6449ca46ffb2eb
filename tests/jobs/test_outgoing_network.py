"""S22: a job with a way out reaches the outside, and no service of the host, the site, its neighbours or another job."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from jobs.models import Attempt, MachineType
from jobs.runtimes.base import Handle, RuntimeFault
from jobs.runtimes.docker import DockerRuntime
from jobs.states import JobState
from tests.jobs.outputs import program_output
from tests.jobs.runtimes.bench import IMAGE, LABEL
from tests.jobs.runtimes.test_docker_hardening import make_spec
from tests.jobs.test_nodes_containers import LOOK, Run, ended, listen, nothing_is_left, site, ssh_image, submit
from tests.jobs.test_safety_containers import addresses

__all__ = ["site", "ssh_image", "submit"]  # fixtures
pytestmark = [pytest.mark.docker, pytest.mark.django_db(transaction=True)]
SCRIPT = Path(__file__).resolve().parents[2] / "portal" / "local" / "network.sh"
OUTSIDE, LINK_LOCAL, PRIVATE = "203.0.113.9", "169.254.77.77", "10.231.7.2"
PORT = 18_080
LISTEN = f"import socket\ns = socket.create_server(('0.0.0.0', {PORT}))\nprint('ready', flush=True)\nwhile True: s.accept()[0].close()"
PROGRAM = r"""
import json, subprocess, sys
open("/results/look.py", "w").write(sys.argv[1])
look = ["python3", "/results/look.py", *sys.argv[2:]]
done = [subprocess.run(words, capture_output=True, text=True) for words in (look, ["ssh", "node2", *look])]
print(json.dumps([json.loads(one.stdout) if one.returncode == 0 else one.stderr for one in done]))
"""


def act(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=check)


def is_there() -> bool:
    return act("docker", "network", "inspect", "slipway-outgoing", check=False).returncode == 0


@pytest.fixture
def able() -> None:
    missing = [word for word in ("ip", "iptables", "docker") if shutil.which(word) is None]
    if os.geteuid() or missing:
        pytest.skip("only root can change the network of this machine" if os.geteuid() else f"{missing} not installed")


@pytest.fixture
def outgoing(able: None) -> Iterator[None]:
    """The network, which goes again where it was not there before."""
    before = is_there()
    made = act(str(SCRIPT), "ensure", check=False)
    assert made.returncode == 0, made.stderr
    again = act(str(SCRIPT), "ensure", check=False)
    assert (again.returncode, "is ready" in again.stderr, "Made" in again.stderr) == (0, True, False)
    yield
    if not before:
        removed = act(str(SCRIPT), "remove", check=False)
        assert removed.returncode == 0, removed.stderr
        assert "slipway" not in act("iptables", "-S").stdout.lower()


@pytest.fixture
def outside(able: None) -> Iterator[None]:
    """Another host: a network namespace that this machine reaches by routes, as it does the internet."""
    name = f"slipway-{uuid.uuid4().hex[:6]}"
    link = name[-6:] + "o"
    act("ip", "netns", "add", name)
    try:
        act("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
        act("ip", "addr", "add", "10.231.7.1/30", "dev", link)
        act("ip", "link", "set", link, "up")
        inside = ("ip", "-n", name)
        for words in (
            ("addr", "add", f"{PRIVATE}/30", "dev", "eth0"),
            ("addr", "add", f"{OUTSIDE}/32", "dev", "lo"),
            ("addr", "add", f"{LINK_LOCAL}/32", "dev", "lo"),
            ("link", "set", "lo", "up"),
            ("link", "set", "eth0", "up"),
            ("route", "add", "default", "via", "10.231.7.1"),
        ):
            act(*inside, *words)
        for address in (OUTSIDE, LINK_LOCAL):
            act("ip", "route", "add", f"{address}/32", "via", PRIVATE)
        command = ("ip", "netns", "exec", name, "python3", "-u", "-c", LISTEN)
        with subprocess.Popen(command, stdout=subprocess.PIPE) as listener:
            assert listener.stdout is not None
            assert listener.stdout.readline() == b"ready\n"
            yield
            listener.kill()
    finally:
        act("ip", "link", "del", link, check=False)
        act("ip", "netns", "del", name)


@contextmanager
def others(runtime: DockerRuntime) -> Iterator[list[str]]:
    """host:port of a program on the outgoing network, and of one on the engine's own with its port published."""
    mark = uuid.uuid4().hex
    handle = runtime.start(
        make_spec("python3", "-u", "-c", LISTEN, image=IMAGE, labels={LABEL: mark}, network="outgoing")
    )
    published = ("docker", "run", "--detach", "--publish", str(PORT), IMAGE, "python3", "-u", "-c", LISTEN)
    other = act(*published).stdout.strip()
    try:
        for each in (handle, Handle(other, id=other)):
            assert next(runtime.follow(each)).data == b"ready\n"
        shape = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        found = [act("docker", "inspect", "--format", shape, each).stdout.strip() for each in (handle.id, other)]
        port = act("docker", "port", other, str(PORT)).stdout.split()[0].rpartition(":")[2]
        yield [*(f"{address}:{PORT}" for address in found), *(f"{address}:{port}" for address in addresses())]
    finally:
        runtime.remove(handle)
        act("docker", "rm", "--force", other)


def reached(words: list[str]) -> list[str]:
    """Which of them this host reaches: else it would prove nothing that a job does not."""
    found = []
    for word in words:
        host, port = word.rsplit(":", 1)
        try:
            socket.create_connection((host, int(port)), timeout=3).close()
            found.append(word)
        except OSError:
            continue
    return found


def test_a_job_with_a_way_out_reaches_the_outside_alone(
    outgoing: None, outside: None, site: DockerRuntime, submit: Run, ssh_image: str
) -> None:
    MachineType.objects.filter(name="n2").update(network="outgoing")
    with closing(socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)) as listener:
        port = listener.getsockname()[1]
        heard: list[str] = []
        threading.Thread(target=lambda: listen(listener, heard), daemon=True).start()
        far = [f"{address}:{PORT}" for address in (OUTSIDE, LINK_LOCAL, PRIVATE)]
        with others(site) as near:
            services = [f"{address}:{port}" for address in (*addresses(), "172.29.0.1", "10.231.7.1", "fd00::2", "::1")]
            control = reached([*far, *near, *services])
            assert {*far, *near[:2], f"172.29.0.1:{port}", f"127.0.0.1:{port}"} <= set(control)
            ours = sum(word in services for word in control)
            for _ in range(100):  # a thread takes them, and what is heard after that is the job's
                if len(heard) >= ours:
                    break
                time.sleep(0.05)
            assert len(heard) == ours
            heard.clear()
            job = ended(submit(ssh_image, "/usr/bin/python3", "-c", PROGRAM, LOOK, *control, "node1:22", "node2:2222"))
    assert job.state == JobState.SUCCEEDED, job.reason
    assert job.plan["limits"]["network"] == "outgoing"
    found = json.loads(program_output(Attempt.objects.get(task__job=job)))
    nodes = ["node1:22", "node2:2222"]
    assert [one["reached"] for one in found] == [[f"{OUTSIDE}:{PORT}", *nodes], nodes]
    assert heard == []
    nothing_is_left(site)


def test_after_a_start_of_the_machine_nothing_is_reached_until_the_script_has_run(
    outgoing: None, outside: None, site: DockerRuntime
) -> None:
    """The address of the bridge goes with the rules: what is left of the network is closed, not open."""
    act("ip", "addr", "flush", "dev", "slipway0")
    act("iptables", "-D", "INPUT", "-i", "slipway0", "-j", "SLIPWAY-IN")
    act("iptables", "-D", "DOCKER-USER", "-i", "slipway0", "-j", "SLIPWAY-OUT")
    mark = uuid.uuid4().hex
    with closing(socket.create_server(("0.0.0.0", 0))) as listener:
        port = listener.getsockname()[1]
        words = [f"{OUTSIDE}:{PORT}", *(f"{address}:{port}" for address in (*addresses(), "172.29.0.1"))]
        words = [word for word in words if not word.startswith("127.")]
        spec = make_spec("python3", "-c", LOOK, *words, image=IMAGE, labels={LABEL: mark}, network="outgoing")
        handle = site.start(spec)
        try:
            site.wait(handle)
            assert json.loads(b"".join(line.data for line in site.follow(handle)))["reached"] == []
        finally:
            site.remove(handle)
            act(str(SCRIPT), "ensure")


def test_a_host_without_the_network_starts_nothing_and_names_the_script(site: DockerRuntime) -> None:
    if is_there():
        pytest.skip("this machine has the network")
    with pytest.raises(RuntimeFault, match=r"portal/local/network\.sh ensure") as caught:
        site.start(make_spec("true", image=IMAGE, network="outgoing", labels={LABEL: "outgoing"}))
    assert (caught.value.code, caught.value.retry) == ("start_refused", True)
    assert site.owned(LABEL, "outgoing") == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OUTGOING_ALLOW", "10.0.0.1;reboot", "OUTGOING_ALLOW holds '10.0.0.1;reboot'"),
        ("OUTGOING_ALLOW", "database.internal", "OUTGOING_ALLOW holds 'database.internal'"),
        ("OUTGOING_SUBNET", "172.29.0.0", "OUTGOING_SUBNET is '172.29.0.0'"),
        ("OUTGOING_SUBNET", "172.29.0.64/26", "OUTGOING_SUBNET is '172.29.0.64/26'"),
        ("OUTGOING_SUBNET", "$(id)/24", "OUTGOING_SUBNET is '$(id)/24'"),
    ],
)
def test_what_the_script_does_not_understand_it_refuses(able: None, name: str, value: str, said: str) -> None:
    if is_there():
        pytest.skip("this machine has the network")
    env = {"PATH": os.environ["PATH"], name: value}
    done = subprocess.run([SCRIPT, "ensure"], capture_output=True, text=True, env=env, check=False)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert not is_there()


def test_the_script_says_how_it_is_used() -> None:
    done = subprocess.run([SCRIPT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "Usage: network.sh ensure|remove\n")


def test_an_operators_exceptions_are_reached(outside: None, site: DockerRuntime) -> None:
    if is_there():
        pytest.skip("this machine has the network")
    env = os.environ | {"OUTGOING_ALLOW": f"{PRIVATE}:{PORT}, {LINK_LOCAL}".replace(",", "")}
    mark = uuid.uuid4().hex
    try:
        subprocess.run([SCRIPT, "ensure"], env=env, check=True, capture_output=True)
        words = [
            f"{OUTSIDE}:{PORT}",
            f"{PRIVATE}:{PORT}",
            f"{PRIVATE}:22",
            f"{LINK_LOCAL}:{PORT}",
            f"10.231.7.1:{PORT}",
        ]
        handle = site.start(
            make_spec("python3", "-c", LOOK, *words, image=IMAGE, labels={LABEL: mark}, network="outgoing")
        )
        site.wait(handle)
        found = json.loads(b"".join(line.data for line in site.follow(handle)))["reached"]
        assert found == [f"{OUTSIDE}:{PORT}", f"{PRIVATE}:{PORT}", f"{LINK_LOCAL}:{PORT}"]
        site.remove(handle)
    finally:
        act(str(SCRIPT), "remove")
