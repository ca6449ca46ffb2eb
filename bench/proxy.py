"""A web app in a container without network: through the portal and the relay, against the app reached directly.

Both in one run, by the same client over the same kind of connection; "directly" is a socket made in the container's
own network namespace. Latency alternates request by request. Memory is what 200 idle WebSockets add to web and worker,
and what each of them has at most while one large answer passes through.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from bench import installation
from bench.figures import milliseconds, percentile

SERVED = Path(__file__).parent / "served_app.py"
PORT = 8888
MIB = 2**20
SOCKETS = 200
LARGE_S = 75  # of a large answer, what comes in so long is enough


@dataclass(frozen=True)
class Way:
    """One way to the app: how a socket to it is made, and the headers that open it."""

    connect: Callable[[], socket.socket]
    headers: dict[str, str]

    def connection(self) -> http.client.HTTPConnection:
        made = http.client.HTTPConnection("localhost", PORT, timeout=60)
        made.sock = self.connect()
        return made

    def get(self, connection: http.client.HTTPConnection, path: str) -> float:
        """Seconds until the whole answer is here."""
        begun = time.perf_counter()
        connection.request("GET", path, headers=self.headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status}")
        return time.perf_counter() - begun


def app() -> Any:
    """A version that serves bench/served_app.py on PORT."""
    from apps_catalog.models import Version
    from apps_catalog.services import import_definition, publish
    from jobs.runtimes.docker import DockerRuntime

    command = {
        "path": "/opt/served_app.py",
        "name": "Serve",
        "description": "",
        "interactive": True,
        "url": f"http://%PUBLICADDR%:{PORT}/",
        "cmdscript": SERVED.read_text(encoding="utf-8"),
        "parameters": {},
    }
    definition = {
        "name": "served",
        "description": "",
        "author": "bench",
        "licensed": True,
        "classifications": ["Bench"],
        "machines": ["*"],
        "vault-types": ["NONE"],
        "commands": {"serve": command},
    }
    curator = installation.person("curator", is_curator=True)
    made = import_definition(text=json.dumps(definition), actor=curator, image=installation.IMAGE, slug="served")
    version = made.version
    if version is None:
        raise SystemExit(f"The app was not taken: {made}")
    publish(version=version, actor=curator)
    pinned = DockerRuntime().image(installation.IMAGE, pull=False).pinned
    Version.objects.filter(pk=version.pk).update(image_pinned=pinned, image_state=Version.ImageState.FOUND)
    return version


def endpoint_of(number: int) -> Any:
    """The job's endpoint, once its program listens."""
    from jobs.models import Attempt, Endpoint, Job
    from jobs.states import AttemptState

    until = time.monotonic() + 60
    while time.monotonic() < until:
        found = Endpoint.objects.filter(job_id=number, attempt__state=AttemptState.RUNNING).first()
        if found is not None:
            return found
        time.sleep(0.1)
    states = list(Job.objects.filter(number=number).values("state", "reason"))
    raise SystemExit(f"The app did not start: {states} {list(Attempt.objects.values('state', 'reason'))}")


def directly(endpoint: Any) -> Way:
    """Sockets made in the container's namespace, as only root can make them."""
    from jobs.relay.namespaces import of_container, socket_within
    from jobs.runtimes.base import Handle
    from jobs.runtimes.docker import DockerRuntime

    namespace = of_container(DockerRuntime(), Handle(endpoint.attempt.name))

    def connect() -> socket.socket:
        made = socket_within(namespace, socket.AF_INET)
        made.setblocking(True)
        until = time.monotonic() + 30
        while True:
            try:
                made.connect(("127.0.0.1", PORT))
            except ConnectionRefusedError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
            else:
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return made

    return Way(connect, {"Host": f"localhost:{PORT}"})


