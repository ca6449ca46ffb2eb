"""HTTP through the proxy and the relay, byte for byte, to a real app: what arrives, what comes back, what is refused."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from jobs import endpoints
from jobs.models import Endpoint
from jobs.proxy import gate, upstream
from jobs.relay.dial import Stream, dial
from tests.jobs.proxied import Served, app_of_module, committed, heard, relayed, until, values

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
MIB = 2**20


@pytest.fixture(scope="module")
def app(rows_of_module: None) -> Iterator[Served]:
    with app_of_module() as site:
        yield site


@pytest.fixture
def port(app: Served) -> int:
    """The app's own, which other endpoints may lead to as well."""
    assert app.endpoint.port is not None
    return app.endpoint.port


def test_a_request_arrives_as_if_its_person_sat_beside_the_app(app: Served, port: int) -> None:
    with app.browser(app.owner, origin=app.origin, referer=f"{app.origin}/x?y=1") as client:
        answer = client.get("/headers?a=%2F&b=c+d", headers={"X-Own": "kept", "Authorization": "token of-the-app"})
    method, target, pairs = heard(answer)
    assert (method, target) == ("GET", "/headers?a=%2F&b=c+d")
    assert values(pairs, "host") == [f"localhost:{port}"]
    assert values(pairs, "origin") == [f"http://localhost:{port}"]
    assert values(pairs, "referer") == [f"http://localhost:{port}/x?y=1"]
    assert values(pairs, "x-own") == ["kept"]
    assert values(pairs, "authorization") == ["token of-the-app"]
    assert values(pairs, "x-forwarded-host") == [app.host]
    assert values(pairs, "x-forwarded-proto") == ["http"]
    assert values(pairs, "x-forwarded-for") == ["127.0.0.1"]


def test_nothing_of_the_portals_reaches_the_app(app: Served) -> None:
    cookie = f"{app.pass_of(app.owner)}; slipway_session=s3cret; __Host-slipway_csrf=t0ken; own=1"
    with app.browser() as client:
        answer = client.get(
            "/headers",
            headers={
                "Cookie": cookie,
                "Authorization": "Bearer slw_abcdefghijkl",
                "Forwarded": "for=1.2.3.4",
                "X-Forwarded-For": "1.2.3.4",
                "X-Forwarded-Host": "evil.example",
                "X-Forwarded-User": "root",
                "X-Real-IP": "1.2.3.4",
                "Referer": "http://127.0.0.1:8000/jobs/5/",
            },
        )
    _, _, pairs = heard(answer)
    assert values(pairs, "cookie") == ["own=1"]
    for absent in ("authorization", "forwarded", "x-forwarded-user", "x-real-ip", "referer"):
        assert values(pairs, absent) == [], absent
    assert "1.2.3.4" not in answer.text
    assert "evil" not in answer.text


def test_headers_of_one_hop_stay_on_it(app: Served) -> None:
    with app.browser(app.owner) as client:
        given = {"Connection": "keep-alive, X-Mine", "X-Mine": "1", "TE": "trailers", "Keep-Alive": "timeout=5"}
        _, _, pairs = heard(client.get("/headers", headers=given))
    for absent in ("x-mine", "te", "keep-alive", "proxy-connection"):
        assert values(pairs, absent) == [], absent


def test_cookies_of_the_app_stay_on_its_own_host_and_ours_are_not_set(app: Served) -> None:
    wanted: list[tuple[str, Any]] = [
        ("cookie", "a=1; Domain=localhost; Path=/; HttpOnly"),
        ("cookie", "__Host-b=2; Secure; Path=/"),
        ("cookie", "sessionid=of-the-app; domain = .localhost"),
        ("cookie", "slipway_pass=stolen; Path=/"),
        ("cookie", "slipway_session=of-the-app"),
    ]
    with app.browser(app.owner) as client:
        answer = client.get("/set", params=wanted)
    given = answer.headers.get_list("set-cookie")
    assert given == ["a=1; Path=/; HttpOnly", "__Host-b=2; Secure; Path=/", "sessionid=of-the-app"]


def test_addresses_that_mean_the_app_itself_lead_to_its_origin(app: Served, port: int) -> None:
    cases = {
        f"http://localhost:{port}/lab?x=1#y": f"{app.origin}/lab?x=1#y",
        f"http://127.0.0.1:{port}": f"{app.origin}/",
        f"https://0.0.0.0:{port}/a": f"{app.origin}/a",
        f"//localhost:{port}/a": f"{app.origin}/a",
        f"http://[::1]:{port}/": f"{app.origin}/",
        "/relative?x": "/relative?x",
        "https://elsewhere.example/": "https://elsewhere.example/",
        f"http://localhost:{port + 1}/": f"http://localhost:{port + 1}/",
        "http://127.0.0.1:8000/accounts/login/": "http://127.0.0.1:8000/accounts/login/",
    }
    with app.browser(app.owner) as client:
        for given, led in cases.items():
            answer = client.get("/redirect", params={"to": given})
            assert (answer.status_code, answer.headers["location"]) == (302, led), given


