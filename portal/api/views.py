"""What every view of the API stands on, and the answer to addresses that are not there."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from portal.api.problems import refusal
from portal.errors import NotFound, PortalError
from portal.people.models import User


class OneAnswer(BaseContentNegotiation):
    """Each address answers in one media type, whatever `Accept` asks for (RFC 9110, 12.4.1 allows it)."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, first.media_type or ""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        """The parser of this media type; None (415) for others, and for a body that names none."""
        media_type = (request.content_type or "").split(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == media_type), None)


class PortalView(APIView):
    """A view of ours. `scopes` maps a method to the token scope it asks for (`read` where it says nothing)."""

    scopes: ClassVar[dict[str, str]] = {}
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    content_negotiation_class = OneAnswer

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if any("\0" in value for value in kwargs.values() if isinstance(value, str)):
            raise NotFound("Nothing has a NUL character in its name.")
        if "CONTENT_LENGTH" not in request.META and "HTTP_TRANSFER_ENCODING" in request.META and self.reads_json:
            raise PortalError("Send the body with a Content-Length.", code="length_required", status=411)

    @property
    def reads_json(self) -> bool:
        return bool(self.parser_classes)

    def body(self, request: Request) -> dict[str, Any]:
        """The request's JSON object. Raises PortalError for any other JSON value."""
        if not isinstance(request.data, dict):
            raise PortalError("The body must be a JSON object.", code="not_an_object", status=400)
        return request.data

    def asked(self, serializer: type[Serializer[Any]], request: Request) -> dict[str, Any]:
        """The request's JSON object as `serializer` reads it, clean. Raises PortalError, ValidationError (422)."""
        clean: dict[str, Any] = _reader(serializer).run_validation(self.body(request))
        return clean


@cache
def _reader(serializer: type[Serializer[Any]]) -> Serializer[Any]:
    """Kept by the process, for its fields take longer to make than to read a body with. It must keep nothing of a body."""
    return serializer()


def person(request: Request) -> User:
    """Who calls. The permission class has let nobody else in."""
    assert isinstance(request.user, User)  # noqa: S101  for the types; the permission class is what guards
    return request.user


@csrf_exempt
def unknown(request: HttpRequest) -> HttpResponse:
    """Any address under /api/ that is not one of ours."""
    detail = "Nothing is here. The addresses are listed at /api/docs/."
    if request.path_info.endswith("/"):
        detail = "Nothing is here. Addresses of the API end without a slash; they are listed at /api/docs/."
    media_type, body = refusal(request.path_info, 404, "not_found", detail)
    return HttpResponse(body, status=404, content_type=media_type)
