"""The dashboard among the examples: live values, a form that steers, and an end that leaves a file."""

from __future__ import annotations

import csv
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "examples" / "dashboard" / "dashboard.py"


@dataclass
class Dashboard:
    port: int
    process: subprocess.Popen[str]
    results: Path

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> tuple[int, bytes, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()

    def steer(self, **fields: str) -> tuple[int, str]:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        status, body, _ = self.ask("POST", "/settings", urlencode(fields), **kind)
        return status, json.loads(body)["message"]

    def events(self, count: int) -> list[tuple[str, object]]:
        """The first `count` events of a new reader."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/events")
        answer = connection.getresponse()
        assert answer.headers["Content-Type"] == "text/event-stream"
        found: list[tuple[str, object]] = []
        name = ""
        while len(found) < count:
            line = answer.readline().decode().strip()
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                found.append((name, json.loads(line.removeprefix("data: "))))
        connection.close()
        return found


@pytest.fixture
def dashboard(tmp_path: Path, free_port: int) -> Iterator[Dashboard]:
    words = [sys.executable, "-S", "-s", str(PROGRAM), "-target", "21", "-step", "0.05", "-port", str(free_port)]
    environment = {**os.environ, "RESULTS_DIR": str(tmp_path)}
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert f"port {free_port}" in process.stdout.readline()
        yield Dashboard(free_port, process, tmp_path)
        if process.poll() is None:
            process.kill()


def test_the_page_and_what_it_loads_have_a_policy_and_relative_addresses(dashboard: Dashboard) -> None:
    for path in ("/", "/dashboard.css", "/dashboard.js", "/?from=anywhere"):
        status, body, headers = dashboard.ask("GET", path)
        assert (status, bool(body)) == (200, True)
        assert headers["Content-Security-Policy"].startswith("default-src 'self'")
    page = dashboard.ask("GET", "/")[1].decode()
    assert 'href="/' not in page
    assert 'src="/' not in page
    assert 'action="/' not in page
    assert dashboard.ask("GET", "/../dashboard.py")[0] == 404
    assert dashboard.ask("GET", "/nothing")[0] == 404


def test_values_arrive_live_and_the_form_changes_them(dashboard: Dashboard) -> None:
    (first, past), (second, now) = dashboard.events(2)
    assert (first, second) == ("past", "now")
    assert isinstance(past, list)
    assert isinstance(now, dict)
    assert (now["target"], now["window"]) == (21.0, False)
    assert dashboard.steer(target="30,5", window="on") == (200, "The heater now aims at 30.5 degrees.")
    later = dashboard.events(3)[-1][1]
    assert isinstance(later, dict)
    assert (later["target"], later["window"]) == (30.5, True)
    assert later["elapsed_s"] > now["elapsed_s"]


@pytest.mark.parametrize("target", ["", "warm", "4.9", "35.1", "nan", "1e9", "-3"])
def test_a_bad_temperature_is_refused_with_a_sentence_and_changes_nothing(dashboard: Dashboard, target: str) -> None:
    assert dashboard.steer(target=target) == (422, "Write a temperature from 5 to 35 degrees.")
    now = dashboard.events(2)[1][1]
    assert isinstance(now, dict)
    assert now["target"] == 21.0


def test_bodies_that_are_no_form_are_refused(dashboard: Dashboard) -> None:
    assert dashboard.ask("POST", "/settings", "x" * 5_000)[0] == 413
    assert dashboard.ask("POST", "/elsewhere", "a=b")[0] == 404
    assert dashboard.ask("GET", "/")[0] == 200


def test_stop_ends_it_with_zero_and_leaves_the_values(dashboard: Dashboard) -> None:
    dashboard.events(4)
    assert dashboard.ask("POST", "/stop", "x=")[0] == 200
    assert dashboard.process.wait(10) == 0
    with (dashboard.results / "temperature.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 2
    assert float(rows[-1]["temperature_c"]) > float(rows[0]["temperature_c"]) > 10


def test_the_end_of_the_job_leaves_the_values_too(dashboard: Dashboard) -> None:
    dashboard.events(3)
    dashboard.process.terminate()
    assert dashboard.process.wait(10) == 0
    assert (dashboard.results / "temperature.csv").stat().st_size > 50


def test_a_reader_who_goes_does_not_disturb_the_others(dashboard: Dashboard) -> None:
    for _ in range(20):
        dashboard.events(1)
    until = time.monotonic() + 5
    while dashboard.ask("GET", "/")[0] != 200:
        assert time.monotonic() < until
    assert dashboard.events(3)[-1][0] == "now"
