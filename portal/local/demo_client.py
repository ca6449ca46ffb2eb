"""What the demo does over REST, as any program could: launch the examples, wait, read what came out."""

from __future__ import annotations

import base64
import contextlib
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portal.errors import PortalError

TERMINAL = {"succeeded", "failed", "cancelled"}
JOB_WAIT_S = 300.0
Json = dict[str, Any]
# Job templates of the examples, and the file of the demo's vault that each takes, if any.
STAGED = {
    "fractal": "",
    "count-words": "texts/sample.txt",
    "clean-csv": "measurements/untidy-sales.csv",
    "sweep-decay": "",
}


class DemoError(PortalError):
    """Raised where the demo can't go on: str = what happened and what to do."""

    code = "demo"
    status = 503


@dataclass(frozen=True)
class Api:
    """The REST API of one installation, with a token."""

    url: str
    token: str

    def call(self, method: str, path: str, body: Json | None = None, *, key: str = "") -> Json:
        """The answer as JSON. Raises DemoError with what the portal said."""
        request = urllib.request.Request(  # noqa: S310  the address is ours
            f"{self.url}/api/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        if key:
            request.add_header("Idempotency-Key", key)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                found: Json = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            with error:
                raise DemoError(f"{method} {path} was refused with {error.code}: {_said(error.read())}") from None
        except OSError as error:
            raise DemoError(f"{method} {path} got no answer: {error}.") from None


def _said(raw: bytes) -> str:
    with contextlib.suppress(ValueError, AttributeError):
        problem = json.loads(raw)
        faults = "; ".join(f"{fault['pointer']}: {fault['message']}" for fault in problem.get("errors", []))
        return faults or str(problem.get("detail") or problem.get("title"))
    return raw[:300].decode("utf-8", "replace")


def wait_until_ready(url: str, still_there: Callable[[], None], within_s: float = 60.0) -> None:
    """Return when the portal and its database answer. `still_there` raises when a process has ended."""
    deadline = time.monotonic() + within_s
    while True:
        still_there()
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health/ready", timeout=5) as answer:  # noqa: S310
            if answer.status == 200:
                return
        if time.monotonic() > deadline:
            raise DemoError(
                f"{url} does not answer after {within_s:.0f} s. Its log is logs/web.log in the state folder."
            )
        time.sleep(0.1)


def example_jobs(examples: Path, vault: str) -> Iterator[Json]:
    """One submission for each example: those in stages by their templates."""
    text = base64.b64encode((examples / "word-count" / "sample.txt").read_bytes()).decode()
    yield {"app": "gallery", "command": "show", "machine": "n1", "vault": vault, "parameters": {"-details": True}}
    yield {"app": "pi", "machine": "n2", "vault": "", "parameters": {"-thousands": 2000}}
    yield {
        "app": "csv-stats",
        "machine": "n1",
        "vault": vault,
        "vault_readonly": True,
        "parameters": {"-file": "measurements/weather-station.csv", "-column": "temperature_c"},
    }
    yield {"app": "word-count", "machine": "n1", "vault": "", "parameters": {"text": text}}
    for template, path in STAGED.items():
        source = {"kind": "vault", "vault": vault, "paths": [path]} if path else {"kind": "bypass"}
        yield {"template": template, "name": "demo", "dataSource": source}


def save_templates(api: Api, folder: Path) -> None:
    """The job templates of the examples, made, or changed to what they say now."""
    known = {row["id"] for row in api.call("GET", "templates?limit=100")["items"]}
    for path in sorted(folder.glob("*.json")):
        body = {**json.loads(path.read_text(encoding="utf-8")), "everyone": True}
        if body["id"] in known:
            api.call("PATCH", f"templates/{body['id']}", body)
        else:
            api.call("POST", "templates", body)


def launch_and_wait(api: Api, submissions: list[Json], still_there: Callable[[], None]) -> list[Json]:
    """Every job with its `results` (paths), all of them ended, or DemoError."""
    numbers = []
    for submission in submissions:
        body = submission if "template" in submission else {"command": "", "label": "demo", **submission}
        numbers.append(api.call("POST", "jobs", body, key=str(uuid.uuid4()))["number"])
    deadline = time.monotonic() + JOB_WAIT_S
    jobs: list[Json] = []
    for number in numbers:
        while (job := api.call("GET", f"jobs/{number}"))["state"] not in TERMINAL:
            still_there()
            if time.monotonic() > deadline:
                raise DemoError(f"Job {number} is still {job['state']} after {JOB_WAIT_S:.0f} s: {job['reason']}")
            time.sleep(0.2)
        found = api.call("GET", f"jobs/{number}/results")["items"]
        jobs.append({**job, "results": [result["path"] for result in found]})
    return jobs


def table(jobs: list[Json]) -> str:
    """The jobs as lines of text; a job that did not succeed has its reason below it."""
    rows = [("job", "app", "machine", "state", "took", "results")]
    for job in jobs:
        took = "" if job["duration_s"] is None else f"{job['duration_s']:.1f} s"
        rows.append(
            (str(job["number"]), job["app"], job["machine"], job["state"], took, ", ".join(job["results"]) or "-")
        )
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = ["  ".join([*(row[i].ljust(widths[i]) for i in range(5)), row[5]]) for row in rows]
    for at, job in reversed(list(enumerate(jobs, 1))):
        if job["state"] != "succeeded":
            lines.insert(at + 1, f"      {job['reason']}")
    return "\n".join(lines)
