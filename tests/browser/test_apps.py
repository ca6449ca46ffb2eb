"""Apps in Chromium: each under an origin of its own, kept apart from the portal, from other apps and from other people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.asgi import get_asgi_application
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect

from jobs.events import CHANNEL
from jobs.streams import ROUTES
from portal.people.models import User
from portal.streams import Streams
from tests.browser.conftest import listen, overflow_px, serious_faults
from tests.jobs.proxied import Served, relayed, served, web_server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators"),
]
# What a page of one origin gets from another with all the means a script has: what it read, or how it failed.
ASK_ELSEWHERE = """async (origin) => {
  const told = async (act) => { try { return await act(); } catch (error) { return "failed"; } };
  return {
    read: await told(async () => (await fetch(origin + "/headers", {credentials: "include"})).status),
    blind: await told(async () => (await fetch(origin + "/headers", {credentials: "include", mode: "no-cors"})).type),
    socket: await new Promise((resolve) => {
      const socket = new WebSocket(origin.replace("http", "ws") + "/echo");
      socket.onopen = () => resolve("open");
      socket.onerror = () => resolve("failed");
    }),
    frame: await new Promise((resolve) => {
      const frame = document.createElement("iframe");
      frame.src = origin + "/";
      frame.onload = () => { try { resolve(frame.contentDocument ? "read" : "closed"); } catch { resolve("closed"); } };
      document.body.append(frame);
    }),
  };
}"""

LOOK_INTO_WINDOW = """() => {
  try { return window.made && window.made.document ? window.made.document.title : "nothing"; } catch { return "refused"; }
}"""

NOTHING = {"read": "failed", "blind": "failed", "socket": "failed", "frame": "closed"}


class World:
    """The portal and its apps on one port, and browsers of people."""

    def __init__(self, url: str, chromium: Browser, rooms: ExitStack, port: int) -> None:
        self.url, self.chromium, self.rooms, self.app_port = url, chromium, rooms, port

    def app_of(self, owner: User) -> Served:
        return self.rooms.enter_context(relayed(owner, self.app_port, path="/?own=1"))

    def browser_of(self, person: User, *, width: int = 1440, dark: bool = False) -> BrowserContext:
        context = self.chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
        )
        self.rooms.callback(context.close)
        client = Client()
        client.force_login(person)
        name = django_settings.SESSION_COOKIE_NAME
        context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": self.url}])
        return context

    def open(self, context: BrowserContext, app: Served) -> Page:
        """As the button on the job's page does."""
        page = context.new_page()
        page.set_default_timeout(40_000)  # of a loaded machine
        page.goto(f"{self.url}/jobs/{app.job.number}/connect/")
        return page


@pytest.fixture
def world(chromium: Browser, settings: Any, free_port: int) -> Iterator[World]:
    settings.PUBLIC_URL, settings.APPS_DOMAIN = f"http://127.0.0.1:{free_port}", "localhost"
    portal = Streams(ROUTES, get_asgi_application(), channel=CHANNEL)  # type: ignore[arg-type]
    with served() as port, web_server(portal, free_port) as (url, _), ExitStack() as rooms:
        yield World(url, chromium, rooms, port)


def names(context: BrowserContext, url: str) -> set[str]:
    return {cookie["name"] for cookie in context.cookies(url)}


def test_a_click_ends_at_the_app_with_its_socket_open_and_nothing_of_the_portals(world: World, owner: User) -> None:
    app = world.app_of(owner)
    context = world.browser_of(owner)
    faults: list[str] = []
    page = world.open(context, app)
    listen(page, faults)
    expect(page.get_by_role("heading", name="Served")).to_be_visible()
    assert page.url == f"{app.origin}/?own=1"  # and no ticket
    expect(page.locator("#echo")).to_have_text("hello 1")
    assert page.locator("#said").text_content() == "of_page=1 "  # no other cookie, no referrer
    assert names(context, app.origin) == {"slipway_pass", "of_page", "of_socket"}
    assert all(cookie["domain"] == app.host.partition(":")[0] for cookie in context.cookies(app.origin))
    assert "of_page" not in names(context, world.url)
    assert faults == []


