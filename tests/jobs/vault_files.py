"""Files in vaults, for tests: put one there, list what is there; their pages' addresses and words."""

from __future__ import annotations

import html
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from jobs import vaults
from jobs.models import Vault


def put(vault: Vault, path: str, content: bytes = b"x", *, replace: bool = False) -> None:
    vaults.save_file(vault, path, [content], replace=replace)


def names(vault: Vault, path: str = "", **asked: Any) -> list[str]:
    return [entry.name for entry in vaults.list_folder(vault, path, **asked).entries]


def at(view: str, vault: Vault | str = "home", **query: str) -> str:
    name = vault if isinstance(vault, str) else vault.name
    return reverse(f"jobs:{view}", args=[name]) + (f"?{urlencode(query)}" if query else "")


def said(response: Any) -> str:
    """The page's words, entities resolved."""
    return html.unescape(response.content.decode())
