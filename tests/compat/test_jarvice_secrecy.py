"""A key in an address is in no log, no audit row and no answer: tried with a canary on a real web process, good and bad calls."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings as django_settings
from django.contrib.sessions.models import Session
from django.db import connection

from jobs.jarvice.urls import ENDPOINTS
from jobs.models import JobEvent
from jobs.states import JobState
from portal.logs import WithoutQuery, formatter
from portal.people.models import ApiToken, AuditEvent, User
from tests.compat.conftest import key_of
from tests.factories import make_job

ROOT = Path(__file__).resolve().parents[2]
CANARY = "CANARY0451canary"


def database_url() -> str:
    known = connection.settings_dict
    return f"postgresql://{known['USER']}@/{known['NAME']}?host={known['HOST']}&port={known['PORT'] or 5432}"


@contextlib.contextmanager
def web(port: int, log: Path, **env: str) -> Iterator[httpx.Client]:
    """The web process as a container runs it, but with the server's own access log on, as talkative as it can be."""
    words = [sys.executable, "-m", "uvicorn", "portal.asgi:application", "--port", str(port), "--lifespan", "off"]
    known = {"DATABASE_URL": database_url(), "JARVICE_API": "1", "BROKER_URL": "none", "SECRET_KEY": "0" * 50}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*words, "--log-level", "trace"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **known, **env},
            cwd=ROOT,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            until = time.monotonic() + 60
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if client.get("/health/live").status_code == 200:
                        break
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.1)
            yield client
    finally:
        process.terminate()
        process.wait(20)


def calls(client: httpx.Client, username: str, key: str, number: int) -> list[httpx.Response]:
    """Each endpoint with the key in the query and in a form, and addresses that are mistyped."""
    who = {"username": username, "apikey": key, "number": str(number)}
    answers = []
    for endpoint in ENDPOINTS:
        for base in ("/api/jarvice", "/api//jarvice"):
            answers.append(client.get(f"{base}/{endpoint.name}", params=who))
            answers.append(client.post(f"{base}/{endpoint.name}", data=who))
            answers.append(client.post(f"{base}/{endpoint.name}", params=who, content=b"{,"))
            answers.append(client.put(f"{base}/{endpoint.name}", params=who))
    others = ("/jarvice/status", "/api/jarvice/none", "/api/none", "/api/v1/jobs", "/streams/jobs/1/", "/jobs/")
    answers += [client.get(path, params=who, follow_redirects=False) for path in others]
    answers.append(client.get("/api/jarvice/jobs", params=who, headers={"Host": "evil.example"}))
    answers.append(
        client.get("/api/jarvice/jobs", params=who, headers={"Upgrade": "websocket", "Connection": "Upgrade"})
    )
    answers.append(client.get("/api/jarvice/jobs", params={**who, **{f"f{n}": "" for n in range(5500)}}))
    answers.append(client.get(f"/api/jarvice/jobs?%zz={key}&apikey={key}"))
    return answers


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("debug", ["0", "1"])
def test_a_key_in_an_address_is_logged_nowhere(
    owner: User, folders: Path, tmp_path: Path, free_port: int, debug: str
) -> None:
    log = tmp_path / "web.log"
    job = make_job(owner, state=JobState.RUNNING)
    waiting = make_job(owner)
    text = key_of(owner)
    token = ApiToken.objects.get(user=owner)
    # A key with the canary in it that is good, and one that is bad.
    good = f"{text[:12]}{CANARY}{text[12:]}"
    ApiToken.objects.filter(pk=token.pk).update(hash=ApiToken.hash_of(good))
    state = {"SLIPWAY_STATE": str(tmp_path / "state"), "DEBUG": debug, "LOG_LEVEL": "DEBUG"}
    with web(free_port, log, **state) as client:
        answers = calls(client, "owner", good, waiting.number)
        answers += calls(client, "owner", f"slw_{CANARY}", job.number)
        with connection.cursor() as cursor:  # a bug, as far as a view can tell
            cursor.execute("ALTER TABLE jobs_task RENAME TO jobs_task_away")
        try:
            who = {"username": "owner", "apikey": good, "number": str(job.number)}
            broken = client.get("/api/jarvice/tail", params=who)
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE jobs_task_away RENAME TO jobs_task")
    statuses = {answer.status_code for answer in answers}
    assert {200, 400, 401, 404, 405, 429} <= statuses
    assert broken.status_code == 500
    assert broken.json()["error"].startswith("Something broke here.")
    said = log.read_text(encoding="utf-8", errors="replace")
    assert "GET /api/jarvice/status?..." in said  # the access log was on
    assert "Internal Server Error" in said
    assert CANARY not in said
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path
    for rows in (AuditEvent, JobEvent, ApiToken, Session):
        assert CANARY not in repr(list(rows.objects.values())), rows
    for answer in [*answers, broken]:  # a page for developers may show an address of no door to whoever asked for it
        assert CANARY not in answer.text or (debug == "1" and answer.url.path == "/jarvice/status"), answer.url
    for answer in answers:
        if answer.status_code == 302:  # a mistyped address of a page asks to sign in first
            assert answer.headers["location"].startswith("/accounts/login/")
        assert answer.headers.get("referrer-policy", "same-origin") == "same-origin"


def test_no_line_of_ours_holds_a_token(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("probe")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter())
    logger.addHandler(handler)
    logger.propagate = False
    token = "slw_" + "a1B2-_" * 7
    try:
        raise ValueError(f"bad value {token}")
    except ValueError:
        logger.exception("Refused %s.", token)
    said = capsys.readouterr().err
    assert "ValueError" in said
    assert "slw_..." in said
    assert token[4:16] not in said


@pytest.mark.parametrize(
    ("args", "left"),
    [
        (("1.2.3.4:5", "GET", f"/x?apikey={CANARY}", "1.1", 200), ("1.2.3.4:5", "GET", "/x?...", "1.1", 200)),
        ((f"GET /x?a={CANARY}&b HTTP/1.1", "404", "9"), ("GET /x?... HTTP/1.1", "404", "9")),
        (({"path": "/x", "query_string": CANARY.encode()},), ({"path": "/x", "query_string": b"..."},)),
        (("no address",), ("no address",)),
    ],
)
def test_servers_lines_lose_their_queries(args: tuple[Any, ...], left: tuple[Any, ...]) -> None:
    record = logging.LogRecord("uvicorn.access", logging.INFO, "", 1, "%s", None, None)
    record.args = args
    assert WithoutQuery().filter(record)
    assert record.args == left


def test_djangos_own_server_is_scrubbed_too() -> None:
    known = django_settings.LOGGING["loggers"]["django.server"]
    assert known["filters"] == ["without_query"]
