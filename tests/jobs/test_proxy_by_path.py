"""APPS_BY_PATH: all apps on one host that is not the portal's, each below a path of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from jobs import origins
from jobs.proxy import gate, headers
from portal.checks import apps_domain
from tests.jobs.proxied import Served, app_of_module, committed, heard, values

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def by_path(settings: Any) -> None:
    settings.APPS_DOMAIN, settings.PUBLIC_URL, settings.APPS_BY_PATH = "localhost", "http://127.0.0.1:8000", True


@pytest.fixture(scope="module")
def app(rows_of_module: None) -> Iterator[Served]:
    with app_of_module(path="/lab?x=1") as site:
        yield site


def test_an_app_is_below_its_own_path_and_finds_its_own_paths(app: Served) -> None:
    origin = origins.origin_of(app.endpoint.label)
    assert origin.root == f"http://localhost:8000/connect/{app.endpoint.label}"
    with app.browser(app.owner, referer=f"{origin.root}/lab", origin=origin.url) as client:
        method, target, pairs = heard(client.get(f"{origin.prefix}/headers?a=%2F"))
        assert (method, target) == ("GET", "/headers?a=%2F")
        assert values(pairs, "x-forwarded-prefix") == [origin.prefix]
        assert values(pairs, "referer") == [f"http://localhost:{app.endpoint.port}/lab"]
        assert client.get(origin.prefix).status_code == 200


def test_cookies_and_redirects_stay_below_it(app: Served) -> None:
    prefix = origins.origin_of(app.endpoint.label).prefix
    with app.browser(app.owner) as client:
        answer = client.get(f"{prefix}/set", params={"cookie": "a=1; Path=/x; Domain=localhost"})
        assert answer.headers["set-cookie"] == f"a=1; Path={prefix}/x"
        cases = {"/x": f"{prefix}/x", f"http://localhost:{app.endpoint.port}/y": f"http://localhost:8000{prefix}/y"}
        for given, led in cases.items():
            assert client.get(f"{prefix}/redirect", params={"to": given}).headers["location"] == led


def test_a_ticket_becomes_a_cookie_of_that_path(app: Served) -> None:
    def ticket() -> str:
        client = Client()
        client.force_login(app.owner)
        return gate.ticket_for(app.owner, client.session.session_key or "", app.endpoint)

    origin = origins.origin_of(app.endpoint.label)
    with app.browser() as client:
        answer = client.get(f"{origin.prefix}/.slipway/enter", params={"ticket": committed(ticket)})
    assert answer.headers["location"] == f"{origin.root}/lab?x=1"
    assert f"; Path={origin.prefix}/; HttpOnly" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "path", ["/", "/connect/", "/connect/1-x/", "/{label}/", "/connect/%{code}/headers", "/x/connect/{label}/"]
)
def test_other_paths_of_that_host_are_nobodys(app: Served, path: str) -> None:
    label = app.endpoint.label
    given = path.format(label=label, code=f"{ord(label[0]):x}{label[1:]}")
    with app.browser(app.owner) as client:
        assert client.get(given).status_code == 404


def test_the_portals_host_shows_none(app: Served) -> None:
    prefix = origins.origin_of(app.endpoint.label).prefix
    with app.browser(app.owner) as client:
        assert client.get(f"{prefix}/headers", headers={"host": "127.0.0.1:8000"}).text == "the portal"


def test_it_needs_a_host_that_is_not_the_portals(settings: Any) -> None:
    settings.PUBLIC_URL, settings.APPS_DOMAIN, settings.HTTPS = "https://x.example", "x.example", True
    settings.ALLOWED_HOSTS = ["x.example"]
    assert [one.id for one in apps_domain(None)] == ["portal.E005"]
    assert headers.pass_cookie() == "__Secure-slipway_pass"