def test_headers_that_would_reach_beyond_the_app_are_dropped(app: Served) -> None:
    with app.browser(app.owner) as client:
        answer = client.get(
            "/set",
            params={
                "Clear-Site-Data": '"cookies"',
                "Alt-Svc": 'h3=":443"',
                "X-Frame-Options": "SAMEORIGIN",
                "Content-Security-Policy": "default-src 'self'",
                "Refresh": f"3; url=http://localhost:{app.endpoint.port}/next",
            },
        )
    assert "clear-site-data" not in answer.headers
    assert "alt-svc" not in answer.headers
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert answer.headers["content-security-policy"] == "default-src 'self'"
    assert answer.headers["refresh"] == f"3; url={app.origin}/next"
    assert answer.headers["origin-agent-cluster"] == "?1"


@pytest.mark.parametrize("how", ["mib=3", "mib=3&chunked=1", "mib=3&gzip=1", "mib=0"])
def test_answers_come_through_byte_for_byte(app: Served, how: str) -> None:
    digest, total = hashlib.sha256(), 0
    with app.browser(app.owner) as client, client.stream("GET", f"/bytes?{how}") as answer:
        for piece in answer.iter_raw():
            digest.update(piece)
            total += len(piece)
        assert answer.headers.get("content-encoding") == ("gzip" if "gzip" in how else None)
        assert ("content-length" in answer.headers) == ("chunked" not in how)
        assert "x-trailer" not in answer.headers
    want = bytes(range(256)) * 4096 * (0 if how == "mib=0" else 3)
    assert total == len(want)
    assert digest.digest() == hashlib.sha256(want).digest()


def test_head_and_early_hints_and_empty_answers(app: Served) -> None:
    with app.browser(app.owner) as client:
        head = client.head("/bytes?mib=2")
        assert (head.status_code, head.headers["content-length"], head.content) == (200, str(2 * MIB), b"")
        assert client.get("/early").text == "late"
        assert client.get("/headers").status_code == 200  # the connection is in order afterwards


@pytest.mark.parametrize("chunked", [False, True])
def test_uploads_arrive_whole_whether_their_length_is_known_or_not(app: Served, chunked: bool) -> None:
    pieces = [bytes([number]) * 100_000 for number in range(50)]
    body: Any = iter(pieces) if chunked else b"".join(pieces)
    with app.browser(app.owner, origin=app.origin) as client:
        answer = client.post("/upload", content=body)
    assert answer.text == f"5000000 {hashlib.sha256(b''.join(pieces)).hexdigest()}"


def test_a_request_without_a_body_says_so_only_where_the_browser_did(app: Served) -> None:
    with app.browser(app.owner, origin=app.origin) as client:
        assert values(heard(client.get("/headers"))[2], "content-length") == []
        _, _, pairs = heard(client.post("/headers"))
        assert values(pairs, "content-length") == ["0"]  # without it some programs answer 411


def test_events_come_as_they_are_said(app: Served) -> None:
    with app.browser(app.owner) as client, client.stream("GET", "/events") as answer:
        lines = answer.iter_lines()
        said = [next(lines) for _ in range(7)]
    assert [line for line in said if line] == ["data: 0", "data: 1", "data: 2", "data: 3"]


def test_an_app_that_crashes_in_its_answer_leaves_half_of_it_and_no_more(app: Served) -> None:
    with app.browser(app.owner) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/half")
        assert client.get("/headers").status_code == 200


def test_an_app_that_says_nothing_is_told_of_on_a_page(app: Served) -> None:
    with app.browser(app.owner, accept="text/html") as client:
        answer = client.get("/none")
    assert answer.status_code == 502
    assert "The app does not answer" in answer.text
    assert 'http-equiv="refresh"' in answer.text


def test_an_app_whose_headers_are_endless_is_not_listened_to(app: Served) -> None:
    with app.browser(app.owner) as client:
        assert client.get("/long?bytes=1000000").status_code == 502
        assert client.get("/headers").status_code == 200


def test_headers_of_a_megabyte_are_refused_before_they_are_in(app: Served) -> None:
    with app.browser(app.owner) as client:
        assert client.get("/headers", headers={"X-Long": "y" * 70_000}).status_code == 431
    at = urlsplit(app.url)
    with socket.create_connection((at.hostname, at.port)) as raw:
        raw.sendall(f"GET / HTTP/1.1\r\nHost: {app.host}\r\nX-Long: ".encode())
        sent = 0
        raw.settimeout(10)
        try:
            while sent < 64 * MIB:
                sent += raw.send(b"y" * 65536)
        except OSError:
            pass
        assert sent < 4 * MIB


