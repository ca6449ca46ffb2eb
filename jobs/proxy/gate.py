"""Who may come in: tickets, the passes they become, and asking again as long as something is open."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q
from django.db.models.functions import Now

from jobs.models import Endpoint, Job, Visit
from portal.people.models import User
from portal.people.sessions import user_of
from portal.threads import in_thread

logger = logging.getLogger(__name__)
TICKET_S = 60
VERDICT_S = 5.0  # how long a request is let through without asking again
RECHECK_S = 15.0  # how often it is asked again for what stays open
SEEN_S = 60
VERDICTS_MAX = 5000


class Refusal(Enum):
    STRANGER = "stranger"  # no pass, or not one for this origin, or the session behind it is over
    ENDED = "ended"  # a good pass for what has ended
    AWAY = "away"  # the database does not answer


@dataclass(frozen=True, eq=False)
class Admitted:
    """A pass that was good a moment ago, for the origin with this label."""

    label: str
    pass_text: str
    endpoint: Endpoint


def may_connect(user: User, job: Job) -> bool:
    """Its owner, and the team it is shared with. Operators see a job; what people do in its app is theirs alone."""
    return job.opens_to(user)


def ticket_for(user: User, session_key: str, endpoint: Endpoint) -> str:
    """A ticket: good once, for this endpoint, within a minute; what it opens lasts no longer than the session."""
    text = secrets.token_urlsafe(32)
    Visit.objects.create(
        endpoint=endpoint,
        user=user,
        session_key=session_key,
        ticket_hash=_hash(text),
        expires_at=Now() + timedelta(seconds=TICKET_S),
    )
    return text


def enter(label: str, ticket: str) -> tuple[Endpoint, str] | None:
    """Use a ticket up: the endpoint and the text of the pass. None for one that is unknown, used, too old or for elsewhere.

    A ticket that comes twice may have been stolen, and nobody can tell who had it first: so the pass it became ends.
    """
    text = secrets.token_urlsafe(32)
    with transaction.atomic():
        rows = Visit.objects.filter(ticket_hash=_hash(ticket))
        fresh = rows.filter(entered_at=None, expires_at__gt=Now(), endpoint__label=label)
        if fresh.update(entered_at=Now(), seen_at=Now(), pass_hash=_hash(text)):
            return rows.select_related("endpoint").get().endpoint, text
        rows.exclude(entered_at=None).update(pass_hash=None)
    return None


def judge(label: str, pass_text: str) -> Admitted | Refusal:
    """Whether this pass opens this origin now. Runs in a thread."""
    try:
        visit = (
            Visit.objects.select_related("endpoint__job")
            .defer("endpoint__job__plan", "endpoint__job__parameters")
            .filter(pass_hash=_hash(pass_text), endpoint__label=label)
            .first()
        )
        if visit is None:
            return Refusal.STRANGER
        user = user_of(visit.session_key)
        if user is None or user.pk != visit.user_id or not may_connect(user, visit.endpoint.job):
            return Refusal.STRANGER
        if visit.endpoint.state == Endpoint.State.CLOSED:
            return Refusal.ENDED
        stale = Q(seen_at=None) | Q(seen_at__lt=Now() - timedelta(seconds=SEEN_S))
        Visit.objects.filter(stale, pk=visit.pk).update(seen_at=Now())
    except (OperationalError, InterfaceError):
        return Refusal.AWAY
    return Admitted(label, pass_text, visit.endpoint)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass
class _Stays:
    """What is open by one pass, and how each is ended."""

    label: str
    pass_text: str
    endings: set[Callable[[], None]] = field(default_factory=set)


class Gate:
    """The verdicts of this process, and the one task that asks again about all that is open."""

    def __init__(self) -> None:
        self._verdicts: OrderedDict[tuple[str, str], tuple[float, Admitted | Refusal]] = OrderedDict()
        self._stays: dict[tuple[str, str], _Stays] = {}
        self._asking: asyncio.Task[None] | None = None

    async def admitted(self, label: str, pass_text: str) -> Admitted | Refusal:
        key = (label, _hash(pass_text))
        known = self._verdicts.get(key)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        return await self._ask(key, label, pass_text)

    async def admitted_still(self, known: Admitted) -> Admitted | Refusal:
        """As `admitted`, whatever was the verdict a moment ago."""
        return await self._ask((known.label, _hash(known.pass_text)), known.label, known.pass_text)

    async def _ask(self, key: tuple[str, str], label: str, pass_text: str) -> Admitted | Refusal:
        verdict = await in_thread(judge, label, pass_text)
        if isinstance(verdict, Admitted):
            self._verdicts[key] = (time.monotonic() + VERDICT_S, verdict)
            self._verdicts.move_to_end(key)
            while len(self._verdicts) > VERDICTS_MAX:
                self._verdicts.popitem(last=False)
        else:
            self._verdicts.pop(key, None)
        return verdict

    @contextmanager
    def staying(self, known: Admitted, end: Callable[[], None]) -> Iterator[None]:
        """While the context is open it is asked again whether the pass is good; `end` is called once it is not."""
        key = (known.label, _hash(known.pass_text))
        stays = self._stays.setdefault(key, _Stays(known.label, known.pass_text))
        stays.endings.add(end)
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(self._ask_again())
        try:
            yield
        finally:
            stays.endings.discard(end)
            if not stays.endings and self._stays.get(key) is stays:
                del self._stays[key]

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _ask_again(self) -> None:
        while self._stays:
            await asyncio.sleep(RECHECK_S)
            for key, stays in tuple(self._stays.items()):
                try:
                    verdict = await self._ask(key, stays.label, stays.pass_text)
                except Exception:  # a fault in one must not leave all others open unasked
                    logger.exception("Whether a pass to %s is still good could not be told.", stays.label)
                    continue
                if verdict in (Refusal.STRANGER, Refusal.ENDED):
                    for end in tuple(stays.endings):
                        end()
