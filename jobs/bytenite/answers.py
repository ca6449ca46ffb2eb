"""How the door answers: JSON, and a refusal as clients read one: `message`, with `code`, `error` and all faults in `details`."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.core.serializers.json import DjangoJSONEncoder
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from jobs.bytenite.calls import Call, read
from jobs.bytenite.credentials import caller
from portal.api.problems import AWAY, bytenite_refusal
from portal.errors import FaultLike, PortalError

logger = logging.getLogger(__name__)
JSON = "application/json"
FAULTS_TOLD = 20


def ok(request: HttpRequest, message: str = "") -> dict[str, Any]:
    """What calls answer that have nothing to tell."""
    return {"ok": True, "requestId": request.META.get("REQUEST_ID", ""), "message": message, "error": None}


def refused(request: HttpRequest, status: int, message: str, faults: tuple[FaultLike, ...] = ()) -> HttpResponse:
    details = [{"field": fault.pointer, "code": fault.code, "message": fault.message} for fault in faults]
    body = bytenite_refusal(status, message, request.META.get("REQUEST_ID", ""), details)
    return HttpResponse(body, status=status, content_type=JSON)


def explained(error: PortalError) -> str:
    """One readable text: the faults, each with its place in the body, or the message."""
    told = [f"{fault.pointer.strip('/').replace('/', '.')}: {fault.message}".rstrip(".") for fault in error.faults]
    if not told:
        return error.message
    more = len(told) - FAULTS_TOLD
    return "; ".join(told[:FAULTS_TOLD]) + (f"; and {more} more" if more > 0 else "") + "."


@dataclass(frozen=True)
class Act:
    """What one method of an address does. `answer` gets the call and the caller, and gives JSON or a response.

    `scope` is what the API key must have. `open`: nobody has to say who they are, and `answer` gets the call alone.
    `limit` is the longest body in bytes, where it is not the usual one.
    """

    answer: Callable[..., Any]
    scope: str = "read"
    open: bool = False
    limit: Callable[[], int] | None = None


@dataclass(frozen=True)
class Endpoint:
    """One address below /v1/, a regular expression, and what its methods do."""

    path: str
    name: str
    acts: Mapping[str, Act]
    view: Callable[..., HttpResponseBase] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "view", csrf_exempt(self._view))  # no cookie counts here

    def _view(self, request: HttpRequest, **named: str) -> HttpResponseBase:
        response = self._answered(request, named)
        response["Cache-Control"] = "no-store"
        return response

    def _answered(self, request: HttpRequest, named: Mapping[str, str]) -> HttpResponseBase:
        method = "GET" if request.method == "HEAD" else str(request.method)
        act = self.acts.get(method)
        if act is None:
            allowed = sorted([*self.acts, *(["HEAD"] if "GET" in self.acts else [])])
            response = refused(request, 405, f"Use {' or '.join(sorted(self.acts))} here.")
            response["Allow"] = ", ".join(allowed)
            return response
        try:
            found = self._done(act, request, named)
        except PortalError as error:
            status = 400 if error.status == HTTPStatus.UNPROCESSABLE_ENTITY else error.status
            return refused(request, status, explained(error), tuple(error.faults))
        except RequestDataTooBig:
            return refused(request, 413, "The body is longer than is read here.")
        except (SuspiciousOperation, UnreadablePostError):
            return refused(request, 400, "The request is malformed and was refused.")
        except (OperationalError, InterfaceError) as error:
            logger.warning("The database did not answer a request: %s", error)
            return refused(request, 503, AWAY)
        if isinstance(found, HttpResponseBase):
            return found
        return HttpResponse(json.dumps(found, cls=DjangoJSONEncoder), content_type=JSON)

    def _done(self, act: Act, request: HttpRequest, named: Mapping[str, str]) -> Any:
        limit = act.limit() if act.limit else None
        if act.open:
            return act.answer(read(request, named, limit))
        who = caller(request, act.scope)  # before the body, which a stranger may make as long as is read
        return act.answer(read(request, named, limit), who)


Answer = Callable[[Call, Any], Any]
