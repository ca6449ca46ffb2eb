"""APPS_DOMAIN: what is taken, and what the checks say of a domain that the portal is in."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from portal import env
from portal.checks import apps_domain


@pytest.mark.parametrize("text", ["apps.example.org", "localhost", "Apps.Example.org:8443", ""])
def test_a_domain_is_taken_in_small_letters(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("APPS_DOMAIN", text)
    assert env.domain("APPS_DOMAIN") == text.lower()


@pytest.mark.parametrize("text", ["https://apps.example.org", "*.example.org", "apps example", "a/b", "a:b", ".org"])
def test_what_is_no_domain_stops_the_process_with_what_is_allowed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("APPS_DOMAIN", text)
    with pytest.raises(ImproperlyConfigured, match=r"apps\.example\.org"):
        env.domain("APPS_DOMAIN")


@pytest.mark.parametrize(
    ("domain", "portal", "hosts", "found"),
    [
        ("apps.example.org", "https://portal.example.org", ["portal.example.org"], []),
        ("apps.example.org", "https://portal.apps.example.org", ["portal.apps.example.org"], ["portal.E004"]),
        ("example.org:8443", "https://portal.example.org", ["portal.example.org"], ["portal.E004"]),
        ("example.org", "https://example.org", ["example.org"], ["portal.W003"]),
        ("localhost", "http://localhost:8000", ["localhost"], []),
        ("", "https://portal.example.org", ["portal.example.org"], []),
    ],
)
def test_the_portal_and_the_apps_keep_apart(
    settings: Any, domain: str, portal: str, hosts: list[str], found: list[str]
) -> None:
    settings.APPS_DOMAIN, settings.PUBLIC_URL, settings.ALLOWED_HOSTS = domain, portal, hosts
    assert [one.id for one in apps_domain(None)] == found
