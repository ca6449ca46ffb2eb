"""The launch form at 229 parameters of all types with conditions: the server's time to draw its page and to judge a submission."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

from bench import installation
from bench.figures import milliseconds

PARAMETERS = 229
PAGE_GOAL_MS = 120
VALIDATION_GOAL_MS = 15
ICON = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
# One of each type that a form asks for, over and over; every BOOL rules the fields that follow it.
SHAPES: tuple[dict[str, Any], ...] = (
    {"type": "BOOL", "value": True},
    {"type": "STR", "value": "some text"},
    {"type": "INT", "value": 5, "min": 1, "max": 100},
    {"type": "RANGE", "value": 40, "min": 0, "max": 100, "step": 4},
    {"type": "FLOAT", "value": 0.5, "min": 0, "max": 1, "precision": 3},
    {"type": "selection", "values": ["coarse", "medium", "fine"]},
    {"type": "selection", "values": [f"material {number}" for number in range(30)]},
    {"type": "FILE", "filter": "*.csv|*.txt"},
    {"type": "CONST", "value": "fixed"},
)


def definition(count: int) -> dict[str, Any]:
    """An AppDef with one command of so many parameters. Most depend on the BOOL before them, some on one being off."""
    parameters: dict[str, Any] = {}
    switch = ""
    for number in range(count):
        shape = dict(SHAPES[number % len(SHAPES)])
        key = f"-p{number}"
        if switch and number % 3:
            shape["ifnot" if number % 5 == 0 else "if"] = [switch]
        if shape["type"] == "BOOL":
            switch = key
        parameters[key] = {
            "name": f"Parameter {number}",
            "description": f"What parameter {number} is for, in a sentence.",
            "required": number % 4 == 0,
            "positional": False,
            **shape,
        }
    command = {"path": "/bin/true", "name": "Go", "description": "All of it.", "parameters": parameters}
    return {
        "name": "Large form",
        "description": "",
        "author": "bench",
        "licensed": True,
        "appdefversion": 2,
        "classifications": ["Bench"],
        "machines": ["*"],
        "vault-types": ["FILE", "NONE"],
        "image": {"type": "image/png", "data": ICON},
        "commands": {"go": command},
    }


def timed(work: Callable[[], object], times: int) -> tuple[list[float], float]:
    """Seconds of each of so many runs, and the processor's seconds of the median one; two runs before them warm up."""
    taken: list[float] = []
    busy: list[float] = []
    for number in range(times + 2):
        begun, worked = time.perf_counter(), time.process_time()
        work()
        if number >= 2:
            taken.append(time.perf_counter() - begun)
            busy.append(time.process_time() - worked)
    return taken, statistics.median(busy)


def client() -> Any:
    """A browser of a person's, without the network: what is measured is the server's own time."""
    from django.test import Client

    browser = Client(HTTP_HOST="127.0.0.1")
    browser.force_login(installation.person("reader"))
    return browser


def publish(count: int) -> None:
    """The definition as a published version. Its image is never started, so a name will do."""
    from apps_catalog import services
    from apps_catalog.models import Version

    curator = installation.person("curator", is_curator=True)
    text = json.dumps(definition(count))
    version = services.import_definition(text=text, actor=curator, image="bench:none", slug="large-form").version
    assert version is not None
    services.publish(version=version, actor=curator)
    found = {"image_pinned": "sha256:" + "0" * 64, "image_state": Version.ImageState.FOUND}
    Version.objects.filter(pk=version.pk).update(**found)


def measure(times: int = 20, count: int = PARAMETERS) -> list[str]:
    """Lines with what the page and the judgement took, and whether that is within the goals."""
    from apps_catalog.launch.appdef import read_appdef
    from apps_catalog.launch.examples import example_values
    from apps_catalog.launch.spec import Submission
    from apps_catalog.launch.validate import validate

    installation.machine("n1")
    publish(count)
    browser = client()

    def page() -> None:
        answer = browser.get("/apps/large-form/launch/")
        assert answer.status_code == 200, answer.content[:500]

    reading = read_appdef(json.dumps(definition(count)))
    assert reading.spec is not None, reading.findings
    spec = reading.spec
    command = spec.commands["go"]
    submission = Submission("go", example_values(command), machine="n1")

    def judgement() -> None:
        found = validate(spec, submission)
        assert not isinstance(found, list), found

    return [
        _line(f"launch page, {count} parameters", page, times, PAGE_GOAL_MS),
        _line(f"validation, {count} parameters", judgement, max(times, 50), VALIDATION_GOAL_MS),
    ]


def _line(what: str, work: Callable[[], object], times: int, goal_ms: int) -> str:
    taken, busy = timed(work, times)
    verdict = "within" if statistics.median(taken) * 1000 <= goal_ms else "OVER"
    return (
        f"{what}: {milliseconds(taken)} ms (median / p95 / p99 of {len(taken)}, {1000 * busy:.1f} ms of the processor's; "
        f"{verdict} the goal of {goal_ms} ms)"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--parameters", type=int, default=PARAMETERS)
    options = parser.parse_args()
    with installation.prepare():
        print("\n".join(measure(options.times, options.parameters)))
