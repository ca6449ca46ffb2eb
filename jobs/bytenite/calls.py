"""What a client of ByteNite sent: a JSON object under any content type, with keys in camelCase or snake_case."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from apps_catalog.launch.document import text_fault
from portal.api.parsers import read_json
from portal.errors import PortalError, TooLarge
from portal.people.models import ApiToken, User

WHOLE = re.compile(r"[0-9]{1,18}")
_HUMP = re.compile(r"(?<=[a-z0-9])([A-Z])")
PAGE, PAGE_MAX = 20, 500


def malformed(message: str) -> PortalError:
    return PortalError(message, code="malformed", status=400)


def snake(name: str) -> str:
    """ "dataSource" and "data_source" are one key, "@type" stays."""
    return _HUMP.sub(r"_\1", name).lower().replace("-", "_")


def plain(given: Any, name: str) -> dict[str, Any]:
    """An object with its own keys (not those below) in snake_case. Raises PortalError (400) for anything else; null is {}."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise malformed(f"'{name}' must be a JSON object.")
    return {snake(str(key)): value for key, value in given.items()}


def _text_fault(value: Any, at: str = "") -> str:
    """Which text of a body, a key or a value, no program or database can hold, and why; "" for none."""
    inside: list[tuple[str, Any]]
    match value:
        case str() if fault := text_fault(value):
            place = at.encode("ascii", "backslashreplace").decode().replace("\0", "\\0")[:200]
            return f"'{place or 'body'}' {fault}."
        case dict():
            inside = [(f"{at}.{key}".lstrip("."), one) for key, found in value.items() for one in (key, found)]
        case list():
            inside = [(f"{at}[{index}]", one) for index, one in enumerate(value)]
        case _:
            return ""
    return next(filter(None, (_text_fault(one, place) for place, one in inside)), "")


@dataclass(frozen=True)
class Call:
    """A request. `fields` is the body's object with its own keys in snake_case; `named` what the address names."""

    request: HttpRequest
    fields: Mapping[str, Any] = field(default_factory=dict)
    named: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str, *, required: bool = False) -> str:
        """A text; "" where it is null or not there. Raises PortalError (400)."""
        value = self.fields.get(name)
        if value is None and not required:
            return ""
        if not isinstance(value, str) or (required and not value):
            raise malformed(f"'{name}' must be a text{' that is not empty' if required else ''}.")
        return value

    def words(self, name: str) -> list[str]:
        """A list of texts; [] where it is not there."""
        value = self.fields.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise malformed(f"'{name}' must be a list of texts.")
        return value

    def window(self) -> tuple[int, int]:
        """(offset, limit), from `pagination.offset` and `pagination.limit` of the query, or `pagination` of the body."""
        body = plain(self.fields.get("pagination"), "pagination")
        offset = self._whole("offset", body, 0)
        return offset, min(self._whole("limit", body, PAGE) or PAGE, PAGE_MAX)

    def asked(self, name: str) -> str:
        """What the query says, else the body."""
        found = self.request.GET.get(name) or self.request.GET.get(snake(name))
        return found if found is not None else self.text(snake(name))

    def _whole(self, name: str, body: Mapping[str, Any], default: int) -> int:
        query = self.request.GET
        value = query.get(f"pagination.{name}", query.get(name, body.get(name, default)))
        text = str(value).strip()
        if isinstance(value, bool) or not WHOLE.fullmatch(text):
            raise malformed(f"'pagination.{name}' must be a whole number from 0 on, and is '{text[:40]}'.")
        return int(text)


@dataclass(frozen=True)
class Caller:
    """Who calls: a person, narrowed to the scopes of the API key that the access token stands for."""

    user: User
    key: ApiToken


def read(request: HttpRequest, named: Mapping[str, str], limit: int | None = None) -> Call:
    """The call. Raises PortalError: 400 for a body that is no JSON object, 413 for one that is too long."""
    if any("\0" in value for value in named.values()):
        raise malformed("Nothing has a NUL character in its name.")
    if request.method in ("GET", "HEAD", "DELETE"):
        return Call(request, {}, named)
    most = limit or settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    raw = request.read(most + 1)
    if len(raw) > most:
        raise TooLarge(f"The body is longer than {most // 2**20} MiB.")
    value = read_json(raw) if raw.strip() else {}
    if not isinstance(value, dict):
        raise malformed("The body must be a JSON object.")
    if fault := _text_fault(value):
        raise malformed(fault)
    return Call(request, plain(value, "body"), named)
