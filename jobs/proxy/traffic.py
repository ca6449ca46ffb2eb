"""When somebody last used an endpoint, told to the database now and then: idle apps are stopped by it."""

from __future__ import annotations

import asyncio
import logging
import time

from django.db import Error
from django.db.models.functions import Now

from jobs.models import Endpoint
from portal.threads import in_thread

logger = logging.getLogger(__name__)
TRAFFIC_S = 30.0
KNOWN_MAX = 5000


class Traffic:
    """`moved` costs a look into a dict, but once in TRAFFIC_S for an endpoint, when its row is written."""

    def __init__(self) -> None:
        self._told_at: dict[int, float] = {}
        self._writing: set[asyncio.Task[None]] = set()

    def moved(self, endpoint_id: int) -> None:
        """A request came in, or a message went either way."""
        now = time.monotonic()
        if now - self._told_at.get(endpoint_id, -TRAFFIC_S) < TRAFFIC_S:
            return
        if len(self._told_at) >= KNOWN_MAX:
            self._told_at.clear()
        self._told_at[endpoint_id] = now
        task = asyncio.get_running_loop().create_task(self._tell(endpoint_id))
        self._writing.add(task)  # the loop itself would let go of it
        task.add_done_callback(self._writing.discard)

    async def _tell(self, endpoint_id: int) -> None:
        try:
            await in_thread(_write, endpoint_id)
        except Error as error:
            self._told_at.pop(endpoint_id, None)
            logger.warning("The traffic of an app could not be noted: %s", error)


def _write(endpoint_id: int) -> None:
    Endpoint.objects.filter(pk=endpoint_id).update(last_traffic_at=Now())
