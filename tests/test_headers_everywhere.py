"""S13-S15 at every address: CSRF, the security headers, redirects that stay here. Stream routes are in their own table."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import transaction
from django.test import Client
from django.urls import reverse

from jobs import origins
from jobs.streams import NUMBER, ROUTES, TASK
from portal.asgi import application
from portal.middleware import OPEN_VIEWS
from portal.people.models import User
from tests import address_names, addresses
from tests.addresses import EXPECTED, PEOPLE, World
from tests.factories import PASSWORD, make_person

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("jarvice", "shells")]

ELSEWHERE = (
    "https://evil.example/",
    "//evil.example/",
    "///evil.example",
    "https:evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "javascript:alert(1)",
    "https://testserver@evil.example/",
    " https://evil.example",
    "/%09/evil.example",
)


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with django_db_blocker.unblock(), transaction.atomic():
        yield addresses.build()
        transaction.set_rollback(True)


def everywhere() -> list[tuple[str, int]]:
    return addresses.rules()


def drained(answer: Any) -> Any:
    """Read to the end, so that no file stays open."""
    if answer.streaming:
        b"".join(answer.streaming_content)
    return answer


# S13


@pytest.mark.parametrize(("name", "index"), everywhere(), ids=str)
def test_a_change_without_the_csrf_token_is_refused(world: World, name: str, index: int) -> None:
    """By somebody who may do everything, so that nothing else refuses it."""
    if "files" in name:
        world.refill()
    rule = EXPECTED[name][index]
    address = rule.address(world, name)
    refused = 404 if name == "api:unknown" else 403
    if name.startswith(("jarvice:", "bytenite:")) or name == "jobs:upload-address":
        return  # no cookie counts there, so that no other site can use one: the next test
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.cookies.load(dict(world.cookies["owner"]))
    with transaction.atomic():
        User.objects.filter(pk=world.people["owner"].pk).update(is_staff=True, is_superuser=True)
        for verb in ("POST", "PUT", "PATCH", "DELETE"):
            assert address_names.send(client, verb, address).status_code == refused, (verb, address)
        cross_site = address_names.send(client, "POST", address, Origin="https://evil.example")
        assert cross_site.status_code == refused, address
        transaction.set_rollback(True)


@pytest.mark.parametrize("name", [name for name in EXPECTED if name.startswith("bytenite:")])
def test_a_cookie_is_nothing_to_the_bytenite_door(world: World, name: str) -> None:
    rule = EXPECTED[name][0]
    for verb, people in rule.verbs.items():
        if "nobody" not in people and people:
            answer = address_names.send(world.client("owner"), verb, rule.address(world, name))
            assert (answer.status_code, answer["Content-Type"]) == (401, "application/json")


@pytest.mark.parametrize("name", [name for name in EXPECTED if name.startswith("jarvice:")])
def test_a_cookie_is_nothing_to_the_jarvice_door(world: World, name: str) -> None:
    rule = EXPECTED[name][0]
    if "nobody" in rule.let_in("POST"):
        return
    for verb in ("GET", "POST"):
        answer = address_names.send(world.client("owner"), verb, rule.address(world, name))
        assert (answer.status_code, answer["Content-Type"]) == (401, "application/json")


def test_with_the_csrf_token_the_same_change_is_done(world: World) -> None:
    """The other half of the proof: it was the token that was missing."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.people["owner"], backend="django.contrib.auth.backends.ModelBackend")
    client.cookies[settings.CSRF_COOKIE_NAME] = "a" * 32
    body = {"name": "x", "scopes": ["read"]}
    with transaction.atomic():
        headers = {"X-CSRFToken": "a" * 32}
        made = client.post("/api/v1/tokens", body, content_type="application/json", headers=headers)
        transaction.set_rollback(True)
    assert made.status_code == 201


# S14


def assert_headers(answer: Any, place: str) -> None:
    policy = answer["Content-Security-Policy"]
    assert "unsafe" not in policy, place
    assert "default-src 'none'" in policy, place
    assert "frame-ancestors 'none'" in policy or "sandbox" in policy, place
    assert answer["X-Content-Type-Options"] == "nosniff", place
    assert answer["X-Frame-Options"] == "DENY", place
    assert answer["Referrer-Policy"] == "same-origin", place
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin", place
    assert answer["X-Request-Id"], place


