"""A whole job of ByteNite through its door: token, push, template, draft, upload, parameters, run, events, logs, results."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portal.people.models import ApiToken
from tests.apps_catalog.bundle_files import tarred, zipped
from tests.compat.bytenite_client import ByteniteClient
from tests.factories import make_machine, make_person
from tests.jobs.conftest import start  # noqa: F401  a worker's slots
from tests.jobs.engines import real_engine
from tests.jobs.workers import Start

pytestmark = [pytest.mark.docker, pytest.mark.django_db(transaction=True)]
IMAGE = "slipway-python:bookworm"
SIZE = {"min_cpu": 1, "min_memory": 0.0625}
SPLIT = """
import json, os
source = os.path.join(os.environ["SOURCE_DIR"], os.listdir(os.environ["SOURCE_DIR"])[0])
size = json.loads(os.environ["PARTITIONER_PARAMS"])["lines"]
lines = open(source).readlines()
for number, start in enumerate(range(0, len(lines), size)):
    with open(os.path.join(os.environ["CHUNKS_DIR"], f"data_{number}.bin"), "w") as chunk:
        chunk.writelines(lines[start:start + size])
print("split", len(lines), "lines")
"""
SHOUT = """
import json, os, sys
text = open(os.path.join(os.environ["TASK_DIR"], "data.bin")).read()
end = json.loads(os.environ["APP_PARAMS"])["end"]
with open(os.path.join(os.environ["TASK_RESULTS_DIR"], "out.txt"), "w") as out:
    out.write("".join(line.upper() + end + chr(10) for line in text.splitlines()))
print("WARNING: it is loud", file=sys.stderr)
"""
JOIN = """
import os
folder = os.environ["TASK_RESULTS_DIR"]
with open(os.path.join(os.environ["OUTPUT_DIR"], "all.txt"), "w") as out:
    for name in sorted(os.listdir(folder)):
        out.write(open(os.path.join(folder, name)).read())
