"""What the form parts of sources and destinations ask while they are filled in, and the addresses that need no sign-in."""

from __future__ import annotations

import re

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from jobs import links, upload_addresses, uploads
from jobs.forms.ends import from_form, sentence
from jobs.listing import LISTED_MAX
from jobs.services import ends
from jobs.views.downloads import Attachment
from jobs.views.files import PICKED, picker
from jobs.views.uploads import told_in_json
from portal.bodies import body_pieces
from portal.errors import Invalid, PortalError
from portal.people import signed_in

RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
PREFIX_MAX = 40


@require_POST
def test(request: HttpRequest) -> JsonResponse:
    """Try what a form part holds: {ok, message}; with faults {ok: false, message, faults: [{field, message}]}."""
    prefix, side = request.POST.get("prefix", "")[:PREFIX_MAX], request.POST.get("side", "")
    given, owner = from_form(request.POST, prefix), signed_in(request)
    try:
        verdict = ends.test_destination(given, owner) if side == "destination" else ends.test_source(given, owner)
    except Invalid as invalid:
        told = [
            {"field": fault.pointer.strip("/").partition("/")[2].partition("/")[0], "message": sentence(fault.message)}
            for fault in invalid.faults
        ]
        return JsonResponse({"ok": False, "message": invalid.message, "faults": told})
    return JsonResponse({"ok": verdict.ok, "message": verdict.message})


@require_POST
def pick(request: HttpRequest) -> HttpResponse:
    """A page of a folder of the vault or bucket that a form part holds; where and what of it as the picker asks."""
    given = from_form(request.POST, request.POST.get("prefix", "")[:PREFIX_MAX])
    asked = request.GET.get("offset", "")
    offset = min(int(asked), LISTED_MAX) if asked.isdecimal() and len(asked) < 9 else 0
    path_, search = request.GET.get("path", ""), request.GET.get("search", "")[:200]
    owner = signed_in(request)
    try:
        listing = ends.folder(given, owner, path=path_, search=search, offset=offset, limit=PICKED)
    except Invalid as invalid:
        said = " ".join(sentence(fault.message) for fault in invalid.faults[:3])
        raise PortalError(f"{invalid.message} {said}", status=422) from invalid
    name = given.get("vault") or given.get("bucket") or ""
    return picker(request, str(name), listing, offset)


@csrf_exempt
@require_http_methods(["GET", "HEAD", "PUT"])
@told_in_json
def upload_address(request: HttpRequest, token: str) -> JsonResponse:
    """PUT the file, whole or in pieces with Content-Range; GET or HEAD says where it stands (Upload-Offset)."""
    upload = upload_addresses.upload_at(token)
    if request.method == "PUT":
        if upload.complete:
            raise PortalError("This address has been used: the file is here.", code="used", status=409)
        start, total = _range(request)
        upload = uploads.go_on(upload, body_pieces(request), start=start, total=total)
    here = upload.size if upload.complete else uploads.arrived(upload)
    answer = {"id": str(upload.pk), "name": upload.name, "complete": upload.complete, "offset": here}
    if upload.complete:
        answer |= {"size": upload.size, "sha256": upload.sha256}
    put = request.method == "PUT"
    response = JsonResponse(answer, status=(201 if upload.complete else 202) if put else 200)
    response["Upload-Offset"] = str(here)
    response["Cache-Control"] = "no-store"
    return response


def _range(request: HttpRequest) -> tuple[int, int | None]:
    """Where the body begins, and how long the whole file is, where that is said. Raises PortalError."""
    said = request.headers.get("Content-Range", "")
    if not said:
        length = request.META.get("CONTENT_LENGTH") or ""
        return 0, int(length) if length.isdecimal() else None
    match = RANGE.fullmatch(said.strip())
    if match is None or int(match[2]) < int(match[1]):
        raise PortalError(
            f"The Content-Range {said[:80]!r} can't be meant. Write it like: bytes 0-8388607/20000000.", code="range"
        )
    start, last, total = int(match[1]), int(match[2]), match[3]
    length = request.META.get("CONTENT_LENGTH") or ""
    if length.isdecimal() and int(length) != last + 1 - start:
        raise PortalError(f"The Content-Range says {last + 1 - start:,} bytes, and {length} came.", code="range")
    if total == "*":
        raise PortalError("Say how long the whole file is: bytes 0-8388607/20000000.", code="range")
    if last >= int(total):
        raise PortalError("The Content-Range goes past the end of the file.", code="range")
    return start, int(total)


@require_safe
def result_link(request: HttpRequest, token: str) -> Attachment:
    """A result, for anyone who has the link, until it expires."""
    linked = links.opened(token)
    return Attachment(linked.file, linked.name)


urls: list[URLPattern] = [
    path("ends/test/", test, name="ends-test"),
    path("ends/pick/", pick, name="ends-pick"),
    path("uploads/to/<str:token>", upload_address, name="upload-address"),
    path("links/<str:token>", result_link, name="result-link"),
]
