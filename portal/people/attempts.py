"""Counting attempts in the cache that all web processes share, so that what fails too often, or costs too much, is refused."""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress

from django.core.cache import cache


def room_left(action: str, who: str, *, most: int, within_s: int) -> bool:
    """Count one more attempt; False once there were more than `most` in this window of `within_s` seconds.

    Two at the very same moment may count as one: a limit is there to bound, not to bill.
    """
    window = int(time.time()) // within_s
    digest = hashlib.sha256(who.encode("utf-8", "replace")).hexdigest()
    key = f"attempts:{action}:{window}:{digest}"
    if cache.add(key, 1, timeout=within_s):
        return most >= 1
    with suppress(ValueError):  # its time was over in this moment
        return int(cache.incr(key)) <= most
    return True
