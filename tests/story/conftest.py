"""The story is told on a whole installation: real web, worker, PostgreSQL and containers, and Chromium before it."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

import pytest
from django.contrib.auth.hashers import make_password
from playwright.sync_api import Browser, Page

from jobs import vaults
from portal.people.models import User
from tests.browser.conftest import listen, serious_faults
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
        listen(page, self.faults)
        return page

    def examine(self, page: Page) -> None:
        """axe-core over the page as it stands now."""
        self.faults += [f"{page.url}: {fault}" for fault in serious_faults(page)]


@pytest.fixture(scope="package")
def stage(installation: Site, chromium: Browser) -> Stage:  # noqa: F811
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    installation.machine("n1", ram_mib=256)
    installation.machine("n2", ram_mib=768, pids=256)
    installation.web(port, PUBLIC_URL=url, DEBUG="1")
    installation.worker("story", "--serve", "n1=2", "--serve", "n2=4")
    curator = User(username="grace", email="grace@example.org", is_curator=True, is_operator=True)
    curator.password = make_password(PASSWORD, hasher="argon2")  # the portal does not know the tests' cheap hash
    curator.save()
    vault = vaults.default_vault(curator)
    vaults.make_folder(vault, "cases")
    vaults.save_file(vault, "cases/dam.csv", [b"x,y\n1,2\n"])
    return Stage(url, chromium, curator)
