"""Submitting over REST: requests a second and latency at 1 and 8 clients, with a form of 100 fields. No worker runs."""

from __future__ import annotations

import argparse
import threading
import time

import httpx

from bench import installation
from bench.figures import milliseconds


def client_loop(url: str, key: str, body: dict[str, object], count: int, taken: list[float]) -> None:
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
        for _ in range(count):
            begun = time.perf_counter()
            answer = client.post("/api/v1/jobs", json=body)
            taken.append(time.perf_counter() - begun)
            answer.raise_for_status()


def run(url: str, keys: list[str], body: dict[str, object], requests: int) -> tuple[float, list[float]]:
    """Seconds for all, and seconds of each, with one client a key."""
    taken: list[float] = []
    share = requests // len(keys)
    threads = [threading.Thread(target=client_loop, args=(url, key, body, share, taken)) for key in keys]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begun, taken


def measure(site: installation.Installation, requests: int, fields: int) -> list[str]:
    installation.app("submit", fields=fields)
    installation.machine("n1")
    parameters = {f"-p{n}": [f"text {n}", 7, 40, 0.25, True, "c"][n % 6] for n in range(fields)}
    body: dict[str, object] = {
        "app": "submit",
        "command": "go",
        "parameters": parameters,
        "machine": "n1",
        "vault": "NONE",
    }
    keys = [installation.token(installation.person(f"client{n}")) for n in range(8)]
    lines = []
    with site.processes() as processes:
        url = site.web(processes)
        run(url, keys[:1], body, 20)
        for clients in (1, 8):
            whole, taken = run(url, keys[:clients], body, requests)
            lines.append(
                f"submit, {fields} fields, {clients} client{'s' if clients > 1 else ''}: {len(taken) / whole:.0f} requests/s, "
                f"{milliseconds(taken)} ms (median / p95 / p99 of {len(taken)})"
            )
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--fields", type=int, default=100)
    options = parser.parse_args()
    with installation.prepare() as prepared:
        print("\n".join(measure(prepared, options.requests, options.fields)))
