"""Files sent by a browser as they are: one file a request, its name in the query, the bytes as the body."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from jobs import uploads
from portal.bodies import body_pieces
from portal.errors import PortalError
from portal.people import signed_in

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def told_in_json(view: View[P]) -> View[P]:
    """Answer a refusal with {message, code}, for the script that sends the file and shows it at its line."""

    @functools.wraps(view)
    def answered(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except PortalError as error:
            return JsonResponse({"message": error.message, "code": error.code}, status=error.status)

    return answered


@require_POST
@told_in_json
def receive(request: HttpRequest) -> HttpResponse:
    """POST uploads/?name=: the body becomes an upload of the person's. `accept` and `max` repeat what the form asks."""
    name = request.GET.get("name", "")
    uploads.check_extension(name, [one for one in request.GET.get("accept", "").split(",") if one.strip()])
    asked = request.GET.get("max", "")
    limit = int(asked) if asked.isdecimal() and len(asked) < 16 else settings.UPLOAD_LIMIT_MIB * 2**20
    upload = uploads.receive(owner=signed_in(request), name=name, chunks=body_pieces(request), limit_bytes=limit)
    answer = {"id": str(upload.pk), "name": upload.name, "size": upload.size, "sha256": upload.sha256}
    return JsonResponse(answer, status=201)


urls: list[URLPattern] = [path("uploads/", receive, name="uploads")]
