"""Log lines: one line each, with the request's id, readable on a terminal and by machines, and without secrets.

JARVICE clients send their key in the address (docs/reference/jarvice-api.md), so that no query string is ever logged:
neither of an address that is served nor of one that was mistyped.
"""

from __future__ import annotations

import logging
import re
from collections.abc import MutableMapping
from typing import Any

import structlog

QUERY = re.compile(r"(?<=\?)[^\s\"']+")
TOKEN = re.compile(r"slw_[A-Za-z0-9_-]{8,}")
SERVERS = ("uvicorn.access", "uvicorn.error", "uvicorn.asgi")  # they log addresses with their query strings


class WithoutQuery(logging.Filter):
    """Leaves the query string out of the addresses that a server's own log lines hold."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(map(_without_query, record.args))
        return True


def _without_query(value: object) -> object:
    if isinstance(value, str):
        return QUERY.sub("...", value)
    if (
        isinstance(value, dict) and "query_string" in value
    ):  # a whole request, as a server's most talkative level logs it
        return {**value, "query_string": b"..."}
    return value


def scrub_servers() -> None:
    """The web server's loggers are its own, and set up before ours: each gets the filter, once."""
    for name in SERVERS:
        logger = logging.getLogger(name)
        if not any(isinstance(one, WithoutQuery) for one in logger.filters):
            logger.addFilter(WithoutQuery())


def without_tokens(logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog's step that shortens the text of a token, wherever it got into a line."""
    return {key: TOKEN.sub("slw_...", value) if isinstance(value, str) else value for key, value in event.items()}


def formatter() -> logging.Formatter:
    """structlog's formatter over the standard library's logging: key=value after the message."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            without_tokens,
            structlog.processors.LogfmtRenderer(
                key_order=["timestamp", "level", "logger", "event"], bool_as_flag=False
            ),
        ],
    )
