"""The few threads in which the event loop's code asks the database: each gives its connection back at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import connections

T = TypeVar("T")
THREADS = 4
_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="streams")


async def in_thread(function: Callable[..., T], *args: Any) -> T:
    """What the function returns or raises. What waits afterwards holds no connection."""

    def work() -> T:
        try:
            return function(*args)
        finally:
            connections.close_all()  # back to the pool

    return await asyncio.get_running_loop().run_in_executor(_threads, work)
