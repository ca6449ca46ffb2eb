"""Fan-outs of short tasks: how soon one is accepted, how many of its tasks finish a second, what memory it takes.

Beside them in the same run, on the same image: one `docker run` a task, one after another and as many at once as there
are slots; and GNU parallel over the bare program, without containers. Tasks do nothing, or sleep 100 ms.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg

from bench import installation

SIZES = (200, 1_000)
SLOTS = 4
FLOOR_RUNS = 24
MACHINE = "short"
KINDS = {"nothing": "pass\n", "sleep of 100 ms": "import time\ntime.sleep(0.1)\n"}
NUMBERS = "SELECT succeeded, failed, started_at, finished_at FROM jobs_jobstage WHERE job_id = %s AND stage = 'run'"


def bundle(folder: Path, name: str, code: str) -> None:
    """A published app of one file."""
    from apps_catalog.models import Version
    from apps_catalog.services import from_folder, import_bundle
    from jobs.runtimes.docker import DockerRuntime

    (folder / name / "app").mkdir(parents=True)
    (folder / name / "app" / "main.py").write_text(code, encoding="utf-8")
    wanted = '"device_requirements": {"min_cpu": 1, "min_memory": 0.125}'
    text = (
        f'{{"name": "{name}", "version": "1.0", "platform_config": {{"container": "{installation.IMAGE}"}}, {wanted}}}'
    )
    (folder / name / "manifest.json").write_text(text, encoding="utf-8")
    curator = installation.person("curator", is_curator=True)
    import_bundle(read=from_folder(folder / name), actor=curator, activate=True)
    pinned = DockerRuntime().image(installation.IMAGE, pull=False).pinned
    Version.objects.filter(app__role__in=("app", "partitioner"), image_pinned="").update(
        image=installation.IMAGE, image_pinned=pinned, image_state=Version.ImageState.FOUND
    )


def fan_out(client: httpx.Client, db: psycopg.Connection[Any], app: str, tasks: int) -> tuple[float, float, float]:
    """Seconds until it is accepted, and until its tasks can begin; and how many tasks then finish a second."""
    body = {
        "app": app,
        "partitioner": "replicas",
        "params": {"partitioner": {"count": tasks}},
        "machines": {"partition": MACHINE, "run": MACHINE, "assemble": MACHINE},
    }
    begun = time.perf_counter()
    answer = client.post("/api/v1/jobs", json=body)
    answer.raise_for_status()
    accepted_s = time.perf_counter() - begun
    number = answer.json()["number"]
    opened_s = 0.0
    while True:
        row: tuple[Any, ...] = db.execute(NUMBERS, (number,)).fetchone() or (0, 0, None, None)
        succeeded, failed, started, finished = row
        opened_s = opened_s or (time.perf_counter() - begun if started else 0.0)
        if (finished and started) or failed:
            break
        time.sleep(0.05)
    if succeeded != tasks:
        why = db.execute("SELECT reason FROM jobs_job WHERE number = %s", (number,)).fetchone()
        raise SystemExit(f"job {number}: {succeeded} of {tasks} tasks succeeded, {failed} failed: {why}")
    assert started
    assert finished
    return accepted_s, opened_s, tasks / (finished - started).total_seconds()


def docker_runs(code: str, *, at_once: int) -> float:
    """Containers a second, each as the worker would make it and removed afterwards."""
    words = [
        "docker",
        "run",
        "--rm",
        "--init",
        "--network",
        "none",
        "--read-only",
        "--user",
        "505:505",
        "--memory",
        "256m",
    ]
    words += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges", installation.IMAGE, "python3", "-c", code]
    begun = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        done = pool.map(lambda _: subprocess.run(words, check=True, stdin=subprocess.DEVNULL), range(FLOOR_RUNS))
    assert len(list(done)) == FLOOR_RUNS
    return FLOOR_RUNS / (time.perf_counter() - begun)


def gnu_parallel(code: str, tasks: int) -> str:
    program = shutil.which("parallel")
    if program is None:
        return "GNU parallel: not installed (apt-get install parallel)"
    words = [program, "-j", str(SLOTS), "-N0", sys.executable, "-c", f"'{code}'"]
    begun = time.perf_counter()
    subprocess.run(words, input="\n".join(map(str, range(tasks))), text=True, check=True, stdout=subprocess.DEVNULL)
    return f"GNU parallel -j{SLOTS}, bare programs: {tasks / (time.perf_counter() - begun):.1f}/s"


def rss_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def measure(site: installation.Installation, sizes: Sequence[int]) -> list[str]:
    from apps_catalog import services

    curator = installation.person("curator", is_curator=True)
    services.install_engine("replicas", curator)
    for number, code in enumerate(KINDS.values()):
        bundle(site.state / "bundles", f"short-{number}", code)
    installation.machine(MACHINE)
    headers = {"Authorization": f"Bearer {installation.token(installation.person('ada'))}"}
    lines = []
    with site.processes() as processes:
        url = site.web(processes)
        worker = site.worker(processes, f"{MACHINE}={SLOTS}")
        web = processes.children["web"].pid
        with (
            httpx.Client(base_url=url, headers=headers, timeout=60) as client,
            psycopg.connect(site.env["DATABASE_URL"], autocommit=True) as db,
        ):
            fan_out(client, db, "short-0", 2 * SLOTS)
            for number, (kind, code) in enumerate(KINDS.items()):
                floor, several = docker_runs(code, at_once=1), docker_runs(code, at_once=SLOTS)
                for tasks in sizes:
                    accepted_s, opened_s, rate = fan_out(client, db, f"short-{number}", tasks)
                    lines.append(
                        f"fan-out of {tasks:,} tasks, {kind}, {SLOTS} slots: {rate:.1f} finished/s, {rate / floor:.1f} x one "
                        f"docker run after another ({floor:.1f}/s), {rate / several:.1f} x {SLOTS} at once ({several:.1f}/s); "
                        f"accepted in {1000 * accepted_s:.0f} ms, tasks there after {opened_s:.1f} s"
                    )
                lines.append(f"({gnu_parallel(code, min(sizes[0], 200))})")
        lines.append(f"(afterwards worker {rss_mib(worker):.0f} MiB RSS, web {rss_mib(web):.0f} MiB)")
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, nargs="+", default=list(SIZES), help="e.g. 10000")
    options = parser.parse_args()
    with installation.prepare() as prepared:
        print("\n".join(measure(prepared, options.tasks)))
