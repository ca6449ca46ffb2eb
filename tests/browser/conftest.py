"""Chromium for tests of pages: `visit(person, path)` opens one as a person; any script or policy fault fails the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page
from pytest_django.live_server_helper import LiveServer

from portal.people.models import User

HARMLESS = (
    "Failed to load resource: the server responded with a status of 4",
    # An engine that makes or removes a network for other containers makes Chromium drop what it is loading.
    "Failed to load resource: net::ERR_NETWORK_CHANGED",
    "Failed to load resource: net::ERR_CONNECTION_RESET",  # a test cut it, to see an upload go on
)
SETTLED = """Promise.all(document.getAnimations()
  .filter(one => Number.isFinite(one.effect.getComputedTiming().endTime)).map(one => one.finished.catch(() => null)))"""
Visit = Callable[..., Page]


@pytest.fixture(autouse=True)
def places(tmp_path: Path, settings: Any) -> None:
    """A store and vaults of the test's own."""
    settings.STORE_ROOT, settings.VAULT_ROOT = tmp_path / "store", tmp_path / "vaults"
    storage = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path / "store")},
    }
    settings.STORAGES = {**settings.STORAGES, "default": storage}


@pytest.fixture
def portal_url(live_server: LiveServer) -> str:
    """Where the portal is; a module whose pages need live streams serves it otherwise."""
    return str(live_server.url)


@pytest.fixture
def visit(portal_url: str, chromium: Browser) -> Iterator[Visit]:
    """visit(person, path, width=1440, dark=False, scripts=True) -> the page, signed in as the person."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def opened(person: User, path: str, *, width: int = 1440, dark: bool = False, scripts: bool = True) -> Page:
        client = Client()
        client.force_login(person)
        context = chromium.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
        )
        contexts.append(context)
        name = settings.SESSION_COOKIE_NAME
        context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": portal_url}])
        page = context.new_page()
        page.set_default_timeout(20_000)
        listen(page, faults)
        page.goto(portal_url + path, wait_until="networkidle")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


def listen(page: Page, faults: list[str]) -> None:
    """Collect what the page throws and what its console calls an error, policy violations among them."""

    def note(text: str) -> None:
        if not text.startswith(HARMLESS):
            faults.append(text)

    page.on("pageerror", lambda error: note(str(error)))
    page.on("console", lambda said: note(said.text) if said.type == "error" else None)


def serious_faults(page: Page) -> list[str]:
    """What axe-core calls serious or critical on this page: rule and elements."""
    page.evaluate(SETTLED)  # a colour in mid transition is nobody's choice
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {', '.join(str(node['target']) for node in one['nodes'][:5])}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def overflow_px(page: Page) -> int:
    """By how much the page is wider than the window."""
    wide: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wide
