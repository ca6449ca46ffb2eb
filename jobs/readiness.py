"""Whether what jobs serve answers: the kernel is asked once a second which ports of a container listen, the engine never.

Rows are written only when something changes, and each change is an event, so that pages hear of it.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from django.db import transaction

from jobs import endpoints
from jobs.events import notify, record
from jobs.models import Endpoint
from jobs.relay import namespaces
from jobs.relay.handshake import Refused
from jobs.runtimes.base import Runtime
from jobs.tended import Tended
from portal.doorbell import chore

logger = logging.getLogger(__name__)
SILENT_LOOKS = 3  # so many looks in a row without an answer: a server that starts itself anew is not said to be gone
OTHERS_AFTER_LOOKS = 10
OTHERS_MAX = 20
AGAIN_S = 10.0
READY = "ready"  # of Endpoint.mail_due
Listening = Callable[[Tended], frozenset[int] | None]


class Ears:
    """Listens at the network namespaces of containers. Descriptors stay open while their attempt is tended."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._namespaces: dict[str, int] = {}
        self._again_at: dict[str, float] = {}  # where it could not be told: the engine is not asked every second

    def __call__(self, tended: Tended) -> frozenset[int] | None:
        """The TCP ports that answer on the container's loopback; None where that can't be told (now)."""
        name = tended.attempt.name
        if tended.handle is None or time.monotonic() < self._again_at.get(name, 0):
            return None
        try:
            if name not in self._namespaces:
                self._namespaces[name] = namespaces.of_container(self._runtime, tended.handle)
            return namespaces.listening_within(self._namespaces[name])
        except Refused as refusal:
            logger.info("What %s listens on can't be told now: %s", name, refusal)
            self._again_at[name] = time.monotonic() + AGAIN_S
            return None

    def keep(self, names: Iterable[str]) -> None:
        """Let go of all other attempts."""
        kept = set(names)
        for name in self._namespaces.keys() - kept:
            os.close(self._namespaces.pop(name))
        for name in self._again_at.keys() - kept:
            del self._again_at[name]


@dataclass
class _Watched:
    """The endpoints of an attempt as this process knows them, and for how many looks each has been as it is."""

    endpoints: list[Endpoint]
    looks: dict[int, int] = field(default_factory=dict)


class Readiness:
    """The endpoints of all attempts that a process tends. `look` is called by one thread, once a second."""

    def __init__(self, listening: Listening) -> None:
        self.listening = listening
        self._watched: dict[int, _Watched] = {}

    def look(self, tending: Iterable[Tended]) -> None:
        serving = {t.attempt.pk: t for t in tending if t.handle is not None and t.job.plan.get("connect")}
        for pk in self._watched.keys() - serving.keys():
            del self._watched[pk]
        for pk, tended in serving.items():
            watched = self._watched.get(pk)
            if watched is None:
                rows = Endpoint.objects.live().filter(attempt_id=pk, port__isnull=False)
                watched = self._watched[pk] = _Watched(list(rows))
            if watched.endpoints and (ports := self.listening(tended)) is not None:
                for endpoint in watched.endpoints:
                    self._judge(tended, watched, endpoint, ports)

    def _judge(self, tended: Tended, watched: _Watched, endpoint: Endpoint, ports: frozenset[int]) -> None:
        answers, waiting = endpoint.port in ports, endpoint.state == Endpoint.State.WAITING
        looks = watched.looks.get(endpoint.pk, 0) + 1
        watched.looks[endpoint.pk] = 0 if answers else looks
        if answers and waiting:
            opened(endpoint, mail=tended.job.notify)
        elif not answers and not waiting and looks >= SILENT_LOOKS:
            fell_silent(endpoint)
        elif not answers and waiting and looks >= OTHERS_AFTER_LOOKS:
            listens_elsewhere(endpoint, sorted(ports)[:OTHERS_MAX])


def opened(endpoint: Endpoint, *, mail: bool = False) -> None:
    """It answers: say so, and by mail where its owner asked for one and it is the first time."""
    again = endpoint.answered_at is not None
    with transaction.atomic():
        if endpoints.opened(endpoint):
            said = f"Port {endpoint.port} answers{' again' if again else ''}: you can connect."
            record(endpoint.job_id, "ready", said)
            if mail and not again:
                Endpoint.objects.filter(pk=endpoint.pk).update(mail_due=READY)
                chore("mail_about_app", endpoint.pk)
    endpoint.refresh_from_db()


def fell_silent(endpoint: Endpoint) -> None:
    with transaction.atomic():
        if endpoints.silent(endpoint):
            said = f"Port {endpoint.port} does not answer any more. The log may say why."
            record(endpoint.job_id, "silent", said)
    endpoint.refresh_from_db()


def listens_elsewhere(endpoint: Endpoint, others: list[int]) -> None:
    """Note the ports that do answer while the one that people are to be led to does not: once for each change."""
    if others == endpoint.other_ports:
        return
    rows = Endpoint.objects.filter(pk=endpoint.pk, state=Endpoint.State.WAITING)
    with transaction.atomic():
        if rows.update(other_ports=others):
            notify(endpoint.job_id, "state")
    endpoint.other_ports = others
