"""Who comes in: tickets that are good once, passes that are worth no more than the session behind them, and no others."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.conf import settings as django_settings
from django.contrib.auth import logout
from django.test import Client
from django.utils import timezone

from jobs import endpoints, origins
from jobs.keep import purge_visits
from jobs.models import Endpoint, Job, Visit
from jobs.proxy import gate, notices
from jobs.proxy.gate import Admitted, Refusal
from portal.people.models import AuditEvent, Membership, Team, User
from portal.people.sessions import end_sessions
from tests.factories import PASSWORD, make_job, make_person, make_team
from tests.jobs.proxied import Served, app_of_module, committed, open_job, web_server

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def with_apps(settings: Any) -> None:
    settings.APPS_DOMAIN, settings.PUBLIC_URL = "localhost", "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def app(rows_of_module: None) -> Iterator[Served]:
    with app_of_module("ada", path="/lab?token=1") as site:
        yield site


@pytest.fixture
def endpoint(owner: User) -> Endpoint:
    return open_job(owner, 8888, path="/lab?token=s3cret")[2]


def led_to(client: Client, job: Job) -> str:
    answer = client.get(f"/jobs/{job.number}/connect/")
    assert answer.status_code == 302, answer.content
    return str(answer["Location"])


def ticket_of(url: str) -> str:
    return url.partition("ticket=")[2]


def entered(client: Client, endpoint: Endpoint) -> str:
    """The pass that a click on Connect ends with."""
    found = gate.enter(endpoint.label, ticket_of(led_to(client, endpoint.job)))
    assert found is not None
    return found[1]


# -- the portal's side


def test_a_click_leads_to_the_apps_own_origin_and_is_on_record(endpoint: Endpoint, owner: User) -> None:
    client = Client()
    client.force_login(owner)
    answer = client.get(f"/jobs/{endpoint.job_id}/connect/")
    at = urlsplit(answer["Location"])
    assert (at.scheme, at.netloc, at.path) == ("http", f"{endpoint.label}.localhost:8000", "/.slipway/enter")
    assert answer["Referrer-Policy"] == "same-origin"  # which this origin is not: nothing is told where it leads
    assert "no-store" in answer["Cache-Control"]
    row = AuditEvent.objects.get(action="job.connect")
    assert (row.actor_name, row.target) == ("owner", f"job {endpoint.job_id}")
    assert ticket_of(answer["Location"]) not in str(row.detail)
    assert Visit.objects.get().ticket_hash != ticket_of(answer["Location"])


def test_operators_see_the_job_and_not_the_app(endpoint: Endpoint, operator: User) -> None:
    client = Client()
    client.force_login(operator)
    assert client.get(f"/jobs/{endpoint.job_id}/").status_code == 200
    assert client.get(f"/jobs/{endpoint.job_id}/connect/").status_code == 403
    assert not Visit.objects.exists()


@pytest.mark.parametrize("over", ["image", "iframe", "empty"])
def test_only_a_page_that_is_opened_gets_a_ticket(endpoint: Endpoint, owner: User, over: str) -> None:
    client = Client()
    client.force_login(owner)
    assert client.get(f"/jobs/{endpoint.job_id}/connect/", headers={"Sec-Fetch-Dest": over}).status_code == 403
    assert not Visit.objects.exists()


def test_what_can_not_be_connected_to_says_why(owner: User, settings: Any) -> None:
    client = Client()
    client.force_login(owner)
    nothing = make_job(owner)
    assert client.get(f"/jobs/{nothing.number}/connect/").status_code == 404
    _, attempt, endpoint = open_job(owner, 8888)
    endpoints.close_all(attempt)
    answer = client.get(f"/jobs/{endpoint.job_id}/connect/")
    assert answer.status_code == 409
    assert "does not run any more" in answer.content.decode()
    settings.APPS_DOMAIN = ""
    answer = client.get(f"/jobs/{endpoint.job_id}/connect/")
    assert "APPS_DOMAIN" in answer.content.decode()


# -- tickets


def test_a_ticket_is_good_once_and_a_second_use_ends_what_the_first_began(endpoint: Endpoint, owner: User) -> None:
    client = Client()
    client.force_login(owner)
    ticket = ticket_of(led_to(client, endpoint.job))
    found = gate.enter(endpoint.label, ticket)
    assert found is not None
    assert isinstance(gate.judge(endpoint.label, found[1]), Admitted)
    assert gate.enter(endpoint.label, ticket) is None
    assert gate.judge(endpoint.label, found[1]) is Refusal.STRANGER


def test_a_ticket_that_is_too_old_or_for_another_app_opens_nothing(endpoint: Endpoint, owner: User) -> None:
    client = Client()
    client.force_login(owner)
    other = open_job(owner, 8888)[2]
    ticket = ticket_of(led_to(client, endpoint.job))
    assert gate.enter(other.label, ticket) is None
    assert gate.enter(endpoint.label, "") is None
    assert gate.enter(endpoint.label, "guessed\ud800") is None
    Visit.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert gate.enter(endpoint.label, ticket) is None


# -- passes


def test_a_pass_opens_its_own_origin_alone(endpoint: Endpoint, owner: User) -> None:
    client = Client()
    client.force_login(owner)
    text = entered(client, endpoint)
    other = open_job(owner, 8888)[2]
    assert isinstance(gate.judge(endpoint.label, text), Admitted)
    assert gate.judge(other.label, text) is Refusal.STRANGER
    assert gate.judge(endpoint.label, Visit.objects.get().pass_hash or "") is Refusal.STRANGER


def sign_out(client: Client, user: User, endpoint: Endpoint) -> None:
    client.post("/accounts/logout/")


def sign_out_elsewhere(client: Client, user: User, endpoint: Endpoint) -> None:
    end_sessions(user)


def new_password(client: Client, user: User, endpoint: Endpoint) -> None:
    user.set_password("another long enough one")
    user.save()


def closed_account(client: Client, user: User, endpoint: Endpoint) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def no_more_shared(client: Client, user: User, endpoint: Endpoint) -> None:
    Job.objects.filter(pk=endpoint.job_id).update(team=None)


def out_of_the_team(client: Client, user: User, endpoint: Endpoint) -> None:
    Membership.objects.filter(user=user).delete()


@pytest.mark.parametrize(
    "how", [sign_out, sign_out_elsewhere, new_password, closed_account, no_more_shared, out_of_the_team]
)
def test_a_pass_ends_with_what_it_stands_on(endpoint: Endpoint, owner: User, teammate: User, how: Any) -> None:
    """A teammate's pass, so that all of them apply."""
    Job.objects.filter(pk=endpoint.job_id).update(team=Team.objects.get())
    teammate.set_password(PASSWORD)
    teammate.save()
    client = Client()
    client.force_login(teammate)
    text = entered(client, endpoint)
    assert isinstance(gate.judge(endpoint.label, text), Admitted)
    how(client, teammate, endpoint)
    assert gate.judge(endpoint.label, text) is Refusal.STRANGER


