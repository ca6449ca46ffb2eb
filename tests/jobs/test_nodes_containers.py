"""S22 and issue 3: a real job of two nodes that reach each other by SSH, and nothing of the host, the site or other jobs."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from apps_catalog.launch.spec import Submission
from jobs import services
from jobs.folders import INSTALLATION_LABEL, host_root
from jobs.models import Attempt, Installation, Job, JobEvent
from jobs.runtimes.docker import DockerRuntime
from jobs.slots import Slots
from jobs.states import FailureClass, JobState
from portal.people.models import User
from tests.apps_catalog.launch import generate
from tests.factories import make_host, make_machine, make_version
from tests.jobs.engines import real_engine, serving
from tests.jobs.outputs import program_output
from tests.jobs.runtimes.bench import IMAGE, LABEL
from tests.jobs.runtimes.test_docker_hardening import make_spec
from tests.jobs.test_safety_containers import addresses

pytestmark = [pytest.mark.docker, pytest.mark.django_db(transaction=True)]
SSH_IMAGE = "slipway-test-ssh:bookworm"
Run = Callable[..., Job]

# What each node finds: run by the program itself, and over SSH on the other node.
LOOK = r"""
import json, os, socket, sys
from concurrent.futures import ThreadPoolExecutor
def reach(word):
    host, port = word.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
        return word
    except OSError:
        return None
with ThreadPoolExecutor(32) as pool:
    reached = [word for word in pool.map(reach, sys.argv[1:]) if word]
limits = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
memory = next(open(path).read().strip() for path in limits if os.path.exists(path))
print(json.dumps({"host": socket.gethostname(), "home": os.path.expanduser("~"), "reached": reached, "memory": memory}))
"""
PROGRAM = r"""
import json, os, subprocess, sys
def ssh(host, *words):
    done = subprocess.run(["ssh", host, *words], capture_output=True, text=True)
    assert done.returncode == 0, (host, words, done.stderr)
    return done.stdout
found = {name: open("/etc/JARVICE/" + name).read().split() for name in ("nodes", "cores")}
found["loop"] = [ssh(host, "hostname").strip() for host in found["nodes"]]
found["back"] = ssh("node2", "ssh", "node1", "hostname").strip()
found["path"] = ssh("node2", "printenv", "PATH").strip() == os.environ["PATH"]
open("/results/look.py", "w").write(sys.argv[1])
ssh("node2", "echo from node2 > /results/shared.txt; pwd > home.txt")
found["shared"] = [open("/results/shared.txt").read(), open(os.environ["HOME"] + "/home.txt").read().strip()]
found["scripts"] = [json.loads(ssh(host, "python3", "/results/look.py", *sys.argv[2:])) for host in found["nodes"]]
print(json.dumps(found))
"""
# Both nodes count into a file of their own name.
COUNTING = r"""
import itertools, socket, subprocess, sys, time
code = sys.argv[1] if len(sys.argv) > 1 else ""
if code:
    open("/results/code.py", "w").write(code)
    subprocess.Popen(["ssh", "node2", "python3", "/results/code.py"])
for number in itertools.count():
    with open("/results/" + socket.gethostname(), "w") as file:
        file.write(str(number))
    time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def ssh_image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Made from packages the first time (half a minute); afterwards it is there."""
    script = Path(__file__).resolve().parents[1] / "images" / "ssh.sh"
    made = subprocess.run([script, tmp_path_factory.mktemp("image")], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return SSH_IMAGE


@pytest.fixture
def site(settings: Any, folders: Path) -> Iterator[DockerRuntime]:
    """Slots over the real engine, for jobs of up to two nodes."""
    settings.BROKER_URL = "none"
    settings.HEARTBEAT_S = 1
    settings.STOP_GRACE_S = 2
    make_machine("n2", cores=2, ram_mib=128, slave_ram_mib=96, pids=64, nodes_max=2)
    host = make_host(serves={"n2": 1})
    with real_engine(folders) as runtime, serving(Slots(host=host, runtime=runtime, serve={"n2": 1})):
        yield runtime


@pytest.fixture
def submit(site: DockerRuntime, owner: User) -> Run:
    """A job of two nodes that runs a program of the image with words of the author's."""

    def run(image: str, path: str, *words: str) -> Job:
        shape = {"name": "w", "description": "w", "type": "CONST", "positional": True, "required": True}
        parameters = {f"w{number}": shape | {"value": word} for number, word in enumerate(words)}
        raw = generate.definition(command={"path": path, "parameters": parameters})
        version = make_version(definition=raw, image_pinned=site.image(image, pull=False).pinned)
        return services.submit(
            owner=owner, version=version, submission=Submission("go", machine="n2", vault="NONE", nodes=2)
        ).job

    return run


def eventually(found: Callable[[], object], within_s: float = 40) -> None:
    until = time.monotonic() + within_s
    while not found():
        assert time.monotonic() < until, [*JobEvent.objects.values_list("message", flat=True)]
        time.sleep(0.05)


def ended(job: Job) -> Job:
    def terminal() -> bool:
        job.refresh_from_db()
        return job.terminal

    eventually(terminal)
    return job


