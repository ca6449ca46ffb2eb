"""Connections and memory stay within their budgets, whatever the number of slots and requests."""

from __future__ import annotations

import http.client
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Self

import psycopg
import pytest

from jobs import services
from jobs.states import JobState
from portal.people import tokens
from tests.faults.site import Site
from tests.faults.test_submitting import free_port

pytestmark = [pytest.mark.faults, pytest.mark.docker]
WORKER_CONNECTIONS, WEB_CONNECTIONS = 12, 10
WORKER_MIB = 120  # of forty slots; what few workers need (Pillow, boto3) is imported when it is used


class Census:
    """Counts the sessions of each process, by the name that libpq takes from PGAPPNAME, and keeps the most seen."""

    def __init__(self, site: Site) -> None:
        self.most: dict[str, int] = {}
        self._url = site.server.url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._count)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _count(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._stop.wait(0.03):
                rows = connection.execute(
                    "SELECT application_name, count(*) FROM pg_stat_activity WHERE datname = current_database() "
                    "GROUP BY application_name"
                )
                for name, number in rows:
                    self.most[name] = max(self.most.get(name, 0), number)


def test_a_worker_of_forty_slots_keeps_to_its_connections_and_memory(site: Site) -> None:
    site.machine("many", ram_mib=32, pids=16)
    with Census(site) as census:
        worker = site.worker("forty", "--serve", "many=40", PGAPPNAME="forty")
        time.sleep(2)
        at_rest = worker.rss_mib()
        jobs = [site.submit("for i in 1 2 3 4; do echo $i; sleep 0.3; done", "many") for _ in range(40)]
        assert {site.ended(job, 90).state for job in jobs} == {JobState.SUCCEEDED}
        assert {site.log_of(job) for job in jobs} == {b"1\n2\n3\n4\n"}
    assert at_rest < WORKER_MIB
    assert 2 <= census.most["forty"] <= WORKER_CONNECTIONS
    worker.dismiss()


def test_a_busy_web_process_keeps_to_its_connections(site: Site) -> None:
    port, text = free_port(), tokens.issue(user=site.owner, name="busy", scopes=["read"])[1]
    web = site.web(port, PGAPPNAME="web")
    site.machine("nowhere")
    job = site.submit("true", "nowhere")
    paths = ["/api/v1/jobs", "/api/v1/machines", "/api/v1/apps", f"/api/v1/jobs/{job.number}/events"]

    def asks(number: int) -> int:
        path = paths[number % len(paths)]
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as client:
            client.request("GET", path, headers={"Authorization": f"Bearer {text}"})
            answer = client.getresponse()
            answer.read(64 if path.endswith("events") else None)
            time.sleep(0.2 if path.endswith("events") else 0)
            return answer.status

    with Census(site) as census, ThreadPoolExecutor(40) as pool:
        assert set(pool.map(asks, range(200))) == {200}
    assert 1 <= census.most["web"] <= WEB_CONNECTIONS
    web.dismiss()
    services.cancel(job=job, actor=site.owner)
