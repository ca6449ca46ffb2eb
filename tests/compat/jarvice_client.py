"""A JARVICE client of the tests' own: it sends a call in every way that clients in use do, and reads answers strictly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import urlencode

import httpx
from asgiref.sync import async_to_sync
from django.core import signals
from django.db import close_old_connections

Shape = Literal["get", "json", "bare", "as-form", "fields", "query"]
# JSON with its content type, with none, and with that of a form; form fields; all in the query of a POST.
BODIES: tuple[Shape, ...] = ("json", "bare", "as-form", "fields", "query")
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class JarviceClient:
    """One person's client. `double`: the base address ends with a slash, so that paths have two."""

    username: str = ""
    apikey: str = ""
    shape: Shape = "get"
    double: bool = False
    cookies: dict[str, str] | None = None

    def shaped(self, shape: Shape, *, double: bool = False) -> JarviceClient:
        return replace(self, shape=shape, double=double)

    def send(self, endpoint: str, **fields: Any) -> httpx.Response:
        """The answer, whatever it is. `user` of a submission holds the credentials; elsewhere they are fields."""
        who = {"username": self.username, "apikey": self.apikey} if self.username or self.apikey else {}
        inside = endpoint in ("submit", "batch") and who
        fields = {**fields, **({"user": who} if inside else who)}
        return self.raw(endpoint, fields)

    def raw(self, endpoint: str, fields: dict[str, Any]) -> httpx.Response:
        address = f"/api{'//' if self.double else '/'}jarvice/{endpoint}"
        flat = {key: value if isinstance(value, str) else json.dumps(value) for key, value in fields.items()}
        match self.shape:
            case "get":
                return self.ask("GET", f"{address}?{urlencode(flat)}")
            case "query":
                return self.ask("POST", f"{address}?{urlencode(flat)}")
            case "fields":
                return self.ask("POST", address, urlencode(flat).encode(), FORM)
            case "json":
                return self.ask("POST", address, json.dumps(fields).encode(), "application/json")
            case "bare":
                return self.ask("POST", address, json.dumps(fields).encode())
            case "as-form":
                return self.ask("POST", address, json.dumps(fields, indent=2).encode(), FORM)

    def ask(
        self, method: str, address: str, body: bytes = b"", kind: str = "", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """One request to the whole ASGI application, in this thread, so that it sees this test's rows."""
        from portal.asgi import application  # once the settings of the tests are made

        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(app=application)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost", cookies=self.cookies) as web:
                sent = {**(headers or {}), **({"content-type": kind} if kind else {})}
                return await web.request(method, address, content=body or None, headers=sent)

        around = (signals.request_started, signals.request_finished)
        for signal in around:  # the test's connection is not closed after each request
            signal.disconnect(close_old_connections)
        try:
            return _outside_a_loop(once)
        finally:
            for signal in around:
                signal.connect(close_old_connections)

    def json(self, endpoint: str, **fields: Any) -> Any:
        answer = self.send(endpoint, **fields)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        return json.loads(answer.content)

    def text(self, endpoint: str, **fields: Any) -> str:
        answer = self.send(endpoint, **fields)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "text/plain"
        return answer.content.decode("utf-8")

    def error(self, endpoint: str, status: int, **fields: Any) -> str:
        return error_of(self.send(endpoint, **fields), status)


def _outside_a_loop(once: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """Ask in this thread, which has the test's connection, also where a browser's tests have left their loop in it."""
    running = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        return async_to_sync(once)()
    finally:
        asyncio._set_running_loop(running)


def error_of(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = json.loads(answer.content)
    assert body.keys() == {"error"}
    assert type(body["error"]) is str
    assert body["error"]
    return str(body["error"])


# What strict clients demand. A tuple lets several types be; a dict is an object with all these keys; a list is one of that.

TEXT, WHOLE, FLAG, NUMBER = str, int, bool, (int, float)
NONE = type(None)
STATUS: dict[str, Any] = {
    "job_name": TEXT,
    "job_status": TEXT,
    "job_substatus": WHOLE,
    "job_submit_time": WHOLE,
    "job_start_time": WHOLE,
    "job_end_time": WHOLE,
    "job_application": TEXT,
    "job_command": TEXT,
    "job_walltime": (TEXT, NONE),
    "job_project": (TEXT, NONE),
}
SUBMISSION: dict[str, Any] = {
    "app": TEXT,
    "application": {"command": TEXT, "geometry": TEXT, "parameters": dict, "walltime": TEXT},
    "machine": {"type": TEXT, "nodes": WHOLE},
    "vault": {"name": TEXT, "readonly": FLAG, "force": FLAG},
    "job_label": TEXT,
    "job_project": TEXT,
    "queue": TEXT,
    "user": {"username": TEXT},
}
STATS = {
    "app_cost": NUMBER,
    "compute_cost": NUMBER,
    "compute_time": WHOLE,
    "job_count": WHOLE,
    "queue_time": WHOLE,
    "wall_time": WHOLE,
}
ENTRY: dict[str, Any] = STATUS | {
    "job_address": TEXT,
    "job_after": TEXT,
    "job_api_submission": SUBMISSION,
    "job_app_discount": WHOLE,
    "job_app_price": NUMBER,
    "job_billed": FLAG,
    "job_billing_code": WHOLE,
    "job_dashboard_visible": WHOLE,
    "job_exitcode": WHOLE,
    "job_label": TEXT,
    "job_mc_discount": WHOLE,
    "job_mc_name": TEXT,
    "job_mc_scale": WHOLE,
    "job_nodes": TEXT,
    "job_number": WHOLE,
    "job_owner_username": TEXT,
    "job_payer": TEXT,
    "job_price": NUMBER,
    "job_sched_id": WHOLE,
    "job_sched_job_id": TEXT,
    "job_stats": STATS,
    "job_substatus_text": TEXT,
}
MACHINE: dict[str, Any] = dict.fromkeys(
    ("mc_name", "mc_description", "mc_arch", "mc_devices", "mc_properties", "mc_slave_properties", "mc_scale_select"),
    TEXT,
) | dict.fromkeys(
    (
        *("mc_cores", "mc_slots", "mc_gpus", "mc_ram", "mc_swap", "mc_scratch", "mc_scale_min", "mc_scale_max"),
        *("mc_slave_cores", "mc_slave_gpus", "mc_slave_ram", "mc_lesser", "mc_priority", "mc_sched_id"),
        "mc_max_concurrent",
    ),
    WHOLE,
)
MACHINE |= {"mc_price": NUMBER, "mc_privs": [TEXT]}
APP: dict[str, Any] = {
    "id": TEXT,
    "data": dict,
    "price": NUMBER,
    "owner": NUMBER,
    "arch": TEXT,
    "privs": [TEXT],
    "src": TEXT,
    "updated": WHOLE,
    "checkedout": FLAG,
    "certified": FLAG,
    "walltime": (TEXT, NONE),
    "repo": TEXT,
}
# Keys that an author may leave out.
APPDEF: dict[str, Any] = {
    "appdefversion": WHOLE,
    "author": TEXT,
    "certified": FLAG,
    "classifications": [TEXT],
    "description": TEXT,
    "enablehpc": FLAG,
    "id": TEXT,
    "licensed": FLAG,
    "machines": [TEXT],
    "nae": TEXT,
    "name": TEXT,
    "owner": TEXT,
    "price": TEXT,
    "public": FLAG,
    "scale_max": WHOLE,
    "team": FLAG,
    "vault-types": [TEXT],
    "walltime": TEXT,
}
COMMAND: dict[str, Any] = {
    "cmdscript": TEXT,
    "description": TEXT,
    "desktop": FLAG,
    "interactive": FLAG,
    "machines": [TEXT],
    "mpirun": FLAG,
    "name": TEXT,
    "noconnect": FLAG,
    "noqueue": FLAG,
    "path": TEXT,
    "ports": [TEXT],
    "publicip": FLAG,
    "scale_max": WHOLE,
    "url": TEXT,
    "verboseinit": FLAG,
    "walltime": TEXT,
    "webshell": FLAG,
}
PARAMETER: dict[str, Any] = {
    "cmdscript": FLAG,
    "description": TEXT,
    "filter": TEXT,
    "if": [TEXT],
    "ifnot": [TEXT],
    "max": NUMBER,
    "min": NUMBER,
    "mvalues": [TEXT],
    "name": TEXT,
    "positional": FLAG,
    "required": FLAG,
    "size": TEXT,
    "step": TEXT,
    "target": TEXT,
    "type": TEXT,
    "values": [TEXT],
    "variable": FLAG,
}


def assert_strict(value: Any, kind: Any, place: str = "answer") -> None:
    """The value is exactly of this kind: an integer is no boolean and no text, and no key is missing or added."""
    match kind:
        case dict():
            assert type(value) is dict, place
            assert kind.keys() - value.keys() == set(), f"{place} lacks keys"
            for key, one in kind.items():
                assert_strict(value[key], one, f"{place}.{key}")
        case list():
            assert type(value) is list, place
            for one in value:
                assert_strict(one, kind[0], f"{place}[]")
        case tuple():
            assert type(value) in kind, f"{place} is {value!r}"
        case _:
            assert type(value) is kind, f"{place} is {value!r}"


def assert_strict_appdef(data: dict[str, Any]) -> None:
    """Each key that is there has its type; whatever the author wrote."""
    _each(data, APPDEF, "data")
    assert {"owner", "price"} <= data.keys()
    for name, command in data["commands"].items():
        _each(command, COMMAND, name)
        for key, parameter in command.get("parameters", {}).items():
            _each(parameter, PARAMETER, f"{name}.{key}")


def _each(value: dict[str, Any], kinds: dict[str, Any], place: str) -> None:
    for key, kind in kinds.items():
        if key in value:
            assert_strict(value[key], kind, f"{place}.{key}")