def through_the_portal(url: str, endpoint: Any, user: Any) -> Way:
    """A pass, as a ticket becomes one, and sockets to the portal."""
    from django.test import Client

    from jobs import origins
    from jobs.proxy import gate, headers

    client = Client()
    client.force_login(user)
    entered = gate.enter(endpoint.label, gate.ticket_for(user, client.session.session_key or "", endpoint))
    assert entered is not None
    at = urlsplit(url)

    def connect() -> socket.socket:
        made = socket.create_connection((at.hostname or "", at.port or 0))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    host = f"{origins.origin_of(endpoint.label).host.rpartition(':')[0]}:{at.port}"
    return Way(connect, {"Host": host, "Cookie": f"{headers.pass_cookie()}={entered[1]}"})


def latencies(ways: tuple[Way, Way], runs: int) -> tuple[list[float], list[float]]:
    connections = [way.connection() for way in ways]
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(runs + 20):
        for way, connection, taken in zip(ways, connections, found, strict=True):
            seconds = way.get(connection, "/headers")
            if number >= 20:
                taken.append(seconds)
    for connection in connections:
        connection.close()
    return found


def requests_a_second(way: Way, clients: int, for_s: float) -> float:
    counts = [0] * clients
    end = time.monotonic() + for_s

    def ask(number: int) -> None:
        connection = way.connection()
        while time.monotonic() < end:
            way.get(connection, "/headers")
            counts[number] += 1
        connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / for_s


def down(way: Way, mib: int) -> float:
    """Megabytes (10^6) a second of one large answer."""
    connection = way.connection()
    begun = time.perf_counter()
    connection.request("GET", f"/bytes?mib={mib}", headers=way.headers)
    answer = connection.getresponse()
    buffer, total = bytearray(MIB), 0
    while count := answer.readinto(buffer):
        total += count
    taken = time.perf_counter() - begun
    connection.close()
    if total != mib * MIB:
        raise SystemExit(f"{total} bytes of {mib * MIB} came.")
    return total / 1e6 / taken


def up(way: Way, mib: int) -> float:
    connection = way.connection()
    block = bytes(MIB)
    begun = time.perf_counter()
    connection.putrequest("POST", "/upload", skip_host=True)
    for name, value in {**way.headers, "Content-Length": str(mib * MIB)}.items():
        connection.putheader(name, value)
    connection.endheaders()
    for _ in range(mib):
        connection.send(block)
    said = connection.getresponse().read()
    taken = time.perf_counter() - begun
    connection.close()
    if int(said.split()[0]) != mib * MIB:
        raise SystemExit(f"The app got {said.decode()}.")
    return mib * MIB / 1e6 / taken


@contextlib.contextmanager
def idle_sockets(way: Way, count: int) -> Iterator[None]:
    """So many WebSockets that have said one word each and wait."""
    from websockets.sync.client import connect

    host = way.headers["Host"]
    with contextlib.ExitStack() as open_ones:
        for _ in range(count):
            made = open_ones.enter_context(
                connect(
                    f"ws://{host}/echo",
                    sock=way.connect(),
                    additional_headers={"Cookie": way.headers["Cookie"]},
                    compression=None,
                    proxy=None,
                    ping_interval=None,
                )
            )
            made.send("hello")
            made.recv(timeout=30)
        yield


