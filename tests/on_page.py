"""Waiting for what a page shows, under the policy that the portal sends."""

from __future__ import annotations

import time
from typing import Any

from playwright.sync_api import Page

STEP_MS = 50


def until(page: Page, script: str, arg: object = None, *, within_s: float = 30.0) -> Any:
    """The first true answer of `script`, asked anew each 50 ms; fails after `within_s`, with the last answer.

    Playwright's own `wait_for_function` is not for pages like these: it asks the first time through the debugger, and
    each later time by `eval` within the page, which the policy forbids. It passes when the first answer is true and
    fails otherwise.
    """
    end = time.monotonic() + within_s
    while not (answer := page.evaluate(script, arg)):
        if time.monotonic() > end:
            raise AssertionError(f"Not true after {within_s:.0f} s (last answer: {answer!r}): {script}")
        page.wait_for_timeout(STEP_MS)
    return answer
