"""Ringing doorbells: messages that say "look at your table", never what to do.

A lost, late, doubled or wiped message costs a second, never a job; so a broker that is away is logged and passed over.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import dramatiq
from django.conf import settings
from django.db import transaction

logger = logging.getLogger(__name__)
CONTROL_QUEUE = "control"


def ring(queues: Iterable[str], machine_type: str) -> None:
    """After the commit, wake the slots of `machine_type` on these hosts' queues."""
    for queue in queues:
        _after_commit(queue, "wake", (machine_type,))


def chore(actor: str, *args: Any) -> None:
    """After the commit, ask any worker to do a short chore (mail, image look-up) by its actor's name."""
    _after_commit(CONTROL_QUEUE, actor, args)


def _after_commit(queue: str, actor: str, args: tuple[Any, ...]) -> None:
    transaction.on_commit(lambda: _send(queue, actor, args), robust=True)


def _send(queue: str, actor: str, args: tuple[Any, ...]) -> None:
    from portal.broker import broker

    if settings.BROKER_URL == "none":
        return
    message: dramatiq.Message[Any] = dramatiq.Message(
        queue_name=queue, actor_name=actor, args=args, kwargs={}, options={}
    )
    try:
        target = broker()
        target.declare_queue(queue)
        target.enqueue(message)
    except Exception:  # noqa: BLE001
        # Any broker's any fault: the rows are written, and every worker looks round once a second by itself.
        logger.warning("The broker did not take a message for %s; workers will find the work by themselves.", queue)