def pss_mib(*pids: int) -> float:
    return sum(_kib(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") for pid in pids) / 1024


def rss_mib(pid: int) -> float:
    return _kib(Path(f"/proc/{pid}/status"), "VmRSS:") / 1024


def _kib(table: Path, name: str) -> int:
    return next(int(line.split()[1]) for line in table.read_text().splitlines() if line.startswith(name))


@dataclass(frozen=True)
class Large:
    """One large answer through the portal: how much of it came, and MiB of web and worker before and at most during."""

    gb: float
    seconds: float
    before: tuple[float, float]
    most: tuple[float, float]


def large_answer(way: Way, gib: int, for_s: float, web: int, worker: int) -> Large:
    """As much of `gib` as comes within `for_s`, the resident memory of both processes looked at every 64 MiB."""
    before = rss_mib(web), rss_mib(worker)
    most = list(before)
    connection = way.connection()
    connection.request("GET", f"/bytes?mib={gib * 1024}", headers=way.headers)
    answer = connection.getresponse()
    buffer, total, looked = bytearray(MIB), 0, 0
    begun = time.perf_counter()
    while time.perf_counter() - begun < for_s and (count := answer.readinto(buffer)):
        total += count
        if total - looked >= 64 * MIB:
            looked = total
            most = [max(most[0], rss_mib(web)), max(most[1], rss_mib(worker))]
    connection.close()
    return Large(total / 1e9, time.perf_counter() - begun, before, (most[0], most[1]))


def measure(site: installation.Installation, runs: int, mib: int, large_gib: int = 10) -> list[str]:
    if os.geteuid():
        return ["proxy: not measured: only root may enter the container's network to reach the app directly."]
    app()
    installation.machine("n1")
    ada = installation.person("ada")
    body = {"app": "served", "command": "serve", "machine": "n1", "vault": "NONE"}
    with site.processes() as processes:
        url = site.web(processes)
        worker = site.worker(processes, "n1=1")
        web = processes.children["web"].pid
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {installation.token(ada)}"}) as client:
            answer = client.post("/api/v1/jobs", json=body)
            answer.raise_for_status()
        endpoint = endpoint_of(answer.json()["number"])
        direct, ours = directly(endpoint), through_the_portal(url, endpoint, ada)
        direct.connect().close()  # it listens
        fast, slow = latencies((direct, ours), runs)
        rates = [requests_a_second(way, 4, 3) for way in (direct, ours)]
        downs = [(down(direct, mib), down(ours, mib)) for _ in range(5)]
        ups = [(up(direct, mib), up(ours, mib)) for _ in range(3)]
        large = large_answer(ours, large_gib, LARGE_S, web, worker)
        before = pss_mib(web, worker)
        with idle_sockets(ours, SOCKETS):
            time.sleep(2)
            after = pss_mib(web, worker)
    added = 1000 * (statistics.median(slow) - statistics.median(fast))
    tail = 1000 * (percentile(slow, 95) - percentile(fast, 95))
    down_direct, down_ours = (statistics.median(pair[side] for pair in downs) for side in (0, 1))
    up_direct, up_ours = (statistics.median(pair[side] for pair in ups) for side in (0, 1))
    figures = (
        f"proxy: {added:.1f} ms added to a request at the median ({tail:.1f} ms at p95); {down_ours:.0f} MB/s down, "
        f"{up_ours:.0f} MB/s up; {after - before:.0f} MiB for {SOCKETS} idle WebSockets"
    )
    beside = (
        f"(request {milliseconds(slow)} ms against {milliseconds(fast)} ms directly: median / p95 / p99 of {runs} alternating; "
        f"4 clients {rates[1]:.0f} requests/s against {rates[0]:.0f}, {rates[1] / rates[0]:.2f} x; {mib} MiB down "
        f"{down_ours / down_direct:.2f} x of {down_direct:.0f} MB/s, up {up_ours / up_direct:.2f} x of {up_direct:.0f} MB/s; "
        f"web and worker {before:.0f} MiB PSS before)"
    )
    passed = (
        f"(one answer of {large_gib} GiB, {large.gb:.1f} GB of it in {large.seconds:.0f} s: RSS of web "
        f"{large.before[0]:.0f} MiB before, at most {large.most[0]:.0f} during; of worker {large.before[1]:.0f}, at most "
        f"{large.most[1]:.0f})"
    )
    return [figures, beside, passed]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--large-gib", type=int, default=10)
    options = parser.parse_args()
    with installation.prepare() as prepared:
        print("\n".join(measure(prepared, options.runs, options.mib, options.large_gib)))