def test_a_pass_outlives_the_app_only_to_say_so(endpoint: Endpoint, owner: User) -> None:
    client = Client()
    client.force_login(owner)
    text = entered(client, endpoint)
    endpoints.close_all(endpoint.attempt)
    assert gate.judge(endpoint.label, text) is Refusal.ENDED


# -- the origin's side


def test_entering_sets_a_cookie_of_that_host_and_drops_the_ticket(app: Served) -> None:
    def ticket() -> str:
        client = Client()
        client.force_login(app.owner)
        return gate.ticket_for(app.owner, client.session.session_key or "", app.endpoint)

    text = committed(ticket)
    with app.browser() as client:
        answer = client.get("/.slipway/enter", params={"ticket": text})
        assert (answer.status_code, answer.headers["location"]) == (303, f"{app.origin}/lab?token=1")
        assert answer.headers["referrer-policy"] == "no-referrer"
        cookie = answer.headers["set-cookie"]
        assert re.fullmatch(r"slipway_pass=[\w-]{43}; Path=/; HttpOnly; SameSite=Lax", cookie)
        again = client.get("/.slipway/enter", params={"ticket": text})
        assert again.status_code == 403
        assert "set-cookie" not in again.headers
        assert "used already" in again.text
        assert client.get("/headers", headers={"cookie": cookie.partition(";")[0]}).status_code == 401


def test_under_https_the_cookie_is_one_that_no_neighbour_can_set(settings: Any) -> None:
    settings.HTTPS, settings.PUBLIC_URL, settings.APPS_DOMAIN = True, "https://portal.example.org", "apps.example.org"
    from jobs.proxy import headers

    assert headers.pass_cookie() == "__Host-slipway_pass"
    assert origins.origin_of("7-abc").url == "https://7-abc.apps.example.org"
    assert headers.is_ours("__Host-slipway_session")


def test_without_a_pass_a_known_and_a_guessed_name_answer_alike(app: Served) -> None:
    guessed = f"{app.job.number}-{'a' * 16}"
    with app.browser(accept="text/html") as client:
        known = client.get("/lab")
        unknown = client.get("/lab", headers={"host": f"{guessed}.localhost:8000"})
    assert known.status_code == unknown.status_code == 401
    assert known.text == unknown.text
    assert f"http://127.0.0.1:8000/jobs/{app.job.number}/connect/" in known.text
    assert "set-cookie" not in known.headers
    assert known.headers["content-security-policy"].startswith("default-src 'none'")


HOSTS = (
    "{label}.localhost",
    "{label}.localhost:80",
    "{label}.localhost:8001",
    "{label}.localhost:08000",
    "{label}.localhost.:8000",
    "{label}.LOCALHOST:8000",
    "{LABEL}.localhost:8000",
    "x.{label}.localhost:8000",
    "{label}..localhost:8000",
    ".localhost:8000",
    "portal.localhost:8000",
    "1.localhost:8000",
    "-{label}.localhost:8000",
    "{label}.localhost:8000:8000",
    "{label}.localhost:",
)


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_name_that_is_not_exactly_an_origin_finds_nothing_and_never_the_portal(app: Served, host: str) -> None:
    given = host.format(label=app.endpoint.label, LABEL=app.endpoint.label.upper())
    with app.browser(app.owner) as client:
        answer = client.get("/headers", headers={"host": given})
    assert answer.status_code == 404
    assert "Nothing is here" in answer.text


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8000", "localhost:8000", "evil.example", "{label}.localhost.evil.example", "localhost.evil:8000"],
)
def test_the_portals_own_names_and_strangers_never_reach_an_app(app: Served, host: str) -> None:
    with app.browser(app.owner) as client:
        answer = client.get("/headers", headers={"host": host.format(label=app.endpoint.label)})
    assert (answer.status_code, answer.text) == (299, "the portal")


