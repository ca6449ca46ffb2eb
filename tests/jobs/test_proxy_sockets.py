"""WebSockets through the proxy and the relay: message by message, at each side's pace, and ended with the right."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from jobs import origins
from jobs.models import Endpoint, Visit
from jobs.proxy import application, gate, sockets
from portal.people.models import User
from portal.people.sessions import end_sessions
from tests.factories import make_person
from tests.jobs.proxied import Served, app_of_module, committed, relayed, until, web_server

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
MIB = 2**20


@pytest.fixture(scope="module")
def app(rows_of_module: None) -> Iterator[Served]:
    with app_of_module() as site:
        yield site


@contextmanager
def opened(
    app: Served, path: str, *, user: User | None = None, origin: str | None = None, cookie: str = "", **more: Any
) -> Iterator[ClientConnection]:
    at = urlsplit(app.url)
    raw = socket.create_connection((at.hostname or "", at.port or 0))
    given = {"Cookie": f"{cookie or app.pass_of(user or app.owner)}; slipway_session=s3cret; own=1"}
    options = {"max_size": None, "compression": None, "proxy": None} | more
    headers = options.pop("headers", {})
    with connect(
        f"ws://{app.host}{path}",
        sock=raw,
        origin=app.origin if origin is None else origin or None,  # type: ignore[arg-type]
        additional_headers=given | headers,
        **options,
    ) as found:
        yield found


def test_texts_and_bytes_of_any_size_come_back_as_they_went(app: Served) -> None:
    with opened(app, "/echo") as found:
        for sent in ("", "grüße", b"", b"\x00\xff", "x" * 70_000, b"y" * (3 * MIB)):
            found.send(sent)
            assert found.recv(timeout=20) == sent


def test_the_app_hears_its_own_address_and_no_cookie_of_the_portals(app: Served) -> None:
    with opened(app, "/echo?a=%2F") as found:
        found.send("headers")
        pairs = [(name.lower(), value) for name, value in json.loads(found.recv(timeout=10))]
    assert ("host", f"localhost:{app.endpoint.port}") in pairs
    assert ("origin", f"http://localhost:{app.endpoint.port}") in pairs
    assert [value for name, value in pairs if name == "cookie"] == ["own=1"]
    assert [name for name, _ in pairs if name.startswith("sec-websocket-extensions")] == []


def test_what_the_app_chooses_in_the_handshake_reaches_the_browser(app: Served) -> None:
    with opened(app, "/echo", subprotocols=["one", "two"]) as found:
        assert found.subprotocol == "two"
        assert found.response is not None
        assert found.response.headers["Set-Cookie"] == "of_socket=1"


def test_pieces_become_a_message_and_pings_are_answered(app: Served) -> None:
    with opened(app, "/pieces") as found:
        assert found.recv(timeout=10) == "one two three"


def test_the_close_of_either_side_reaches_the_other_with_its_code(app: Served) -> None:
    with opened(app, "/bye?code=4321") as found:
        with pytest.raises(ConnectionClosed):
            found.recv(timeout=10)
        assert (found.close_code, found.close_reason) == (4321, "as asked")
    with opened(app, "/echo") as found:
        found.close(4002, "enough")
    until(lambda: not links(app))


def test_an_app_that_refuses_is_heard(app: Served) -> None:
    with pytest.raises(InvalidStatus) as refused, opened(app, "/refuse"):
        pass
    assert refused.value.response.status_code == 403
    assert refused.value.response.body == b"Not by this way."


def test_an_app_that_does_not_agree_is_told_of(app: Served) -> None:
    with pytest.raises(InvalidStatus) as refused, opened(app, "/plain"):
        pass
    assert refused.value.response.status_code == 502


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1:8000", "null", "http://9-other.localhost:8000"]
)
def test_a_page_of_another_origin_opens_none(app: Served, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused, opened(app, "/echo", origin=origin):
        pass
    assert refused.value.response.status_code == 403


def test_without_a_pass_none_is_opened(app: Served) -> None:
    for cookie in ("x=1", "slipway_pass=", "slipway_pass=guessed"):
        with pytest.raises(InvalidStatus) as refused, opened(app, "/echo", cookie=cookie):
            pass
        assert refused.value.response.status_code == 401


def test_signing_out_closes_what_is_open(app: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "RECHECK_S", 0.1)
    person = committed(make_person, "leaves")
    with (
        relayed(person, app.endpoint.port or 0) as other,
        web_server() as (other.url, _),
        opened(other, "/echo", user=person) as found,
    ):
        found.send("here")
        assert found.recv(timeout=10) == "here"
        committed(end_sessions, person)
        with pytest.raises(ConnectionClosed):
            found.recv(timeout=10)
        assert found.close_code == 1008


def test_a_fault_in_asking_again_leaves_nothing_open(app: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "RECHECK_S", 0.1)
    person = committed(make_person, "stays")
    with (
        relayed(person, app.endpoint.port or 0) as other,
        web_server() as (other.url, _),
        opened(other, "/echo", user=person) as found,
    ):
        found.send("here")
        assert found.recv(timeout=10) == "here"
        answers: Iterator[gate.Refusal | RuntimeError] = iter([RuntimeError("a bug"), gate.Refusal.AWAY])

        def judge(label: str, pass_text: str) -> gate.Refusal:
            answer = next(answers, gate.Refusal.STRANGER)
            if isinstance(answer, RuntimeError):
                raise answer
            return answer

        monkeypatch.setattr(gate, "judge", judge)
        with pytest.raises(ConnectionClosed):
            found.recv(timeout=10)
        assert found.close_code == 1008


def test_a_flood_of_the_browsers_is_slowed_and_loses_nothing(app: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "RATE", 500.0)
    waits: list[float] = []

    class Counted(sockets.Pace):
        async def keep(self) -> None:
            await super().keep()
            waits.append(self._left)

    monkeypatch.setattr(sockets, "Pace", Counted)
    with opened(app, "/echo") as found:
        for number in range(700):
            found.send(str(number))
        assert [found.recv(timeout=20) for _ in range(700)] == [str(number) for number in range(700)]
    assert len(waits) >= 1400  # each message was counted, both ways
    assert min(waits) < 0  # and some were made to wait


def test_the_end_of_the_job_drops_the_connection_so_that_its_page_comes_again(app: Served) -> None:
    with relayed(app.owner, app.endpoint.port or 0) as other:
        app.beside(other)
        with opened(other, "/echo") as found:
            found.send("here")
            found.recv(timeout=10)
            other.relay.end(other.attempt.name)
            with pytest.raises(ConnectionClosed):
                found.recv(timeout=10)
            assert found.close_code == 1006


def test_a_flood_is_slowed_and_loses_nothing(app: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "RATE", 500.0)
    with opened(app, "/flood?count=800") as found:
        began = time.monotonic()
        got = [found.recv(timeout=20) for _ in range(800)]
        assert time.monotonic() - began > 0.5
    assert got == [str(number) for number in range(800)]


def test_an_error_of_ours_is_not_taken_for_the_end_of_a_connection() -> None:
    class Silent:
        async def read(self) -> bytes:
            await asyncio.Event().wait()
            return b""

        async def write(self, data: bytes) -> None:
            """Nobody hears it."""

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.receive", "text": "x"}

    def moved() -> None:
        raise LookupError("a bug")

    endpoint = Endpoint(kind=Endpoint.Kind.WEB, port=8888)
    socket_ = sockets.Socket(endpoint, origins.origin_of("1-abc"), {}, receive, cast("Any", None))
    with pytest.raises(LookupError):
        asyncio.run(socket_._pass_on(cast("Any", Silent()), moved))


def test_a_message_beyond_the_limit_ends_the_connection(app: Served) -> None:
    with opened(app, "/echo") as found:
        with suppress(ConnectionClosed):
            found.send(b"x" * (17 * MIB))
        with pytest.raises(ConnectionClosed):
            found.recv(timeout=20)
        assert found.close_code in (1006, 1009)
    with opened(app, "/echo") as found:
        found.send("still up")
        assert found.recv(timeout=10) == "still up"


def test_a_browser_that_does_not_read_stops_the_app_and_not_the_portal(app: Served) -> None:
    """Back pressure from end to end: what lies in between is bounded by the buffers on the way."""
    with (
        app.browser(app.owner) as client,
        opened(app, "/flood?count=20000&size=60000", max_queue=1, close_timeout=0.1) as found,
    ):
        found.recv(timeout=10)
        sent = [-1, 0]
        while sent[-1] != sent[-2]:
            time.sleep(0.3)
            sent.append(int(client.get("/sent").text))
    assert 0 < sent[-1] * 60_000 < 64 * MIB


def test_too_many_at_once_are_refused(app: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "SOCKETS_MAX", 1)
    with opened(app, "/echo"):
        with pytest.raises(InvalidStatus) as refused, opened(app, "/echo"):
            pass
        assert refused.value.response.status_code == 503


def test_traffic_is_noted_and_the_visit_seen(app: Served) -> None:
    with relayed(app.owner, app.endpoint.port or 0) as other:
        app.beside(other)
        with opened(other, "/echo") as found:
            found.send("x")
            found.recv(timeout=10)
        until(lambda: Endpoint.objects.get(pk=other.endpoint.pk).last_traffic_at is not None)
        assert Visit.objects.get(endpoint=other.endpoint).seen_at is not None


def links(app: Served) -> int:
    return len(app.relay._links.get(app.attempt.name, ()))
