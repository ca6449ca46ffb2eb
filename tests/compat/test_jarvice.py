"""The JARVICE door as its clients use it: every endpoint, in every body shape, typed strictly, through the ASGI application."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobs.jarvice.urls import ENDPOINTS
from jobs.models import Job, LogChunk, UsageSeries
from jobs.states import JobState
from portal.people.models import User
from tests.compat.jarvice_client import (
    APP,
    BODIES,
    ENTRY,
    MACHINE,
    STATUS,
    JarviceClient,
    Shape,
    assert_strict,
    assert_strict_appdef,
    error_of,
)
from tests.factories import DEFINITION, make_app, make_job, make_machine, make_task, make_team, make_vault, make_version

pytestmark = pytest.mark.usefixtures("folders")
SHAPES: tuple[Shape, ...] = ("get", *BODIES)
LINE = "#" * 79
APPLICATION = {"command": "throw", "geometry": "1904x841", "parameters": {"darts": "200", "-seed": 7}}
CONTAINER = {"image": "library/python:3.12", "jobscript": "hostname && date"}


def running(owner: User, **over: Any) -> Job:
    """A job that runs, has said something and was measured."""
    job = make_job(owner, state=JobState.RUNNING, **over)
    spoken(job, f"INIT[1]: ready\n{LINE}\nhello\n".encode())
    UsageSeries.objects.create(attempt=job.tasks.get().attempts.get(), points=[[0.0, 50.4, 2**21, 3]])
    return job


def spoken(job: Job, *pieces: bytes) -> None:
    attempt = job.tasks.get().attempts.get()
    offset = 0
    for number, data in enumerate(pieces):
        LogChunk.objects.create(attempt=attempt, sequence=number, offset=offset, data=data)
        offset += len(data)
    attempt.log_bytes = offset
    attempt.save()


# Every endpoint, every shape


def calls(owner: User) -> dict[str, tuple[dict[str, Any], Any]]:
    """What is sent to each endpoint, and the type of what comes back."""
    make_machine("n1", aliases=["n3"], description="One core", price_per_hour="0.5")
    make_version(make_app(slug="pi", created_by=owner))
    make_vault(owner, name="home")
    job, ended = running(owner), make_job(owner, state=JobState.SUCCEEDED)
    spoken(ended, b"done\n")
    number = {"number": job.number}
    made = {"name": str, "number": int}
    sent: dict[str, tuple[dict[str, Any], Any]] = {
        "submit": ({"app": "pi", "application": APPLICATION, "machine": {"type": "n3", "nodes": 1}}, made),
        "batch": ({"container": CONTAINER, "machine": {"type": "n1"}}, made),
        "jobs": ({}, {str(job.number): ENTRY}),
        "teamjobs": ({"completed": True}, {str(ended.number): ENTRY}),
        "status": (number, {str(job.number): STATUS}),
        "info": (number, {"url": type(None), "about": str, "help": type(None), "actions": type(None)}),
        "connect": (number, None),
        "tail": ({**number, "lines": 1}, "hello\n"),
        "output": ({"number": ended.number}, "done\n"),
        "metrics": (number, {"summary": dict, "itemized": {"cpu_used": [int], "memory_used": [int]}}),
        "signal": ({**number, "signal": 20}, {"signal": int, "pid": int}),
        "action": ({**number, "action": "restart"}, None),
        "apps": ({}, {"pi": APP}),
        "appdef": ({"name": "pi"}, {"name": str, "commands": dict}),
        "machines": ({}, {"n1": MACHINE}),
        "queues": ({"info": "true"}, {"n1": {"name": str, "app": str, "machine": str, "size": int}}),
        "vault": ({"vault": "home", "path": "/"}, [[str]]),
        "validate": ({}, None),
        "live": ({}, {"status": str}),
        "ready": ({}, {"status": str}),
        "shutdown": (number, {"status": str}),
        "terminate": (number, {"status": str}),
    }
    return sent


@pytest.mark.parametrize("double", [False, True], ids=["one-slash", "two-slashes"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.slow
def test_every_endpoint_answers_in_every_shape(theirs: JarviceClient, owner: User, shape: Shape, double: bool) -> None:
    sent = calls(owner)
    assert sent.keys() == {endpoint.name for endpoint in ENDPOINTS}
    client = theirs.shaped(shape, double=double)
    for endpoint, (fields, expected) in sent.items():
        if endpoint == "validate":
            continue  # its body is the definition itself: see below
        if expected is None:
            client.error(endpoint, 404, **fields)
        elif isinstance(expected, str):
            assert client.text(endpoint, **fields) == expected, endpoint
        else:
            assert_strict(client.json(endpoint, **fields), expected, endpoint)


@pytest.mark.parametrize("kind", ["application/json", "", "application/x-www-form-urlencoded"])
def test_a_definition_is_validated_without_login_whatever_its_content_type(door: None, kind: str) -> None:
    nobody = JarviceClient()
    body = json.dumps(DEFINITION).encode()
    for address in ("/api/jarvice/validate", "/api//jarvice/validate", "/api/jarvice/validate/"):
        answer = nobody.ask("POST", address, body, kind)
        assert (answer.status_code, answer.json()) == (200, {"valid": True})
        assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"name": "x",\n {', "Line 2, column 2"),
        (b"", "The file is empty"),
        (b"{}", "at least one command"),
        (b'{"commands": {"x": {"path": "/x", "parameters": {"y": {"type": "SLIDER"}}}}}', "/commands/x/parameters/y"),
        (b"[" * 9999, "nested more than"),
        (b"{\xff", "not UTF-8"),
        (b"username=me&apikey=x", "must be an AppDef, as JSON"),
    ],
)
def test_a_definition_with_errors_is_a_400_with_the_message(door: None, body: bytes, words: str) -> None:
    assert words in error_of(JarviceClient().ask("POST", "/api/jarvice/validate", body), 400)


def test_definitions_are_validated_so_many_a_minute(door: None) -> None:
    statuses = {JarviceClient().ask("POST", "/api/jarvice/validate", b"{}").status_code: None for _ in range(121)}
    assert list(statuses) == [400, 429]


# Addresses and methods


@pytest.mark.parametrize(
    "address", ["/api/jarvice/live", "/api//jarvice/live", "/api/jarvice/live/", "/api/jarvice//live"]
)
def test_an_address_is_served_as_it_comes_and_never_redirected(door: None, address: str) -> None:
    for method in ("GET", "POST"):
        answer = JarviceClient().ask(method, address)
        assert (answer.status_code, answer.json()) == (200, {"status": "OK"})
    head = JarviceClient().ask("HEAD", address)
    assert (head.status_code, head.headers["content-type"]) == (200, "application/json")


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_other_methods_are_refused_in_the_doors_own_words(theirs: JarviceClient, endpoint: Any) -> None:
    for method in ("PUT", "DELETE", "PATCH", *(["HEAD"] if endpoint.changes else [])):
        answer = theirs.ask(method, f"/api/jarvice/{endpoint.name}")
        assert answer.status_code == 405
        assert answer.headers["content-type"] == "application/json"
        assert "POST" in answer.headers["allow"]
        if method != "HEAD":
            assert error_of(answer, 405)


def test_an_unknown_endpoint_is_a_404_of_the_door(theirs: JarviceClient) -> None:
    assert "Nothing is here" in theirs.error("nothing", 404)


def test_where_the_setting_is_off_there_is_no_door(theirs: JarviceClient, settings: Any) -> None:
    settings.JARVICE_API = False
    for endpoint in ENDPOINTS:
        answer = theirs.send(endpoint.name)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


# Bodies that can't be read


@pytest.mark.parametrize("kind", ["application/json", "", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"app": "pi",\n oops', "Line 2, column 2"),
        (b'"app": "pi"}', "Line 1"),
        (b"[1]", "must be a JSON object"),
        (b'{"app": {"x":' + b"[" * 40 + b"]" * 40 + b"}}", "32 levels"),
        (b'{"app": "pi", "app": "pi"}', "there twice"),
        (b'{"app": NaN}', "NaN is not a JSON value"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_body_that_is_no_json_is_a_400_that_says_where(
    theirs: JarviceClient, kind: str, body: bytes, words: str
) -> None:
    assert words in error_of(theirs.ask("POST", "/api/jarvice/submit", body, kind), 400)


def test_a_body_that_is_too_long_is_a_413(theirs: JarviceClient, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 2**20
    body = b'{"app": "' + b"x" * 2**20 + b'"}'
    assert "longer than 1 MiB" in error_of(theirs.ask("POST", "/api/jarvice/submit", body), 413)
    huge = b"x" * (17 * 2**20)  # refused by the server's own guard, before Django
    assert "longer than 16 MiB" in error_of(theirs.ask("POST", "/api//jarvice/submit", huge), 413)


def test_multipart_fields_are_read_too(theirs: JarviceClient, owner: User) -> None:
    job = running(owner)
    fields = {"username": theirs.username, "apikey": theirs.apikey, "number": str(job.number)}
    body = "".join(f'--b\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items())
    answer = theirs.ask("POST", "/api/jarvice/status", f"{body}--b--\r\n".encode(), "multipart/form-data; boundary=b")
    assert answer.status_code == 200
    assert answer.json().keys() == {str(job.number)}


@pytest.mark.parametrize("field", ["number", "lines", "signal"])
def test_a_number_that_is_none_is_a_400(theirs: JarviceClient, owner: User, field: str) -> None:
    job = running(owner)
    endpoint = "signal" if field == "signal" else "tail"
    for text in ("many", "-1", "1.5", "9" * 30):
        said = theirs.error(endpoint, 400, **{"number": job.number, field: text})
        assert f"'{field}' must be a whole number" in said


def test_text_that_no_database_can_hold_is_a_400(theirs: JarviceClient) -> None:
    assert "NUL" in theirs.error("status", 400, name="a\0b")
    assert "surrogate" in theirs.shaped("json").error("status", 400, name="\ud800")
    assert "must be a text" in theirs.shaped("json").error("status", 400, name=["x"])


# Lists of apps and machines


def test_the_types_of_a_definition_are_those_that_strict_clients_read(theirs: JarviceClient) -> None:
    loose = {
        "name": "Loose",
        "description": "Types as authors write them.",
        "author": "x",
        "licensed": "true",
        "appdefversion": "2",
        "classifications": "Tests",
        "machines": ["n*"],
        "scale_max": "4",
        "walltime": 3600,
        "id": "old-loose",
        "commands": {
            "run": {
                "path": "/bin/true",
                "name": "Run",
                "description": "Runs.",
                "interactive": "false",
                "ports": [8080],
                "parameters": {
                    "r": {
                        "type": "RANGE",
                        "name": "R",
                        "description": "",
                        "min": "0",
                        "max": 10,
                        "step": 2,
                        "value": 2,
                    },
                    "u": {
                        "type": "UPLOAD",
                        "name": "U",
                        "description": "",
                        "target": "x",
                        "size": 1024,
                        "required": "no",
                    },
                    "s": {"type": "selection", "name": "S", "description": "", "values": [1, 2], "mvalues": ["a", "b"]},
                    "f": {"type": "FILE", "name": "F", "description": "", "filter": ["*.a", "*.b"], "required": False},
                },
            }
        },
    }
    make_version(make_app(slug="loose"), definition=loose)
    found = theirs.json("apps")["loose"]
    assert_strict_appdef(found["data"])
    parameters = found["data"]["commands"]["run"]["parameters"]
    assert parameters["r"]["step"] == "2"
    assert parameters["u"]["size"] == "1024"
    assert parameters["f"]["filter"] == "*.a|*.b"
    assert list(parameters) == ["r", "u", "s", "f"]
    assert found["walltime"] == "01:00:00"


def test_owner_is_a_number_outside_and_a_text_inside(theirs: JarviceClient, owner: User) -> None:
    make_version(make_app(slug="pi", created_by=owner), certified=True)
    found = theirs.json("apps", name="pi")["pi"]
    assert (found["owner"], found["data"]["owner"]) == (owner.pk, "owner")
    assert (found["price"], found["data"]["price"]) == (0.0, "0")
    assert found["certified"] is True


def test_an_appdef_is_the_authors_text_to_the_byte(theirs: JarviceClient) -> None:
    version = make_version(make_app(slug="pi"))
    version.definition = json.dumps(DEFINITION, indent=3) + "\n\t"
    version.save()
    assert theirs.send("appdef", name="pi").content.decode() == version.definition
    assert theirs.error("appdef", 404, name="none") == "Application not found"
    assert "name" in theirs.error("appdef", 400)


def test_apps_are_those_that_the_person_sees(theirs: JarviceClient, owner: User, stranger: User) -> None:
    make_version(make_app(slug="hidden", visibility="teams"))
    ours = make_app(slug="ours", visibility="teams")
    ours.teams.add(make_team(owner))
    make_version(ours)
    make_version(make_app(slug="draft"), state="draft")
    assert theirs.json("apps").keys() == {"ours"}
    assert theirs.json("apps", name="hidden") == {}


def test_machines_are_found_by_name_alias_and_pattern(theirs: JarviceClient, owner: User) -> None:
    make_machine("n1", aliases=["n3"], ram_mib=2048, slave_ram_mib=1024, gpus=2, slave_gpus=0, nodes_max=4)
    make_machine("gpu1", aliases=["ng4"])
    make_machine("off", enabled=False)
    assert theirs.json("machines").keys() == {"n1", "gpu1"}
    assert theirs.json("machines", name="n3").keys() == {"n3"}
    assert theirs.json("machines", name="n*").keys() == {"n1", "ng4"}
    assert theirs.json("machines", name="none") == {}
    one = theirs.json("machines", name="n1")["n1"]
    assert (one["mc_ram"], one["mc_slave_ram"], one["mc_gpus"], one["mc_slave_gpus"]) == (2, 1, 2, 0)
    assert (one["mc_scale_min"], one["mc_scale_max"]) == (1, 4)
    make_vault(owner, name="home")
    assert theirs.json("machines", vault="home").keys() == {"n1", "gpu1"}
    assert theirs.json("machines", vault="ephemeral").keys() == {"n1", "gpu1"}
    theirs.error("machines", 404, vault="others")


def test_queues_are_the_machine_types(theirs: JarviceClient) -> None:
    make_machine("n1", nodes_max=2)
    assert theirs.json("queues") == ["n1"]
    assert theirs.json("queues", info="true", name="n1")["n1"]["size"] == 2
    assert theirs.error("queues", 404, name="none") == "Queue not found"


def test_usage_is_in_percent_of_all_cores_and_kilobytes(theirs: JarviceClient, owner: User) -> None:
    job = running(owner, machine_type=make_machine("n4", cores=4, ram_mib=64))
    assert theirs.json("metrics", number=job.number) == {
        "summary": {"cpu_used": 13, "memory_used": 2048, "memory_total": 65536},
        "itemized": {"cpu_used": [13], "memory_used": [2048], "memory_total": [65536]},
    }
    quiet = make_job(owner, state=JobState.RUNNING)
    theirs.error("metrics", 404, number=quiet.number)
    waiting = make_job(owner)
    make_task(waiting, index=1)
    theirs.error("metrics", 404, number=waiting.number)
