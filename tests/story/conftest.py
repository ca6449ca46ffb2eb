"""The story is told on a whole installation: real web, worker, PostgreSQL and containers, and Chromium before it."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from playwright.sync_api import Browser, Page, sync_playwright

from jobs import vaults
from portal.people.models import User
from tests.browser.conftest import FLAGS, serious_faults
from tests.faults.conftest import installation  # noqa: F401  the same whole installation
from tests.faults.site import Site

PASSWORD = "correct horse battery"


@dataclass
class Stage:
    """Where the story plays: the address of the portal, its curator, and what each page was found guilty of."""

    url: str
    browser: Browser
    curator: User
    faults: list[str] = field(default_factory=list)

    def page(self) -> Page:
        page = self.browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True).new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda note: self.faults.append(note.text) if note.type == "error" else None)
        return page

    def examine(self, page: Page) -> None:
        """axe-core over the page as it stands now."""
        self.faults += [f"{page.url}: {fault}" for fault in serious_faults(page)]


@pytest.fixture(scope="package")
def stage(installation: Site, django_db_blocker: Any) -> Iterator[Stage]:  # noqa: F811
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    installation.machine("n1", ram_mib=256)
    installation.web(port, PUBLIC_URL=url, DEBUG="1")
    installation.worker("story", "--serve", "n1=2")
    curator = User(username="grace", email="grace@example.org", is_curator=True, is_operator=True)
    curator.password = make_password(PASSWORD, hasher="argon2")  # the portal does not know the tests' cheap hash
    curator.save()
    vault = vaults.default_vault(curator)
    vaults.make_folder(vault, "cases")
    vaults.save_file(vault, "cases/dam.csv", [b"x,y\n1,2\n"])
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    # Playwright runs an event loop in this thread, and Django would refuse to touch the database beside one.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield Stage(url, browser, curator)
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
