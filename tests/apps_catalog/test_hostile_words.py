"""S9: whatever an author writes is text on every page of the catalog and the curate area."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps_catalog import services
from portal.people.models import User
from tests.apps_catalog.drafts import IMAGE

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
HOSTILE = (
    "\"><script>alert(1)</script><img src=x onerror=alert(2)>'`{{7*7}}</textarea></title>javascript:\u202e🚀&lt;b&gt;"
)
KEY = "-k\"'><svg/onload=alert(3)>"
TYPES = ("CONST", "STR", "INT", "RANGE", "FLOAT", "BOOL", "selection", "FILE", "UPLOAD")


def hostile_appdef() -> dict[str, Any]:
    """Every string of the definition that is free to choose is hostile."""
    parameters: dict[str, Any] = {
        f"{KEY}{kind}": {
            "name": HOSTILE,
            "description": HOSTILE,
            "type": kind,
            "required": False,
            "value": HOSTILE if kind in ("CONST", "STR") else 3,
            "min": 1,
            "max": 9,
            "step": 1,
            "precision": 2,
            "values": [HOSTILE, "b"],
            "mvalues": [HOSTILE, "c"],
            "filter": HOSTILE,
            "target": "x.json",
            HOSTILE: HOSTILE,
        }
        for kind in TYPES
    }
    parameters[f"{KEY}selection"]["value"] = HOSTILE
    parameters[f"{KEY}BOOL"]["value"] = True
    parameters[f"{KEY}FILE"]["value"] = ""
    command = {"path": "/bin/x", "name": HOSTILE, "description": HOSTILE, "parameters": parameters, HOSTILE: HOSTILE}
    return {
        "name": HOSTILE,
        "description": HOSTILE,
        "author": HOSTILE,
        "licensed": True,
        "classifications": [HOSTILE, f"A/{HOSTILE}"],
        "machines": [HOSTILE],
        "vault-types": ["FILE"],
        "image": {"type": "image/svg+xml", "data": HOSTILE},
        "commands": {KEY: command, f"{KEY}2": command},
        HOSTILE: HOSTILE,
    }


class Active(HTMLParser):
    """Collects what could run: script elements with words in them, event attributes, script addresses, styles."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.in_script = tag == "script"
        for name, value in attrs:
            if name.startswith("on") or name == "style" or (value or "").strip().lower().startswith("javascript:"):
                self.found.append(f"<{tag} {name}={value!r}>")
            if tag in ("img", "iframe", "object", "embed") and name == "src" and not (value or "").startswith("/"):
                self.found.append(f"<{tag} {name}={value!r}>")
        if tag in ("style", "iframe", "object", "embed", "base"):
            self.found.append(f"<{tag}>")

    def handle_data(self, data: str) -> None:
        if self.in_script and data.strip():
            self.found.append(data)

    def handle_endtag(self, tag: str) -> None:
        self.in_script = False


def active_in(page: str) -> list[str]:
    parser = Active()
    parser.feed(page)
    return parser.found


def test_the_detector_detects() -> None:
    assert active_in("<script>alert(1)</script>")
    assert active_in("<img src=x onerror=alert(2)>")
    assert not active_in('<script src="/static/x.js"></script><p>onerror=</p>')


@pytest.fixture
def pages(curator: User) -> list[str]:
    """Every page that shows anything of the hostile app, as a curator, who sees most."""
    text = json.dumps(hostile_appdef(), indent=1)
    imported = services.import_definition(text=text, actor=curator, image=IMAGE)
    assert imported.version is not None, imported.reading.findings
    services.publish(version=imported.version, actor=curator)
    app = imported.version.app
    client = Client()
    client.force_login(curator)
    curate = imported.version.get_curate_url()
    shown = [
        client.get("/"),
        client.get("/", {"q": "script"}),
        client.get("/", {"q": HOSTILE, "category": HOSTILE}),
        client.get("/", {"category": HOSTILE}),
        client.get("/", {"category": "A", "sort": HOSTILE, "page": HOSTILE}),
        client.get(app.get_absolute_url()),
        client.get(app.get_absolute_url(), {"api": f"{KEY}2"}),
        client.get("/curate/"),
        client.get("/curate/", {"q": HOSTILE, "state": HOSTILE}),
        client.get("/curate/import/", {"app": HOSTILE}),
        client.get(curate),
        client.post("/curate/import/check/", {"definition": text}),
        client.post("/curate/import/check/", {"definition": HOSTILE}),
        client.post("/curate/import/", {"definition": HOSTILE, "label": HOSTILE, "slug": HOSTILE, "image": HOSTILE}),
        client.post("/curate/import/", {"definition": text[:-3] + HOSTILE}),
        client.post("/curate/import/", {"definition": text, "label": HOSTILE}),
        client.post(f"{curate}image/", {"image": HOSTILE}),
        client.post(f"{curate}settings/", {"visibility": HOSTILE, "teams": HOSTILE}),
        client.get(reverse("apps_catalog:app", args=["no-such-app"])),
    ]
    services.record_image(
        version_pk=imported.version.pk,
        image=imported.version.image,
        pinned=HOSTILE,
        state="missing",
        message=HOSTILE,
    )
    shown += [client.get("/"), client.get(app.get_absolute_url()), client.get(curate)]
    assert all(response.status_code < 500 for response in shown)
    return [response.content.decode() for response in shown]


def test_nothing_an_author_writes_runs(pages: list[str]) -> None:
    for page in pages:
        assert active_in(page) == []


def test_what_an_author_writes_is_still_shown(pages: list[str]) -> None:
    assert all("alert(1)" in page for page in (pages[0], pages[5], pages[10]))
    assert not any(re.search(r"<script>alert", page) for page in pages)
