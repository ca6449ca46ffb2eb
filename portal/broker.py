"""The Dramatiq broker, by BROKER_URL. Messages are only doorbells, so any broker serves, or none."""

from __future__ import annotations

from functools import cache
from typing import Any

import dramatiq
from django.conf import settings
from django.db import connection
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import AgeLimit, Callbacks, Middleware, Retries, ShutdownNotifications, TimeLimit
from dramatiq_postgres import PostgresBroker
from dramatiq_postgres.broker import QUERIES
from dramatiq_postgres.schema import generate_init_sql
from dramatiq_postgres.utils import tidy4json
from psycopg.types.json import Json

SCHEMA_SQL: str = generate_init_sql()


class DatabaseBroker(PostgresBroker):  # type: ignore[misc]
    """dramatiq-postgres that enqueues on Django's own connection: a web process needs no second pool for it."""

    def enqueue(self, message: dramatiq.Message[Any], *, delay: int | None = None) -> dramatiq.Message[Any]:
        if delay:
            return super().enqueue(message, delay=delay)  # type: ignore[no-any-return]
        self.emit_before("enqueue", message, delay)
        with connection.cursor() as cursor:
            row: Any = (message.queue_name, message.message_id, Json(tidy4json(message)), 0)
            cursor.execute(QUERIES.ENQUEUE, row)
        self.emit_after("enqueue", message, delay)
        return message


def middleware() -> list[Middleware]:
    return [AgeLimit(max_age=3_600_000), TimeLimit(), ShutdownNotifications(), Callbacks(), Retries(max_retries=3)]


@cache
def broker() -> dramatiq.Broker:
    """The process's broker, set as Dramatiq's global one. Actors bind to it at import: call this first."""
    url = settings.BROKER_URL
    made: dramatiq.Broker
    if url == "postgres":
        made = DatabaseBroker(
            url=f"{settings.DATABASE_URL}{'&' if '?' in settings.DATABASE_URL else '?'}maxconn=6",  # four consumers (two queues, each with its delays), a listener, one for acknowledging
            results=False,
            middleware=middleware(),
            purge_maxage="1 day",
        )
    elif url.startswith(("redis://", "rediss://")):
        from dramatiq.brokers.redis import RedisBroker

        made = RedisBroker(url=url, middleware=middleware())  # type: ignore[no-untyped-call]
    elif url.startswith(("amqp://", "amqps://")):
        from dramatiq.brokers.rabbitmq import RabbitmqBroker

        made = RabbitmqBroker(url=url, middleware=middleware(), confirm_delivery=True)
    else:
        made = StubBroker(middleware=middleware())
    dramatiq.set_broker(made)
    return made
