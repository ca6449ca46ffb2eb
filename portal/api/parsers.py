"""The one reader of request bodies: strict JSON, bounded in size and depth, with the place of a fault."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.conf import settings
from rest_framework.parsers import BaseParser

from portal.errors import PortalError, TooLarge
from portal.nesting import deeper_than

MAX_DEPTH = 32
MAX_DIGITS = 300


class _Refused(ValueError):
    """Raised inside the reader for what Python's JSON takes and we do not."""


class StrictJSONParser(BaseParser):
    """JSON as RFC 8259 means it: UTF-8, no NaN, no key twice, at most MAX_DEPTH levels and BODY_LIMIT_MIB."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        raw: bytes = stream.read(limit + 1)
        if len(raw) > limit:
            raise TooLarge(f"The body is longer than {limit // 2**20} MiB. Send files as uploads, and name them here.")
        return read_json(raw)


def read_json(raw: bytes) -> Any:
    """The value of a JSON text. Raises PortalError (400, `not_json`) with line and column, where they are known."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as fault:
        _refuse(f"The body is not UTF-8 (byte {fault.start + 1}).")
    try:
        value = json.loads(text, object_pairs_hook=_pairs, parse_constant=_constant, parse_int=_integer)
    except json.JSONDecodeError as fault:
        _refuse(f"The body is not JSON. Line {fault.lineno}, column {fault.colno}: {fault.msg}.")
    except _Refused as fault:
        _refuse(str(fault))
    except RecursionError:
        _refuse(f"The body is nested more than {MAX_DEPTH} levels deep.")
    if deeper_than(value, MAX_DEPTH):
        _refuse(f"The body is nested more than {MAX_DEPTH} levels deep.")
    return value


def _refuse(message: str) -> NoReturn:
    raise PortalError(message, code="not_json", status=400) from None


def _pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in items:
        if key in found:
            raise _Refused(f"The key {key[:80]!r} is there twice in one object. Keep one of the two.")
        found[key] = value
    return found


def _constant(token: str) -> NoReturn:
    raise _Refused(f"{token} is not a JSON value. Use a number, or null.")


def _integer(token: str) -> int:
    if len(token) > MAX_DIGITS:
        raise _Refused(f"A number has more than {MAX_DIGITS} digits.")
    return int(token)
