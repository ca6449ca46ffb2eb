"""What a client of a JARVICE sent, whichever way it sent it: query, form fields, or JSON under any content type."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from django.conf import settings
from django.core.exceptions import TooManyFieldsSent
from django.http import HttpRequest

from portal.api.parsers import read_json
from portal.errors import PortalError, TooLarge

# How form fields begin. No JSON text begins so, so that the content type, which clients set as they like, is not asked.
FIELDS = re.compile(rb"[A-Za-z0-9_.%+\[\]-]+=")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Parts of a submission that are objects: as a form field or in a query they come as JSON text.
OBJECTS = frozenset({"application", "container", "identity", "machine", "user", "vault"})
WHOLE = re.compile(r"[0-9]{1,18}")


def malformed(message: str) -> PortalError:
    return PortalError(message, code="malformed", status=400)


@dataclass(frozen=True)
class Call:
    """A request. `fields` is all that was sent by name, the body before the query; `raw` the body as it came."""

    request: HttpRequest
    fields: Mapping[str, Any]
    raw: bytes = b""

    def text(self, name: str, default: str = "") -> str:
        """The field as a text; a number or a boolean as it is written in JSON. Raises PortalError (400) for other types."""
        return text_of(self.fields.get(name), name, default)

    def whole(self, name: str, default: int) -> int:
        """The field as a whole number from 0 on. Raises PortalError (400) for anything else."""
        text = self.text(name).strip()
        if not text:
            return default
        if not WHOLE.fullmatch(text):
            raise malformed(f"'{name}' must be a whole number, and is '{text[:40]}'.")
        return int(text)

    def says(self, name: str, word: str = "true") -> bool:
        """Whether the field is exactly this word: JARVICE's flags count only as `true`, in small letters."""
        return self.text(name) == word


def text_of(value: Any, name: str, default: str = "") -> str:
    """A JSON scalar as a text. Raises PortalError (400) for lists, objects, and what no program or database can hold."""
    match value:
        case None:
            return default
        case str():
            found = value
        case bool():
            found = "true" if value else "false"
        case int() | float():
            found = str(value)
        case _:
            raise malformed(f"'{name}' must be a text.")
    if "\0" in found:
        raise malformed(f"'{name}' holds a NUL character. Send it without.")
    try:
        found.encode()
    except UnicodeEncodeError:
        raise malformed(f"'{name}' holds half of a surrogate pair, which is not a character.") from None
    return found


def read(request: HttpRequest, *, verbatim: bool = False) -> Call:
    """The call. With `verbatim` the body is not looked into. Raises PortalError (400, 413) for a body that can't be read."""
    try:
        fields: dict[str, Any] = dict(request.GET.items())
    except TooManyFieldsSent:
        raise _too_many() from None
    if request.method != "POST":
        return Call(request, _with_objects(fields))
    if (request.content_type or "").lower() == "multipart/form-data" and not verbatim:
        return Call(request, _with_objects(fields | request.POST.dict()))
    raw = _body(request)
    if verbatim:
        return Call(request, fields, raw)
    return Call(request, _with_objects(fields | _fields(raw)), raw)


def _body(request: HttpRequest) -> bytes:
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    raw = request.read(limit + 1)
    if len(raw) > limit:
        raise TooLarge(
            f"The body is longer than {limit // 2**20} MiB. Put large files into a vault, and name them here."
        )
    return raw.removeprefix(BYTE_ORDER_MARK)


def _fields(raw: bytes) -> dict[str, Any]:
    text = raw.strip()
    if not text:
        return {}
    if FIELDS.match(text):
        most = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
        try:
            return dict(parse_qsl(text.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=most))
        except ValueError:
            raise _too_many() from None
    value = read_json(raw)
    if not isinstance(value, dict):
        raise malformed("The body must be a JSON object.")
    return value


def _too_many() -> PortalError:
    return malformed(f"More than {settings.DATA_UPLOAD_MAX_NUMBER_FIELDS} fields were sent.")


def _with_objects(fields: dict[str, Any]) -> dict[str, Any]:
    """Objects that came as JSON text in a form field, as the objects they are."""
    found = {}
    for name, value in fields.items():
        if name in OBJECTS and isinstance(value, str) and value.lstrip().startswith("{"):
            value = read_json(value.encode("utf-8", "surrogatepass"))
        found[name] = value
    return found


def as_json(value: Any) -> str:
    """JSON text of an answer; characters beyond ASCII escaped, so that no client has to guess the encoding."""
    return json.dumps(value, separators=(",", ":"))
