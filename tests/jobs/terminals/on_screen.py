"""A terminal as it is in a browser's page: what xterm.js draws, what is typed into it, and what is said beside it."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

LIVE_MS = 30_000


def shown(page: Page) -> str:
    """What stands on the screen: the lines that xterm.js draws."""
    return str(page.locator(".xterm-rows").inner_text())


def sees(page: Page, text: str) -> None:
    expect(page.locator(".xterm-rows")).to_contain_text(text, timeout=LIVE_MS)


def types(page: Page, line: str) -> None:
    page.locator(".xterm-helper-textarea").focus()
    page.keyboard.type(line + "\n")


def status(page: Page, words: str) -> None:
    expect(page.locator("[data-terminal-status]")).to_have_text(re.compile(words), timeout=LIVE_MS)
