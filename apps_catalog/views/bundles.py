"""Importing bundles in the browser, and looking into those that are there."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps_catalog import services
from apps_catalog.models import Version
from apps_catalog.numbered import Remarks, number_lines
from apps_catalog.services import ImportedBundle
from apps_catalog.services.bundle_contents import text_of
from apps_catalog.services.bundle_store import opened
from apps_catalog.services.bundles import Read
from apps_catalog.services.publishing import require_curator
from apps_catalog.services.reading_rights import readable_version
from apps_catalog.wording import counted
from portal.downloads import Attachment
from portal.errors import Invalid, PortalError
from portal.people import signed_in
from portal.people.models import User

NOTHING = "Choose an archive, or the folder of a bundle."


@require_http_methods(["GET", "HEAD", "POST"])
def import_page(request: HttpRequest) -> HttpResponse:
    """POST imports an `archive`, or `files` with their `paths`; `activate` publishes it. Else why not, with the findings."""
    user = signed_in(request)
    require_curator(user)
    if request.method != "POST":
        return _show(request, None)
    activate = request.POST.get("activate") == "on"
    try:
        done = services.import_bundle(read=_sent(request), actor=user, activate=activate)
    except PortalError as refusal:
        return _show(request, None, refusal=str(refusal), status=refusal.status)
    if done.version is None:
        return _show(request, done, status=422)
    messages.success(request, _said(done))
    answer = redirect(done.version.get_curate_url())
    answer.status_code = 303
    return answer


@require_POST
def check(request: HttpRequest) -> HttpResponse:
    """What there is to remark on the bundle that is chosen, and the form it gives. Nothing is stored."""
    user = signed_in(request)
    require_curator(user)
    try:
        done = services.import_bundle(read=_sent(request), actor=user, dry_run=True)
    except PortalError as refusal:
        return render(request, "apps_catalog/_bundle_check.html", {"refusal": str(refusal)})
    return render(request, "apps_catalog/_bundle_check.html", _looked_over(done))


def _sent(request: HttpRequest) -> Read:
    """How to read what was sent. Raises Invalid where that is nothing."""
    archive = request.FILES.get("archive")
    if archive:
        return services.from_archive(archive)
    files: list[UploadedFile[bytes]] = request.FILES.getlist("files")
    paths = request.POST.getlist("paths")
    if not files:
        raise Invalid(NOTHING, code="nothing")
    if len(paths) != len(files):
        said = "The browser did not say where the files of the folder lie. Choose it again with scripts on, or pack it as a zip."
        raise Invalid(said, code="no_paths")
    return services.from_files((name, file.chunks()) for name, file in zip(paths, files, strict=True))


def _said(done: ImportedBundle) -> str:
    version = done.version
    if version is None:
        return ""
    name = services.exact_tag(version)
    active = version.state == Version.State.PUBLISHED
    if done.created:
        return f"{name} is imported and active: it takes jobs." if active else f"{name} is imported as a draft."
    return f"The files of {name} are replaced." if done.replaced else f"{name} is there already. Nothing was added."


def _looked_over(done: ImportedBundle) -> dict[str, Any]:
    reading = done.reading
    total = sum(done.files.values())
    return {
        "done": done,
        "reading": reading,
        "remarks": Remarks(reading.findings),
        "files": list(done.files.items())[:40],
        "more": max(0, len(done.files) - 40),
        "counted": counted(len(done.files), "file"),
        "total": total,
        "asks": bool(reading.spec and reading.schema),
    }


def _show(request: HttpRequest, done: ImportedBundle | None, *, refusal: str = "", status: int = 200) -> HttpResponse:
    shown = _looked_over(done) if done else {}
    shown |= {
        "refusal": refusal,
        "limit_mib": settings.BUNDLE_LIMIT_MIB,
        "files_max": settings.DATA_UPLOAD_MAX_NUMBER_FILES,
    }
    return render(request, "apps_catalog/import_bundle.html", shown, status=status)


@require_safe
def code(request: HttpRequest, slug: str, label: str, name: str) -> HttpResponse:
    """One file of a bundle as text, with numbered lines."""
    user = signed_in(request)
    version = readable_version(user, slug, label)
    file = text_of(version, name)
    numbered = None
    if file.text is not None:
        findings = [one for one in Remarks.of(version).findings if one.file == name] if user.curates else []
        numbered = number_lines(file.text, findings)
    shown = {"version": version, "app": version.app, "file": file, "numbered": numbered, "home": _home(version, user)}
    return render(request, "apps_catalog/bundle_code.html", shown)


def _home(version: Version, user: User) -> str:
    """Where one comes from: the app's page, or for curators that of a version which is not the one shown there."""
    if user.curates and version.pk != version.app.default_version_id:
        return version.get_curate_url()
    return version.app.get_absolute_url()


@require_safe
def download(request: HttpRequest, slug: str, label: str) -> HttpResponseBase:
    """The bundle as a zip: what was pushed, without the login of a registry."""
    version = readable_version(signed_in(request), slug, label)
    return Attachment(opened(version), f"{version.app.slug}-{version.label}.zip")


urlpatterns: list[URLPattern] = [
    path("curate/import/bundle/", import_page, name="curate-import-bundle"),
    path("curate/import/bundle/check/", check, name="curate-check-bundle"),
    path("apps/<slug:slug>/versions/<str:label>/code/<path:name>", code, name="bundle-code"),
    path("apps/<slug:slug>/versions/<str:label>/bundle/", download, name="bundle-download"),
]
