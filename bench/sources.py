"""A large source through a whole job: fetched from a web server, split by `lines`, its chunks taken; and the worker's memory.

The source is a CSV that a process beside us makes as it is read, so nothing but the worker's copy lies on the disk. What
counts is the most memory that the worker ever had resident (VmHWM), which must not follow the size of the source.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx
import psycopg

from bench import fanout, installation

MACHINE = "short"
QUICK_MIB = 256
GOAL_MIB = 300
CHUNK_MIB = 64
LINE = b"%012d,some text of a record,3.14159,2026-11-27T12:00:00Z,true\n"
BLOCK = b"".join(LINE % number for number in range(16_384))  # 1 MiB is 16,384 lines of 64 bytes
STAGES = "SELECT stage, total, succeeded, failed, started_at, finished_at FROM jobs_jobstage WHERE job_id = %s"


def serve(size_mib: int, told: Connection) -> None:
    """A file of so many MiB at any path, in a process of its own."""
    size = size_mib * len(BLOCK)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            for _ in range(size_mib):
                self.wfile.write(BLOCK)

        def log_message(self, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.send(server.server_port)
    server.serve_forever()


def peak_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def measure(site: installation.Installation, size_mib: int) -> list[str]:
    from apps_catalog import services
    from jobs.models import MachineType

    services.install_engine("lines", installation.person("curator", is_curator=True))
    fanout.bundle(site.state / "source-bundles", "look-at-it", "pass\n")
    installation.machine(MACHINE)
    MachineType.objects.filter(name=MACHINE).update(disk_mib=3 * size_mib + 1024)
    headers = {"Authorization": f"Bearer {installation.token(installation.person('ada'))}"}
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(size_mib, theirs), daemon=True)
    server.start()
    address = f"http://127.0.0.1:{ours.recv()}/records.csv"
    site.env["OUTWARD_ALLOWED"] = "127.0.0.1"
    try:
        with site.processes() as processes:
            url = site.web(processes)
            worker = site.worker(processes, f"{MACHINE}=2")
            before = peak_mib(worker)
            with (
                httpx.Client(base_url=url, headers=headers, timeout=60) as client,
                psycopg.connect(site.env["DATABASE_URL"], autocommit=True) as db,
            ):
                took_s, chunks = run(client, db, address)
            after = peak_mib(worker)
    finally:
        server.terminate()
        server.join()
    verdict = "within" if after < GOAL_MIB else "ABOVE"
    return [
        f"source of {size_mib:,} MiB by lines: fetched and split into {chunks} chunks in {took_s:.1f} s "
        f"({size_mib / took_s:.0f} MiB/s); worker at most {after:.0f} MiB RSS, {before:.0f} before it, {verdict} {GOAL_MIB}"
    ]


def run(client: httpx.Client, db: psycopg.Connection[Any], address: str) -> tuple[float, int]:
    """How long the partition took, and how many chunks it made; the tasks are waited for."""
    body = {
        "app": "look-at-it",
        "partitioner": "lines",
        "params": {"partitioner": {"by": "size", "size_kib": CHUNK_MIB * 1024}},
        "dataSource": {"kind": "url", "urls": [address]},
        "machines": {"partition": MACHINE, "run": MACHINE, "assemble": MACHINE},
    }
    answer = client.post("/api/v1/jobs", json=body)
    if answer.status_code != 201:
        raise SystemExit(f"The job was refused: {answer.text}")
    number = answer.json()["number"]
    while True:
        state, reason = db.execute("SELECT state, reason FROM jobs_job WHERE number = %s", (number,)).fetchone() or (
            "",
            "",
        )
        if state in ("succeeded", "failed", "cancelled"):
            break
        time.sleep(0.2)
    if state != "succeeded":
        raise SystemExit(f"job {number} {state}: {reason}")
    stages = {row[0]: row for row in db.execute(STAGES, (number,))}
    partition = stages["partition"]
    return (partition[5] - partition[4]).total_seconds(), int(stages["run"][1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=QUICK_MIB, help="size of the source; 5120 for 5 GiB")
    options = parser.parse_args()
    with installation.prepare() as prepared:
        print("\n".join(measure(prepared, options.mib)))
