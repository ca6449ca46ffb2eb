"""One submission through three doors is one plan: the service, REST v1, and JARVICE."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps_catalog.launch.spec import Submission
from jobs import services, vaults
from jobs.models import Job
from portal.people.models import User
from tests.compat.jarvice_client import JarviceClient
from tests.factories import make_app, make_machine, make_vault, make_version
from tests.portal.test_api import bearer


def parameter(kind: str, **over: Any) -> dict[str, Any]:
    return {"name": kind, "description": "", "type": kind, "required": False, "positional": False, **over}


DEFINITION: dict[str, Any] = {
    "name": "Every type",
    "description": "One parameter of each type.",
    "author": "Slipway",
    "licensed": True,
    "classifications": ["Tests"],
    "machines": ["n*"],
    "vault-types": ["FILE"],
    "commands": {
        "run": {
            "path": "/bin/echo hello",
            "name": "Run",
            "description": "Runs.",
            "parameters": {
                "-const": parameter("CONST", value="x y", required=True),
                "-str": parameter("STR", value="a"),
                "-int": parameter("INT", value=1, min=0, max=9),
                "-float": parameter("FLOAT", value=1.5, min=0, max=9, precision=2),
                "-range": parameter("RANGE", value=2, min=0, max=10, step=2),
                "-bool": parameter("BOOL", value=False),
                "-choice": parameter("selection", values=["One", "Two"], mvalues=["1", "2"]),
                "-file": parameter("FILE"),
                "var": parameter("STR", value="v", variable=True),
            },
        }
    },
}
# The same values, as JSON types and as the texts that JARVICE clients send.
TYPED: dict[str, Any] = {
    "-str": 'it\'s "quoted" $(x)\nand é',
    "-int": 4,
    "-float": 2.25,
    "-range": 6,
    "-bool": True,
    "-choice": "Two",
    "-file": "in.csv",
    "var": "of the environment",
}
TEXTS: dict[str, Any] = TYPED | {
    "-const": "x y",
    "-int": "4",
    "-float": "2.25",
    "-range": "6",
    "-bool": "true",
    "-choice": "2",
    "-file": "/data/in.csv",
}


@pytest.mark.parametrize("shape", ["json", "bare", "as-form", "fields", "query"])
def test_three_doors_make_one_plan(theirs: JarviceClient, owner: User, folders: Path, shape: Any) -> None:
    make_machine("n1", aliases=["n3"])
    version = make_version(make_app(slug="every"), definition=DEFINITION)
    vaults.save_file(make_vault(owner, name="home"), "in.csv", [b"1"])
    asked = Submission("run", TYPED, machine="n1", vault="home", label="mine", walltime_s=600)
    services.submit(owner=owner, version=version, submission=asked)
    body = {
        "app": "every",
        "parameters": TYPED,
        "machine": "n1",
        "vault": "home",
        "label": "mine",
        "walltime_s": 600,
    }
    answer = Client().post("/api/v1/jobs", body, "application/json", headers=bearer(owner))
    assert answer.status_code == 201, answer.content
    theirs.shaped(shape, double=True).json(
        "submit",
        app="old-every",
        application={"command": "run", "parameters": TEXTS, "walltime": "00:10:00"},
        machine={"type": "n3", "nodes": 1},
        vault={"name": "home", "readonly": False},
        job_label="mine",
    )
    plans = Job.objects.values_list("plan_digest", flat=True)
    assert len(plans) == 3
    assert len(set(plans)) == 1


def test_a_script_sent_plain_or_as_base64_is_one_plan_but_for_its_upload(theirs: JarviceClient, folders: Path) -> None:
    make_machine("n1")
    for script in ("hostname && date\n", base64.b64encode(b"hostname && date\n").decode()):
        theirs.json("batch", container={"image": "library/python:3.12", "jobscript": script})
    one, two = (job.plan for job in Job.objects.order_by("number"))
    for plan in (one, two):
        for file in plan["files"]:
            file["upload"] = ""
    assert one == two
