"""make demo, as a new user runs it: it shows every example, keeps its password, and ends all it started."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.local import postgres

ROOT = Path(__file__).resolve().parents[2]
APPS = ("csv-stats", "gallery", "pi", "word-count", "fractal", "words-of", "tidy-csv", "decay")
pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture
def environment(state: Path, free_port: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "SECRET_KEY", "DEBUG"}}
    return {**kept, "SLIPWAY_STATE": str(state), "PORT": str(free_port)}


@pytest.fixture
def staying(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-m", "portal.local.demo"]
    with subprocess.Popen(
        words,
        cwd=ROOT,
        env=environment,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        yield process
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def read_until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stdout:
        said.append(line)
        if words in line:
            return "".join(said)
    raise AssertionError(f"It ended without saying {words!r}:\n{''.join(said)}")


def test_once_runs_every_example_and_exits_with_zero(environment: dict[str, str], state: Path) -> None:
    words = [sys.executable, "-m", "portal.local.demo", "--once"]
    done = subprocess.run(
        words,
        cwd=ROOT,
        env=environment,
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for app in APPS:
        assert re.search(rf"^\d+ +{app} +n[12] +succeeded ", done.stdout, re.MULTILINE), done.stdout
    assert re.search(r"The fractal's picture: http://127\.0\.0\.1:[0-9]+/jobs/[0-9]+/", done.stdout)
    kept = json.loads((state / "demo.json").read_text())
    assert kept["password"] in done.stdout
    for name in ("demo.json", "secret_key"):
        assert (state / name).stat().st_mode & 0o777 == 0o600
    assert not postgres.running(state)


def test_it_stays_up_until_it_is_told_to_end(
    environment: dict[str, str], state: Path, staying: subprocess.Popen[str]
) -> None:
    said = read_until(staying, "stays up until")
    assert json.loads((state / "demo.json").read_text())["password"] in said, "the same in every run"
    address = f"http://127.0.0.1:{environment['PORT']}"
    with urllib.request.urlopen(f"{address}/accounts/login/", timeout=10) as page:
        assert page.status == 200
    again = subprocess.run(
        [sys.executable, "-m", "portal.local.demo", "--once"],
        cwd=ROOT, env=environment, text=True, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert (again.returncode, "The demo already runs" in again.stderr) == (1, True)
    staying.send_signal(signal.SIGINT)
    assert staying.wait(60) == 0
    assert not postgres.running(state)
    with socket.socket() as trial:
        assert trial.connect_ex(("127.0.0.1", int(environment["PORT"]))) != 0


def test_a_killed_demo_leaves_nothing_running_and_a_taken_port_is_said(
    environment: dict[str, str], state: Path, staying: subprocess.Popen[str]
) -> None:
    read_until(staying, "stays up until")
    staying.kill()
    staying.wait()
    deadline = time.monotonic() + 30
    port = int(environment["PORT"])
    while True:
        with socket.socket() as trial:
            gone = trial.connect_ex(("127.0.0.1", port)) != 0
        if gone and not postgres.running(state):
            break
        assert time.monotonic() < deadline
        time.sleep(0.1)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        done = subprocess.run(
            [sys.executable, "-m", "portal.local.demo", "--once"],
            cwd=ROOT, env=environment, text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=600, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Port {port} is in use" in done.stdout
