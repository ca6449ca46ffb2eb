"""What the database tells: one LISTEN connection a process, and who waits for which topic.

A notice's payload is "<topic> <kind>". Notices are hints to look again: one that is lost costs a look round later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from django.db import connections
from psycopg import sql

logger = logging.getLogger(__name__)
EVERYTHING = "*"  # the kind told to all after a time without a connection: anything may have happened
CHECK_S = 30.0
BACKOFF_MAX_S = 15.0


class Watch:
    """One waiter. It holds no more than the few kinds that were told since it last looked, whatever their number."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._bell = asyncio.Event()

    def tell(self, kind: str) -> None:
        self._told.add(kind)
        self._bell.set()

    async def told(self) -> frozenset[str]:
        """The kinds told since the last call; waits until there is one."""
        await self._bell.wait()
        self._bell.clear()
        kinds, self._told = frozenset(self._told), set()
        return kinds


class Listener:
    """Hears one channel for all watches of this process. Starts with the first watch, reconnects by itself."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self._watches: dict[str, set[Watch]] = {}
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def watching(self, topic: str) -> Iterator[Watch]:
        watch = Watch()
        self._watches.setdefault(topic, set()).add(watch)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._listen())
        try:
            yield watch
        finally:
            self._watches[topic].discard(watch)
            if not self._watches[topic]:
                del self._watches[topic]

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _listen(self) -> None:
        backoff_s = 0.5
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(**_parameters(), autocommit=True)
                async with connection:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self.channel)))
                    backoff_s = 0.5
                    self._tell_all()
                    await self._hear(connection)
            except psycopg.Error as error:
                logger.warning(
                    "Live pages can't listen to the database (%s); trying again in %.1f s.", error, backoff_s
                )
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, BACKOFF_MAX_S)

    async def _hear(self, connection: psycopg.AsyncConnection[Any]) -> None:
        while True:
            async for notice in connection.notifies(timeout=CHECK_S):
                topic, _, kind = notice.payload.partition(" ")
                for watch in self._watches.get(topic, ()):
                    watch.tell(kind)
            await connection.execute("SELECT 1")  # a connection that died silently would else be silent for ever

    def _tell_all(self) -> None:
        for watches in self._watches.values():
            for watch in watches:
                watch.tell(EVERYTHING)


def _parameters() -> dict[str, Any]:
    known = connections["default"].settings_dict
    options = {key: value for key, value in known["OPTIONS"].items() if key != "pool"}
    named = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    return options | {name: known[key] for name, key in named.items() if known[key]}