def nothing_is_left(site: DockerRuntime) -> None:
    ours = str(Installation.get().pk)
    eventually(lambda: not site.owned(INSTALLATION_LABEL, ours) and not site.owned_networks(INSTALLATION_LABEL, ours))
    eventually(lambda: not list(host_root("one").glob("slipway-*")))


@pytest.fixture
def another_job(site: DockerRuntime) -> Iterator[str]:
    """host:port of a program on another job's network."""
    mark = uuid.uuid4().hex
    site.make_network(f"other-{mark}", {LABEL: mark}, size=1)
    code = "import socket\ns = socket.create_server(('0.0.0.0', 7000))\nprint(socket.gethostbyname('node1'), flush=True)\nwhile True: s.accept()"
    spec = make_spec(
        "python3", "-c", code, image=IMAGE, labels={LABEL: mark}, private_network=f"other-{mark}", hostname="node1"
    )
    handle = site.start(spec)
    address = next(site.follow(handle)).data.decode().strip()
    yield f"{address}:7000"
    site.remove(handle)
    site.remove_network(f"other-{mark}")


def test_two_nodes_reach_each_other_and_nothing_else(
    site: DockerRuntime, submit: Run, ssh_image: str, another_job: str
) -> None:
    with closing(socket.create_server(("0.0.0.0", 0))) as listener:
        port = listener.getsockname()[1]
        heard: list[str] = []
        threading.Thread(target=lambda: listen(listener, heard), daemon=True).start()
        network = another_job.rpartition(".")[0].rpartition(".")[0]
        gateways = [f"{network}.0.{last}" for last in (1, 17, 33, 49)]
        outside = [f"{address}:{each}" for address in (*addresses(), *gateways) for each in (port, 22, 80, 5432)]
        job = ended(
            submit(ssh_image, "/usr/bin/python3", "-c", PROGRAM, LOOK, *outside, another_job, "node1:22", "node2:2222")
        )
        socket.create_connection(("127.0.0.1", port), timeout=3).close()
    assert job.state == JobState.SUCCEEDED, [job.reason, program_output(Attempt.objects.get(task__job=job))]
    found = json.loads(program_output(Attempt.objects.get(task__job=job)))
    assert found["nodes"] == ["node1", "node2"]
    assert found["cores"] == ["node1", "node1", "node2", "node2"]
    assert found["loop"] == ["node1", "node2"]
    assert found["back"] == "node1"
    assert found["path"]
    assert found["shared"] == ["from node2\n", "/home/nimbix"]
    assert [each["host"] for each in found["scripts"]] == ["node1", "node2"]
    assert [each["memory"] for each in found["scripts"]] == [str(128 * 2**20), str(96 * 2**20)]
    # Port 22 of 127.0.0.1 is the node's own sshd.
    assert [each["reached"] for each in found["scripts"]] == [["127.0.0.1:22", "node1:22", "node2:2222"]] * 2
    assert len(heard) == 1  # only this test itself was heard
    nothing_is_left(site)


def listen(listener: socket.socket, heard: list[str]) -> None:
    try:
        while True:
            taken, address = listener.accept()
            heard.append(address[0])
            taken.close()
    except OSError:
        return


def test_an_image_without_sshd_is_refused_with_what_it_needs(site: DockerRuntime, submit: Run) -> None:
    job = ended(submit(IMAGE, "/usr/bin/python3", "-c", "print('never')"))
    assert (job.state, job.failure_class) == (JobState.FAILED, FailureClass.USER)
    assert "has no /usr/sbin/sshd. Install openssh-server and openssh-client in it" in job.reason
    assert program_output(Attempt.objects.get(task__job=job)) == b""
    nothing_is_left(site)


def test_pausing_holds_every_node_and_cancel_ends_them(
    site: DockerRuntime, submit: Run, ssh_image: str, owner: User
) -> None:
    job = submit(ssh_image, "/usr/bin/python3", "-c", COUNTING, COUNTING)
    attempts = Attempt.objects.filter(task__job=job, state="running")
    eventually(attempts.exists)
    folder = host_root("one") / attempts.get().name / "results"
    eventually(lambda: all((folder / host).exists() for host in ("node1", "node2")))

    def counts() -> list[str]:
        return [(folder / host).read_text() for host in ("node1", "node2")]

    def paused() -> list[bool]:
        ours = site.owned(INSTALLATION_LABEL, str(Installation.get().pk))
        containers = [site._inspect(handle) for handle in ours]
        return [container["State"]["Paused"] for container in containers if container is not None]

    job.refresh_from_db()
    services.pause(job=job, actor=owner)
    eventually(lambda: paused() == [True, True])
    before = counts()
    time.sleep(1)
    assert counts() == before
    services.resume(job=job, actor=owner)
    eventually(lambda: paused() == [False, False])
    eventually(lambda: all(now != then for now, then in zip(counts(), before, strict=True)))
    services.pause(job=job, actor=owner)
    eventually(lambda: paused() == [True, True])
    services.cancel(job=job, actor=owner)
    assert ended(job).state == JobState.CANCELLED
    assert {result.path for result in job.results.all()} == {"code.py", "node1", "node2"}
    nothing_is_left(site)