@pytest.mark.parametrize(("name", "index"), everywhere(), ids=str)
def test_every_answer_carries_the_security_headers(world: World, name: str, index: int) -> None:
    if "files" in name:
        world.refill()
    rule = EXPECTED[name][index]
    address = rule.address(world, name)
    for verb in ("GET", *rule.verbs):
        allowed = rule.let_in(verb) or frozenset({"owner"})
        for person in ("nobody", next(one for one in reversed(PEOPLE) if one in allowed)):
            with transaction.atomic():
                answer = drained(
                    address_names.send(
                        world.client(person), verb, world.signed(person, address), **world.headers(person, address)
                    )
                )
                transaction.set_rollback(True)
            assert_headers(answer, f"{person} {verb} {address}")


@pytest.mark.parametrize("address", ["/nothing-here", "/jobs/999999999/", "/apps/none/", "/api/v1/none"])
def test_pages_of_faults_carry_them_too(world: World, address: str) -> None:
    for person in ("nobody", "owner"):
        assert_headers(world.client(person).get(address), address)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_streams_carry_them_too_and_ask_who_comes(route: Any) -> None:
    path = route.path.replace(NUMBER, "1").replace(TASK, "run/0")
    assert route.pattern.fullmatch(path), f"give an example of {route.path} here"
    for method, expected in (("GET", 401), ("POST", 405), ("DELETE", 405)):
        status, headers = asyncio.run(answered(path, method))
        assert status == expected
        assert "unsafe" not in headers["content-security-policy"]
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"


async def answered(path: str, method: str) -> tuple[int, dict[str, str]]:
    """Status and headers of a bare ASGI request from nobody."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"accept", b"text/event-stream")],
    }
    await application(scope, receive, send)
    pairs = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], pairs


# S15


def stays_here(answer: Any) -> bool:
    """A redirect to a path of ours, as every browser reads it."""
    if answer.status_code not in (301, 302, 303, 307, 308):
        return True
    target: str = answer["Location"]
    parts = urlsplit(target)
    return (
        parts.netloc in ("", "testserver")
        and parts.scheme in ("", "http")
        and target.startswith(("/", "?", "http://testserver/"))
        and not target.startswith(("//", "/\\"))
        and "\t" not in target
    )


@pytest.mark.parametrize(("name", "index"), everywhere(), ids=str)
def test_no_address_sends_elsewhere(world: World, name: str, index: int) -> None:
    if "files" in name:
        world.refill()
    rule = EXPECTED[name][index]
    address = rule.address(world, name)
    for verb in sorted(set(rule.verbs) & {"GET", "POST"}):
        person = next(one for one in reversed(PEOPLE) if one in rule.let_in(verb)) if rule.let_in(verb) else "owner"
        for target in ELSEWHERE[:2]:
            with transaction.atomic():
                client = world.client(person)
                names = dict.fromkeys(("next", "return_to", "back", "url", "redirect_to"), target)
                if verb == "GET":
                    answer = client.get(address, names)
                elif address.startswith(("/api/", "/v1/")):
                    answer = address_names.send(
                        client, verb, world.signed(person, address), **world.headers(person, address)
                    )
                else:
                    answer = client.post(address, names, headers={"Referer": target})
                drained(answer)
                transaction.set_rollback(True)
            told = (verb, address, target, answer.get("Location"))
            if name == "jobs:job-connect" and answer.status_code == 302:  # into an app: at its origin and nowhere else
                at = urlsplit(answer["Location"])
                assert origins.requested(at.netloc, at.path) is not None, told
                assert at.path == "/.slipway/enter", told
            else:
                assert stays_here(answer), told


@pytest.mark.parametrize("target", ELSEWHERE)
def test_signing_in_and_out_never_sends_elsewhere(target: str) -> None:
    person = make_person("here")
    person.set_password(PASSWORD)
    person.save()
    client = Client()
    where = {"next": target}
    body = {"login": "here", "password": PASSWORD, **where}
    answer = client.post(reverse("account_login"), body)
    assert answer.status_code == 302
    assert stays_here(answer), answer["Location"]
    again = client.get(reverse("account_login"), where)
    assert stays_here(again), again["Location"]
    out = client.post(reverse("account_logout"), where)
    assert stays_here(out), out["Location"]


def test_whoever_is_sent_to_sign_in_comes_back_to_where_they_were(client: Client) -> None:
    answer = client.get("/jobs/?state=running")
    assert answer.status_code == 302
    assert answer["Location"] == "/accounts/login/?next=/jobs/%3Fstate%3Drunning"


# Closed by default


def test_what_is_open_to_everybody_is_listed_in_one_place() -> None:
    opened = {
        name
        for name, rules in EXPECTED.items()
        if any("nobody" in who for rule in rules for who in rule.verbs.values())
    }
    api = {name for name in opened if name.startswith(("jarvice:", "bytenite:"))}  # which answer for themselves
    assert api == {"jarvice:live", "jarvice:ready", "jarvice:validate", "bytenite:access-token"}
    assert opened - api == OPEN_VIEWS
