"""The picker's answers over large folders, on disk and in a bucket, and the script time of its page in Chromium.

Server times are of whole requests through Django, without the network. "First" is the first request after the folder
was filled; the others follow it. A bucket is asked through moto's S3 service on this machine, which is slower than most.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from bench import installation

QUESTIONS: dict[str, dict[str, str]] = {
    "by name": {},
    "largest first": {"sort": "-size"},
    "search": {"search": "9999"},
    "filter": {"filter": "*7.dat"},
    "page at 800": {"offset": "800"},
}
ASKED = 9


def measure_server(client: Any, vault: str, label: str) -> list[str]:
    def ask(question: dict[str, str]) -> float:
        begun = time.perf_counter()
        answer = client.get(f"/files/{vault}/pick/?{urlencode(question)}")
        took = time.perf_counter() - begun
        if answer.status_code != 200:
            raise SystemExit(f"{label}: {answer.status_code} {answer.content[:300]!r}")
        return took

    first = ask({})
    found = {name: statistics.median(ask(question) for _ in range(ASKED)) for name, question in QUESTIONS.items()}
    times = ", ".join(f"{name} {1000 * took:.0f}" for name, took in found.items())
    return [f"picker, {label}: first {1000 * first:.0f} ms; then (median of {ASKED}, ms) {times}"]


def on_disk(client: Any, owner: Any, entries: int) -> list[str]:
    from jobs import vaults

    vault = vaults.create_vault(name=f"disk-{entries}", owner=owner)
    root = vaults.root_of(vault)
    for number in range(entries):
        (root / f"case-{number:06}.dat").write_bytes(b"x" * (number % 7))
    return measure_server(client, vault.name, f"{entries:,} files on disk")


@contextmanager
def bucket_of(entries: int) -> Iterator[tuple[str, str]]:
    """A bucket of so many objects and its endpoint."""
    from moto.core.models import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        backend.create_bucket("bench", "us-east-1")
        for number in range(entries):
            backend.put_object("bench", f"case-{number:06}.dat", b"x" * (number % 7))
        yield "bench", f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    finally:
        server.stop()


def in_a_bucket(client: Any, owner: Any, entries: int) -> list[str]:
    from jobs import vaults
    from jobs.models import Vault

    with bucket_of(entries) as (bucket, endpoint):
        way: dict[str, Any] = {"bucket": bucket, "endpoint": endpoint, "access_key": "k", "secret": "s"}
        vault = vaults.create_vault(name="cloud", owner=owner, type=Vault.Type.OBJECT, **way)
        return measure_server(client, vault.name, f"{entries:,} objects in a bucket")


def measure_page(site: installation.Installation, owner: Any, vault: str) -> list[str]:
    """Script and rendering time of the page's own thread for opening, typing a filter and sorting."""
    from django.conf import settings
    from django.test import Client
    from playwright.sync_api import sync_playwright

    from tests.conftest import CHROMIUM_FLAGS, _chromium

    client = Client()
    client.force_login(owner)
    name = settings.SESSION_COOKIE_NAME
    # With DEBUG the portal serves static files from where they lie; without, they would have to be collected first.
    plain = installation.Installation(site.state, site.env | {"DEBUG": "1"})
    with plain.processes() as processes, sync_playwright() as playwright:
        url = plain.web(processes)
        browser = playwright.chromium.launch(executable_path=_chromium(), args=CHROMIUM_FLAGS)
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": url}])
        page = context.new_page()
        page.goto(f"{url}/apps/picked/launch/", wait_until="networkidle")
        page.locator("[name=vault]").select_option(vault)
        devtools = context.new_cdp_session(page)
        devtools.send("Performance.enable")

        def spent() -> tuple[float, float]:
            found = {one["name"]: one["value"] for one in devtools.send("Performance.getMetrics")["metrics"]}
            return found["ScriptDuration"], found["TaskDuration"]

        def took(act: Any) -> str:
            script, task = spent()
            with page.expect_response("**/pick/**"):
                act()
            page.wait_for_timeout(300)
            after = spent()
            return f"{1000 * (after[0] - script):.0f} ms of script, {1000 * (after[1] - task):.0f} ms with layout"

        opening = took(page.get_by_role("button", name="in the vault").click)
        typing = took(lambda: page.keyboard.type("9"))
        sorting = took(lambda: page.get_by_label("Sort by").select_option("-size"))
        browser.close()
    return [f"picker in Chromium, 10,000 files: opening {opening}; typing a filter {typing}; sorting {sorting}"]


def measure(site: installation.Installation, *, chromium: bool) -> list[str]:
    from django.conf import settings
    from django.test import Client

    settings.ALLOWED_HOSTS = ["*"]
    owner = installation.person("picker")
    client = Client()
    client.force_login(owner)
    lines = [line for entries in (1_000, 10_000, 100_000) for line in on_disk(client, owner, entries)]
    lines += in_a_bucket(client, owner, 10_000)
    if chromium:
        installation.machine("n1")
        installation.app("picked", file=True)
        lines += measure_page(site, owner, "disk-10000")
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--without-chromium", action="store_true")
    options = parser.parse_args()
    with installation.prepare() as prepared:
        print("\n".join(measure(prepared, chromium=not options.without_chromium)))
