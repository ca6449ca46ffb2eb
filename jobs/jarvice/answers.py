"""How the door answers: exactly 200 with bare `application/json` or `text/plain`, or a status with {"error": text}.

No answer names a charset: a client that is in use compares the content type word for word.
"""

from __future__ import annotations

import codecs
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from jobs.jarvice.calls import Call, as_json, read
from jobs.jarvice.credentials import caller
from portal.api.problems import AWAY
from portal.api.views import unknown
from portal.downloads import Streamed
from portal.errors import FaultLike, PortalError
from portal.people.models import User

logger = logging.getLogger(__name__)
JSON, TEXT = "application/json", "text/plain"
FAULTS_TOLD = 20
# Where in a JARVICE submission the things are that our faults point to.
PLACES = {
    "/command": "application.command",
    "/walltime_s": "application.walltime",
    "/machine": "machine.type",
    "/nodes": "machine.nodes",
    "/vault": "vault.name",
    "/label": "job_label",
    "/project": "job_project",
}


def refused(status: int, message: str) -> HttpResponse:
    return HttpResponse(as_json({"error": message}), status=status, content_type=JSON)


def text_answer(pieces: Iterable[bytes]) -> Streamed:
    """Text as it is in a log, sent in pieces. What is not UTF-8 is replaced: clients decode strictly."""
    return Streamed(_as_utf8(pieces), content_type=TEXT)


def _as_utf8(pieces: Iterable[bytes]) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for piece in pieces:
        yield decoder.decode(piece).encode()
    yield decoder.decode(b"", final=True).encode()


def explained(error: PortalError) -> str:
    """One readable text: the faults of a submission, each with the key it is at, or the message."""
    told = [f"{_place(fault)}: {fault.message}".rstrip(".") for fault in error.faults[:FAULTS_TOLD]]
    if not told:
        return error.message
    more = len(error.faults) - len(told)
    return "; ".join(told) + (f"; and {more} more" if more else "") + "."


def _place(fault: FaultLike) -> str:
    parameter = fault.pointer.removeprefix("/parameters/")
    if parameter != fault.pointer:
        return "application.parameters." + parameter.replace("~1", "/").replace("~0", "~")
    return PLACES.get(fault.pointer, fault.pointer.strip("/").replace("/", "."))


@dataclass(frozen=True)
class Endpoint:
    """One address of the door. `answer` gets the call and the person, and gives what is sent as JSON, or a response.

    `changes`: HEAD, which asks only what GET would say, is refused. `open`: nobody has to say who they are.
    `verbatim`: the body is the thing itself, and is not read as fields.
    """

    name: str
    answer: Callable[..., Any]
    methods: tuple[str, ...] = ("GET", "POST")
    changes: bool = False
    open: bool = False
    verbatim: bool = False
    view: Callable[..., HttpResponseBase] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "view", csrf_exempt(self._view))  # no cookie counts here

    def _view(self, request: HttpRequest) -> HttpResponseBase:
        if not settings.JARVICE_API:
            return unknown(request)
        response = self._answered(request)
        response["Cache-Control"] = "no-store"
        return response

    def _answered(self, request: HttpRequest) -> HttpResponseBase:
        allowed = [*self.methods, *(["HEAD"] if "GET" in self.methods and not self.changes else [])]
        if request.method not in allowed:
            response = refused(405, f"Use {' or '.join(self.methods)} here.")
            response["Allow"] = ", ".join(allowed)
            return response
        try:
            call = read(request, verbatim=self.verbatim)
            found = self.answer(call) if self.open else self.answer(call, caller(call))
        except PortalError as error:
            return refused(400 if error.status == 422 else error.status, explained(error))
        except RequestDataTooBig:
            return refused(413, "The body is longer than is read here.")
        except (SuspiciousOperation, UnreadablePostError):
            return refused(400, "The request is malformed and was refused.")
        except (OperationalError, InterfaceError) as error:
            logger.warning("The database did not answer a request: %s", error)
            return refused(503, AWAY)
        return found if isinstance(found, HttpResponseBase) else HttpResponse(as_json(found), content_type=JSON)


Answer = Callable[[Call, User], Any]