def test_an_app_reaches_neither_the_portal_nor_another_app_of_the_same_person(world: World, owner: User) -> None:
    one, other = world.app_of(owner), world.app_of(owner)
    context = world.browser_of(owner)
    neighbour = world.open(context, other)
    expect(neighbour.locator("#echo")).to_have_text("hello 1")
    page = world.open(context, one)
    expect(page.locator("#echo")).to_have_text("hello 1")
    assert page.evaluate("localStorage.of") == one.host
    assert neighbour.evaluate("localStorage.of") == other.host
    asked = page.evaluate(ASK_ELSEWHERE, other.origin)
    assert asked == NOTHING
    assert len(other.relay._links[other.attempt.name]) >= 1  # the neighbour's own, and its socket still answers
    expect(neighbour.locator("#echo")).to_have_text("hello 1")
    # The portal's page comes, as to anybody's blind request: to a script that can't look into it, and without a cookie.
    assert page.evaluate(ASK_ELSEWHERE, world.url) == {**NOTHING, "blind": "opaque"}
    page.evaluate("document.cookie = 'slipway_session=forged; domain=localhost'")
    assert names(context, world.url) == {django_settings.SESSION_COOKIE_NAME}
    with context.expect_page() as opened:
        page.evaluate("(url) => { window.made = window.open(url); }", world.url)
    opened.value.wait_for_url(f"{world.url}/**")  # until it is there, the window is an empty one of the app's own
    opened.value.wait_for_load_state()
    assert page.evaluate(LOOK_INTO_WINDOW) in ("refused", "nothing")
    assert page.evaluate("made.closed")  # to the app, though it stands open: they share no group of windows
    assert opened.value.evaluate("window.opener") is None


def test_a_link_to_anothers_app_opens_nothing(world: World, owner: User, stranger: User) -> None:
    app = world.app_of(owner)
    theirs = world.browser_of(owner)
    expect(world.open(theirs, app).locator("#echo")).to_have_text("hello 1")
    context = world.browser_of(stranger)
    page = context.new_page()
    answer = page.goto(f"{app.origin}/?own=1")
    assert answer is not None
    assert answer.status == 401
    expect(page.get_by_role("heading", name="Open this app from its job")).to_be_visible()
    page.get_by_role("link", name="Open the app").click()
    page.wait_for_url(f"{world.url}/jobs/{app.job.number}/connect/")
    expect(page.get_by_role("heading", name="Served")).not_to_be_visible()
    assert names(context, app.origin) == set()


def test_an_app_that_leads_to_the_portals_login_just_leaves(world: World, owner: User) -> None:
    app = world.app_of(owner)
    context = world.browser_of(owner)
    page = world.open(context, app)
    expect(page.locator("#echo")).to_have_text("hello 1")
    page.goto(f"{app.origin}/redirect?to={world.url}/accounts/login/")
    assert page.url.startswith(world.url)
    assert page.evaluate("document.referrer") == ""


def test_the_page_comes_back_by_itself_when_the_app_does(world: World, owner: User) -> None:
    app = world.app_of(owner)
    context = world.browser_of(owner)
    page = world.open(context, app)
    expect(page.locator("#echo")).to_have_text("hello 1")
    place = app.places.pop(app.attempt.name)
    app.relay.end(app.attempt.name)
    page.goto(f"{app.origin}/?own=1")
    expect(page.get_by_role("heading", name="The app is out of reach for a moment")).to_be_visible()
    app.places[app.attempt.name] = place
    expect(page.locator("#echo")).to_have_text("hello 1", timeout=15_000)


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1440, False)])
def test_what_is_said_where_no_app_answers_is_fit_for_everyone(
    world: World, owner: User, width: int, dark: bool
) -> None:
    app = world.app_of(owner)
    page = world.browser_of(owner, width=width, dark=dark).new_page()
    page.goto(f"{app.origin}/")
    expect(page.get_by_role("heading", name="Open this app from its job")).to_be_visible()
    assert overflow_px(page) <= 0
    assert serious_faults(page) == []
