"""Dramatiq actors: short chores and doorbells, a few lines each. Only the worker command imports this module."""

from __future__ import annotations

import dramatiq

from jobs import chores
from jobs.serving import serving
from portal.broker import broker
from portal.doorbell import CONTROL_QUEUE

dramatiq.set_broker(broker())


@dramatiq.actor(queue_name=CONTROL_QUEUE, max_retries=0, time_limit=10_000)
def wake(machine_type: str) -> None:
    """A doorbell: it arrives on a host's own queue."""
    if (slots := serving()) is not None:
        slots.wake(machine_type)


@dramatiq.actor(queue_name=CONTROL_QUEUE, max_retries=3, time_limit=1_800_000)
def look_up_image(version_pk: int) -> None:
    if (slots := serving()) is not None:
        chores.look_up_image(version_pk, slots.runtime)


@dramatiq.actor(queue_name=CONTROL_QUEUE, max_retries=3, time_limit=3_000_000)
def read_image(pk: int) -> None:
    if (slots := serving()) is not None:
        chores.read_image(pk, slots.runtime)


@dramatiq.actor(queue_name=CONTROL_QUEUE, max_retries=5, time_limit=120_000)
def mail_finished(job_number: int) -> None:
    chores.mail_finished(job_number)


@dramatiq.actor(queue_name=CONTROL_QUEUE, max_retries=5, time_limit=120_000)
def mail_about_app(endpoint_pk: int) -> None:
    chores.mail_about_app(endpoint_pk)
