"""One container job: submit over REST until its exit is recorded, against `docker run` of the same container.

The two alternate in one run. `docker run` is timed until the command line client returns, without the removal of the
container. Our time ends when the job's terminal state is committed: PostgreSQL's own notice of it wakes us.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import time
from pathlib import Path

import httpx
import psycopg

from bench import installation
from bench.figures import milliseconds

TERMINAL = ("succeeded", "failed", "cancelled")


def ours(client: httpx.Client, listener: psycopg.Connection[tuple[str]], body: dict[str, object]) -> float:
    begun = time.perf_counter()
    answer = client.post("/api/v1/jobs", json=body)
    answer.raise_for_status()
    number = answer.json()["number"]
    query = "SELECT state FROM jobs_job WHERE number = %s"
    while True:
        row = listener.execute(query, (number,)).fetchone()
        if row and row[0] in TERMINAL:
            break
        for _ in listener.notifies(timeout=1, stop_after=1):
            pass
    taken = time.perf_counter() - begun
    if row[0] != "succeeded":
        raise SystemExit(f"job {number} {row[0]}")
    return taken


def docker_run(version_image: str) -> float:
    """The container that the worker makes: same image, user, limits, read-only root, mounts in kind."""
    name = f"slipway-bench-{time.monotonic_ns()}"
    words = ["docker", "run", "--name", name, "--init", "--network", "none", "--read-only", "--user", "505:505"]
    words += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "256m", "--memory-swap", "256m"]
    words += [
        "--pids-limit",
        "1024",
        "--tmpfs",
        "/tmp:size=128m",
        "--volume",
        "/tmp:/home/slipway",
        "--workdir",
        "/home/slipway",
    ]
    words += ["--entrypoint", installation.WORDS[0], version_image]
    begun = time.perf_counter()
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    taken = time.perf_counter() - begun
    subprocess.run(["docker", "rm", name], check=True, stdout=subprocess.DEVNULL)
    return taken


def measure(site: installation.Installation, runs: int) -> list[str]:
    version = installation.app("dispatch")
    installation.machine("n1")
    key = installation.token(installation.person("ada"))
    body: dict[str, object] = {"app": "dispatch", "command": "go", "machine": "n1", "vault": "NONE"}
    version.refresh_from_db()
    with site.processes() as processes:
        url = site.web(processes)
        pid = site.worker(processes, "n1=2")
        headers = {"Authorization": f"Bearer {key}"}
        with (
            httpx.Client(base_url=url, headers=headers, timeout=60) as client,
            psycopg.connect(site.env["DATABASE_URL"], autocommit=True) as listener,
        ):
            listener.execute("LISTEN slipway_jobs")
            for _ in range(3):
                ours(client, listener, body)
                docker_run(version.image_pinned)
            pairs = [(ours(client, listener, body), docker_run(version.image_pinned)) for _ in range(runs)]
        rss_mib = _rss_mib(pid)
    we, floor = ([pair[side] for pair in pairs] for side in (0, 1))
    ratio = statistics.median(we) / statistics.median(floor)
    more_ms = 1000 * (statistics.median(we) - statistics.median(floor))
    return [
        f"dispatch: {ratio:.2f} x docker run, {more_ms:+.0f} ms",
        (
            f"(ours {milliseconds(we)} ms, docker run {milliseconds(floor)} ms: median / p95 / p99 of {runs} alternating; "
            f"worker afterwards {rss_mib:.0f} MiB RSS)"
        ),
    ]


def _rss_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=30)
    options = parser.parse_args()
    with installation.prepare() as prepared:
        print("\n".join(measure(prepared, options.runs)))
