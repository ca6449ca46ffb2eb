"""What every page shares: template tags, vendored files, error pages."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.utils import timezone

from portal import error_pages
from portal.people.models import User
from portal.templatetags import portal_ui

STATIC = Path(settings.BASE_DIR) / "static"


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(seconds=-3), "just now"),
        (timedelta(seconds=50), "1 min ago"),
        (timedelta(minutes=5), "5 min ago"),
        (timedelta(hours=-3, seconds=-1), "in 3 h"),
        (timedelta(days=2), "2 d ago"),
    ],
)
def test_times_are_relative(ago: timedelta, words: str) -> None:
    assert portal_ui.reltime(timezone.now() - ago) == words


def test_long_ago_is_a_date() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", portal_ui.reltime(timezone.now() - timedelta(days=40)))


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (None, ""),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (12 * 2**20, "12 MiB"),
        (5 * 2**50, "5.0 PiB"),
    ],
)
def test_sizes_are_binary(size: int | None, words: str) -> None:
    assert portal_ui.binsize(size) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0, "0 s"),
        (0.42, "0.4 s"),
        (12, "12 s"),
        (185, "3 min 5 s"),
        (7800, "2 h 10 min"),
        (273_600, "3 d 4 h"),
    ],
)
def test_durations_read_well(seconds: float | None, words: str) -> None:
    assert portal_ui.duration(seconds) == words


def test_vendored_files_are_those_listed() -> None:
    listed = set()
    for line in (STATIC / "vendor/VERSIONS").read_text().splitlines():
        if line.startswith("#"):
            continue
        name, _package, _version, _licence, digest = line.split()
        path = (STATIC / "vendor" / name).resolve()
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest, name
        listed.add(path)
    there = {path for path in (STATIC / "vendor").rglob("*") if path.is_file() and not path.name.startswith("LICENSE")}
    assert there - listed == {STATIC / "vendor/VERSIONS"}


def test_static_files_name_no_source_maps() -> None:
    for path in STATIC.rglob("*.*s"):
        assert "sourceMappingURL" not in path.read_text(), path


def test_every_icon_that_templates_name_is_in_the_sprite() -> None:
    sprite = set(re.findall(r'<symbol id="([\w-]+)"', (STATIC / "portal/icons.svg").read_text()))
    named = set()
    for template in (Path(settings.BASE_DIR) / "templates").rglob("*.html"):
        named |= set(re.findall(r'{%\s*icon "([\w-]+)"', template.read_text()))
    for script in [*STATIC.glob("portal/*.js"), *STATIC.glob("jobs/*.js"), *STATIC.glob("apps_catalog/*.js")]:
        named |= set(re.findall(r'\bicon\("([\w-]+)"\)', script.read_text()))
    assert named - sprite == set()


# What the proxy itself says on an app's origin, which has no address for a sheet of ours. Its policy allows no style but this
# sheet, by the hash of its text: tests/jobs/test_proxy_notices.py holds the two together.
NOTICE = Path("templates/jobs/proxy_notice.html")


def test_pages_carry_no_inline_script_or_style() -> None:
    for template in (Path(settings.BASE_DIR) / "templates").rglob("*.html"):
        text = template.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", text), template
        if template.relative_to(settings.BASE_DIR) == NOTICE:
            text = text.replace("<style>{{ style|safe }}</style>", "")
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=\"", text), template


def test_menu_shows_each_person_their_rooms(owner: User, curator: User, operator: User) -> None:
    def labels(person: User) -> list[str]:
        request = RequestFactory().get("/jobs/")
        request.user = person
        return [item.label for item in portal_ui.navigation(request)]

    assert labels(owner) == ["Catalog", "Jobs", "Templates", "Files"]
    assert labels(curator) == ["Catalog", "Jobs", "Templates", "Files", "Curate"]
    assert labels(operator) == ["Catalog", "Jobs", "Templates", "Files", "Hosts"]


def test_the_room_one_is_in_is_marked_and_none_on_pages_that_are_in_none(owner: User) -> None:
    def current(path: str) -> list[str]:
        request = RequestFactory().get(path)
        request.user = owner
        return [item.label for item in portal_ui.navigation(request) if item.current]

    assert current("/") == current("/apps/pi/launch/") == ["Catalog"]
    assert current("/jobs/7/log/") == ["Jobs"]
    assert current("/account/secrets/") == []


def test_unknown_page_looks_like_the_product(client: Client, owner: User) -> None:
    client.force_login(owner)
    answer = client.get("/nowhere/at/all/")
    assert answer.status_code == 404
    assert "Nothing is here" in answer.content.decode()


def test_csrf_failure_says_what_to_do(owner: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    answer = client.post("/account/", {})
    assert answer.status_code == 403
    assert "Nothing was sent" in answer.content.decode()


def test_a_bug_shows_the_request_id_and_asks_nothing_of_the_database() -> None:
    request = RequestFactory().get("/")
    request.META["REQUEST_ID"] = "abc123"
    answer = error_pages.server_error(request)  # no database is allowed in this test
    assert answer.status_code == 500
    assert "abc123" in answer.content.decode()


def test_a_database_that_is_away_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError

    try:
        raise OperationalError("gone")
    except OperationalError:
        answer = error_pages.server_error(RequestFactory().get("/"))
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"


def test_words_of_people_are_escaped_in_shared_parts() -> None:
    class Fault:
        pointer, code, message = "/<i>", "x", "<script>alert(1)</script>"

    class Refused:
        message, status, faults = "<script>alert(1)</script>", 422, (Fault(),)

    page = Template('{% include "portal/_error.html" %}').render(Context({"error": Refused()}))
    assert "<script>" not in page


def test_field_ties_label_help_and_error_together() -> None:
    from portal.people.forms import TokenForm

    form = TokenForm({}, user=User(username="x"))
    form.is_valid()
    page = Template('{% for field in form %}{% include "portal/_field.html" %}{% endfor %}').render(
        Context({"form": form})
    )
    assert 'aria-describedby="id_name_helptext id_name_error"' in page
    assert 'id="id_name_error"' in page
    assert 'for="id_name"' in page


def headers_of(client: Client, path: str) -> Any:
    return client.get(path).headers


def test_pages_carry_the_security_headers(client: Client, db: None) -> None:
    headers = headers_of(client, "/accounts/login/")
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