def test_a_port_where_nothing_answers_yet(app: Served) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with (
            relayed(app.owner, unused.getsockname()[1]) as silent,
            app.beside(silent).browser(app.owner, accept="text/html") as client,
        ):
            answer = client.get("/")
    assert answer.status_code == 503
    assert "The app is starting" in answer.text
    assert answer.headers["retry-after"] == "3"


def test_too_many_connections_are_told_to_come_again(app: Served, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "CONNECTIONS_MAX", 2)
    monkeypatch.setattr(upstream, "POOL_S", 0.2)
    with (
        relayed(app.owner, port) as crowded,
        app.beside(crowded).browser(app.owner) as client,
        client.stream("GET", "/events"),
        client.stream("GET", "/events"),
    ):
        answer = client.get("/headers")
        assert answer.status_code == 503
        assert "connections to this app are in use" in answer.text


@pytest.fixture
def dials(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ports that the proxy dialled."""
    found: list[str] = []

    async def counted(endpoint: Endpoint, target: str, arguments: Mapping[str, str]) -> Stream:
        found.append(arguments["port"])
        return await dial(endpoint, target, arguments)

    monkeypatch.setattr(upstream, "dial", counted)
    return found


def test_requests_one_after_another_share_a_connection_and_a_verdict(
    app: Served, port: int, dials: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[str] = []

    def judge(label: str, pass_text: str) -> Any:
        judged.append(label)
        return gate_judge(label, pass_text)

    gate_judge = gate.judge
    monkeypatch.setattr(gate, "judge", judge)
    monkeypatch.setattr(gate, "VERDICT_S", 60.0)
    with relayed(app.owner, port) as other, app.beside(other).browser(app.owner) as client:
        for number in range(20):
            assert client.get(f"/headers?{number}").status_code == 200
        assert client.post("/upload", content=b"x" * 1000, headers={"Origin": other.origin}).status_code == 200
        assert client.head("/bytes?mib=1").status_code == 200
    assert dials == [str(port)]
    assert judged == [other.endpoint.label]


def test_an_answer_that_ends_with_its_connection_is_whole_and_the_next_has_another(
    app: Served, port: int, dials: list[str]
) -> None:
    with relayed(app.owner, port) as other, app.beside(other).browser(app.owner) as client:
        assert client.get("/old").text == "until it closes" * 1000
        assert client.get("/headers").status_code == 200
    assert len(dials) == 2


def test_a_connection_that_ended_while_it_waited_is_not_asked_again(app: Served, port: int, dials: list[str]) -> None:
    with relayed(app.owner, port) as other, app.beside(other).browser(app.owner) as client:
        assert client.get("/headers").status_code == 200
        other.relay.end(other.attempt.name)
        until(lambda: open_links(other) == 0)
        until(lambda: client.get("/headers").status_code == 200)
    assert len(dials) == 2


def test_what_only_asks_is_asked_once_more_where_a_kept_connection_had_just_ended(
    app: Served, port: int, dials: list[str]
) -> None:
    with relayed(app.owner, port) as other, app.beside(other).browser(app.owner, origin=other.origin) as client:
        assert client.get("/headers").status_code == 200
        assert client.get("/first").status_code == 200
        assert len(dials) == 2
        for body in (b"", b"x"):  # the app may have acted on it already
            assert client.post("/first", content=body).status_code == 502
            assert client.get("/headers").status_code == 200
        assert client.get("/none").status_code == 502  # once, and no more
    assert len(dials) == 5


def test_connections_that_nobody_uses_are_let_go_of(app: Served, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "IDLE_S", 0.2)
    with relayed(app.owner, port) as other, app.beside(other).browser(app.owner) as client:
        assert client.get("/headers").status_code == 200
        until(lambda: open_links(other) == 0)
        assert client.get("/headers").status_code == 200


def test_a_browser_that_leaves_ends_the_connection_to_the_app(app: Served) -> None:
    with app.browser(app.owner) as client, client.stream("GET", "/events?every=0.02") as answer:
        next(answer.iter_raw())
        assert open_links(app) == 1
    until(lambda: open_links(app) == 0)


def test_the_end_of_the_attempt_ends_what_is_open(app: Served) -> None:
    with app.browser(app.owner) as client, client.stream("GET", "/events") as answer:
        pieces = answer.iter_raw()
        next(pieces)
        app.relay.end(app.attempt.name)
        with pytest.raises(httpx.HTTPError):
            for _ in pieces:
                pass


def open_links(app: Served) -> int:
    return len(app.relay._links.get(app.attempt.name, ()))


def test_an_app_that_has_just_ended_is_said_to_have(app: Served, port: int) -> None:
    """Not out of reach for a moment, though the pass was good a moment ago."""
    with relayed(app.owner, port) as other, app.beside(other).browser(app.owner, accept="text/html") as client:
        assert client.get("/headers").status_code == 200
        committed(endpoints.close_all, other.attempt)
        other.places.clear()
        other.relay.end(other.attempt.name)
        until(lambda: (answer := client.get("/headers")).status_code == 410 and "has ended" in answer.text)