print("joined")
"""
SCHEMA = {"properties": {"end": {"type": "string", "maxLength": 3}}, "required": ["end"]}


def packed(name: str, code: str, **over: Any) -> dict[str, str]:
    wanted = {"name": name, "version": "0.1", "platform": "docker", "device_requirements": SIZE}
    container = {"platform_config": {"container": IMAGE}}
    return {"manifest.json": json.dumps(wanted | container | over), "app/main.py": code}


@pytest.fixture
def engine(folders: Path, start: Start) -> Iterator[None]:  # noqa: F811
    make_machine("n1", ram_mib=128, pids=64)
    with real_engine(folders) as runtime:
        start(runtime, n1=4)
        yield


def push_all(client: ByteniteClient) -> None:
    """The app, its engines and a template, all taking jobs."""
    app = packed("shout", SHOUT) | {"schema.json": json.dumps(SCHEMA)}
    pushed = client.push("apps", tarred(app, "gz").getvalue())
    assert (pushed["app"]["name"], pushed["app"]["status"], pushed["app"]["version"]) == ("shout", "inactive", "0.1")
    for name, code, kind in (("by-lines", SPLIT, "partitioner"), ("join", JOIN, "assembler")):
        assert client.push("engines", zipped(packed(name, code, type=kind)).getvalue())["engine"]["type"] == kind
    for tag in ("apps/shout", "engines/by-lines@0.1", "engines/join"):
        assert client.call("POST", f"{tag}/activate", {}, part="dev")["ok"] is True
    assert client.call("GET", "apps/shout/status", part="dev")["status"] == "active"

    template = {
        "id": "shouting",
        "description": "Shouts lines.",
        "app": "shout",
        "partitioner": "by-lines@0.1",
        "assembler": "join@0",
        "params": {"partitioner": {"lines": 2}},
        "config": {"taskTimeout": "600"},
    }
    client.call("POST", "templates", template, part="dev")


def assert_told(client: ByteniteClient, job: str) -> None:
    """What the job, its events and its logs say once it is complete."""
    done = client.call("GET", f"jobs/{job}")["job"]
    assert (done["numChunks"], done["tasksCompleted"], done["errorMessage"]) == (3, 3, "")
    order = ["NEW", "STARTED", "UPLOADING", "PARTITIONING", "PARTITIONED", "TASKS_COMPLETED", "MERGING", "COMPLETE"]
    times = [done["stateTimestamps"][f"JOB_STATE_{name}"] for name in order]
    assert times == sorted(times)

    events = client.ask("GET", f"/v1/customer/events?jobId={job}").text.split("\n")
    told = [json.loads(line)["result"] for line in events if line]
    assert {one["jobId"] for one in told} == {job}
    assert told[0]["type"] == "drafted"
    assert told[-1]["state"] == "JOB_STATE_COMPLETE"

    logs = client.call("POST", "logs", {"jobId": job, "taskIds": [], "levels": [], "services": []})
    assert [line["log"] for line in logs["partitioner"]] == ["split 5 lines"]
    assert [line["log"] for line in logs["assembler"]] == ["joined"]
    assert len(logs["taskrunner"]) == 3
    loud = client.call("POST", "logs", {"jobId": job, "levels": ["WARN"], "services": ["taskrunner"]})
    lines = [line for task in loud["taskrunner"].values() for line in task["logs"]]
    assert {(line["log"], line["level"]) for line in lines} == {("WARNING: it is loud", "WARNING")}
    assert (loud["partitioner"], loud["assembler"]) == ([], [])


def test_a_whole_job(engine: None) -> None:
    author = make_person("author", is_curator=True)
    key = ApiToken.issue(author, name="cli", scopes=["read", "launch", "curate"])[1]
    client = ByteniteClient(root="customer").enter(key)
    push_all(client)
    body = {
        "name": "My job",
        "templateId": "shouting",
        "dataSource": {
            "dataSourceDescriptor": "file",
            "params": {"@type": "type.googleapis.com/bytenite.data_source.LocalFileDataSource"},
        },
        "dataDestination": {"dataSourceDescriptor": "bucket"},
        "params": {"partitioner": {}, "assembler": {}, "app": {}},
        "config": {"taskTimeout": "3600", "jobTimeout": "84200", "isTestJob": False},
    }
    made = client.call("POST", "jobs", body)
    job = made["job"]["id"]
    assert made["templateInfo"]["id"] == made["job"]["templateId"] == "shouting"
    assert made["job"]["state"] == "JOB_STATE_NEW"

    client.call("PATCH", f"jobs/{job}/uploadcompleted", status=409)
    sent = client.send_file(made["job"]["dataSource"]["params"]["tempUrl"], b"a\nb\nc\nd\ne\n")
    assert sent.status_code in (200, 201, 204), sent.text
    assert client.call("PATCH", f"jobs/{job}/uploadcompleted")["job"]["id"] == job

    refused = client.call("PATCH", f"jobs/{job}/params", {"params": {"app": {"end": "!!!!"}}}, status=400)
    assert refused["details"][0]["field"] == "/params/app/end"
    assert client.call("POST", f"jobs/{job}/run", {"config": {}}, status=400)["message"]
    client.call("PATCH", f"jobs/{job}/params", {"params": {"app": {"end": "!"}}})
    client.call("GET", f"jobs/{job}/results", status=409)
    assert client.call("POST", f"jobs/{job}/run", {"config": {}})["ok"] is True

    assert client.until_ended(job) == "JOB_STATE_COMPLETE", client.call("POST", "logs", {"jobId": job})
    assert_told(client, job)
    results = client.call("GET", f"jobs/{job}/results")["results"]
    assert [one["name"] for one in results] == ["all.txt"]
    assert client.fetch(results[0]["link"]) == b"A!\nB!\nC!\nD!\nE!\n"

    newer = ByteniteClient(client.token, "computing", "Bearer")
    assert [one["id"] for one in newer.call("POST", "jobs/filter", {"states": ["JOB_STATE_COMPLETE"]})["data"]] == [job]
    assert newer.call("DELETE", f"jobs/{job}")["ok"] is True
    assert newer.call("GET", "jobs")["pagination"]["total"] == 0
