"""The name of every address of the portal, as the URL resolver knows them."""

from __future__ import annotations

from collections.abc import Iterator

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