def test_two_host_headers_find_nothing(app: Served) -> None:
    at, cookie = urlsplit(app.url), app.pass_of(app.owner)
    for first, second in ((app.host, "127.0.0.1:8000"), ("127.0.0.1:8000", app.host), (app.host, app.host)):
        with socket.create_connection((at.hostname or "", at.port or 0), timeout=10) as raw:
            raw.sendall(
                f"GET /headers HTTP/1.1\r\nHost: {first}\r\nHost: {second}\r\nCookie: {cookie}\r\n\r\n".encode()
            )
            assert raw.recv(100).startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 400 "))


def test_an_address_in_the_request_line_changes_nothing(app: Served) -> None:
    with app.browser(app.owner) as client:
        request = client.build_request("GET", "/headers", extensions={"target": b"http://127.0.0.1:8000/headers"})
        answer = client.send(request)
    assert answer.json()[1] == "/headers"


def test_our_own_paths_never_reach_the_app(app: Served) -> None:
    with app.browser(app.owner) as client:
        assert client.get("/.slipway/other").status_code == 404
        assert client.post("/.slipway/").status_code == 404


ASKED = [
    ({"origin": "https://evil.example"}, "POST", 403),
    ({"origin": "http://127.0.0.1:8000"}, "POST", 403),
    ({"origin": "null"}, "POST", 403),
    ({"origin": "{own}"}, "POST", 200),
    ({}, "POST", 200),
    ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}, "GET", 403),
    ({"sec-fetch-site": "same-site", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}, "GET", 403),
    ({"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}, "GET", 403),
    ({"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, "POST", 403),
    ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, "GET", 200),
    ({"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}, "GET", 200),
    ({"sec-fetch-site": "none", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, "GET", 200),
    ({"origin": "https://evil.example"}, "GET", 403),
]


@pytest.mark.parametrize(("given", "method", "status"), ASKED, ids=str)
def test_pages_of_other_origins_ask_for_nothing(app: Served, given: dict[str, str], method: str, status: int) -> None:
    with app.browser(app.owner) as client:
        named = {name: value.format(own=app.origin) for name, value in given.items()}
        assert client.request(method, "/headers", headers=named).status_code == status


def test_a_stream_ends_when_its_person_leaves_the_team(app: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "RECHECK_S", 0.1)
    mate = committed(make_person, "mate")
    team = committed(make_team, app.owner, mate)
    committed(Job.objects.filter(pk=app.job.pk).update, team=team)
    with web_server() as (url, _), httpx.Client(base_url=url, timeout=20) as client:
        given = {"host": app.host, "cookie": app.pass_of(mate)}
        with client.stream("GET", "/events", headers=given) as answer:
            pieces = answer.iter_raw()
            next(pieces)
            committed(Membership.objects.filter(user=mate).delete)
            with pytest.raises(httpx.RemoteProtocolError):
                for _ in pieces:
                    pass


def test_while_the_database_is_away_a_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError

    def away(key: str) -> None:
        raise OperationalError("away")

    class Rows:
        def select_related(self, *names: str) -> None:
            away("")

    monkeypatch.setattr(Visit, "objects", Rows())
    assert gate.judge("1-abc", "x") is Refusal.AWAY
    _, body = notices.answer(notices.away(), as_page=True)
    assert b"database does not answer" in body


def test_logging_in_again_does_not_revive_a_pass(endpoint: Endpoint, owner: User) -> None:
    client = Client()
    client.force_login(owner)
    text = entered(client, endpoint)
    request: Any = type("Request", (), {"session": client.session, "user": owner, "META": {}})()
    logout(request)
    client.force_login(owner)
    assert gate.judge(endpoint.label, text) is Refusal.STRANGER
    assert django_settings.SESSION_COOKIE_NAME in client.cookies


def test_visits_are_forgotten_a_day_after_they_are_of_no_use(endpoint: Endpoint, owner: User) -> None:
    client = Client()
    client.force_login(owner)
    entered(client, endpoint)
    led_to(client, endpoint.job)
    ours = Visit.objects.filter(endpoint=endpoint)
    purge_visits()
    assert ours.count() == 2
    ours.filter(entered_at=None).update(expires_at=timezone.now() - timedelta(days=2))
    purge_visits()
    assert ours.count() == 1
    Endpoint.objects.filter(pk=endpoint.pk).update(
        state=Endpoint.State.CLOSED, since=timezone.now() - timedelta(days=2)
    )
    purge_visits()
    assert not ours.exists()
