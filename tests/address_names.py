"""The name of every address of the portal, as the URL resolver knows them, and a request to one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver


def names() -> list[str]:
    """The name of every address, with its namespace; the admin's aside, which are for staff alone."""
    return sorted({name for name in _walk(get_resolver().url_patterns) if not name.startswith("admin:")})


def admin_names() -> list[str]:
    return sorted({name for name in _walk(get_resolver().url_patterns) if name.startswith("admin:")})


def _walk(patterns: list[URLPattern | URLResolver], namespace: str = "") -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, pattern.namespace or namespace)
        else:
            assert pattern.name or namespace == "admin", f"{pattern.pattern} has no name"
            yield f"{namespace}:{pattern.name}" if namespace else str(pattern.name)


def send(client: Client, verb: str, address: str, **headers: str) -> Any:
    """A request with an empty body of the kind that the address takes."""
    if verb in ("GET", "HEAD"):
        return client.generic(verb, address, headers=headers)
    kind = "application/json" if address.startswith(("/api/", "/v1/")) else "application/x-www-form-urlencoded"
    if "/files/" in address and address.startswith("/api/"):
        kind = "application/octet-stream"
    return client.generic(
        verb, address, b"{}" if kind == "application/json" else b"", content_type=kind, headers=headers
    )
