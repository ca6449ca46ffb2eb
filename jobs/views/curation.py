"""What the curate pages show of forms, machines and jobs: fetched by their address, because the catalog knows no jobs."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from apps_catalog.launch import overlay as overlays
from apps_catalog.launch.overlay_editor import part_at
from apps_catalog.launch.spec import Fault, LaunchSpec, Submission
from apps_catalog.models import Version
from apps_catalog.services import authored_spec, edited_overlay
from jobs.forms.builder import build
from jobs.forms.drafts import Draft
from portal.errors import Forbidden, Invalid, NotFound
from portal.people import signed_in
from portal.people.models import User


def find_version(user: User, slug: str, label: str) -> Version:
    """A version for a curator. Raises Forbidden, NotFound."""
    if not user.curates:
        raise Forbidden("Only curators may look behind an app. Ask a curator, or staff for the role.")
    rows = Version.objects.select_related("app").defer("app__icon", "app__search", "findings")
    version = rows.filter(app__slug=slug, label=label.replace("\0", "")).first()
    if version is None:
        raise NotFound("There is no such version. Look for the app in the list of apps.")
    return version


@require_POST
def overlay_preview(request: HttpRequest, slug: str, label: str) -> HttpResponse:
    """The form of one command as the overlay editor stands (`command`, `part`, `page`, `entry`). Nothing is stored."""
    version = find_version(signed_in(request), slug, label)
    spec = authored_spec(version)
    posted = request.POST
    number = posted.get("page", "")
    page = int(number) if number.isascii() and number.isdigit() and len(number) < 5 else 1
    part = part_at(spec, posted.get("command", ""), posted.get("part", ""), page)
    try:
        shaped = overlays.apply(spec, edited_overlay(version=version, part=part, text=posted.get("entry", "")))
    except Invalid as refused:
        shaped = [Fault(fault.pointer, fault.code, fault.message) for fault in refused.faults]
    if isinstance(shaped, list):
        return render(request, "jobs/_overlay_preview.html", {"faults": shaped})
    keys = [part.command] if part.command in shaped.commands else list(shaped.commands)[:1]
    forms = [build(shaped, Draft(Submission(command=key)), prefix="pv-") for key in keys]
    shown = {"forms": forms, "spec": shaped, "hidden": bool(part.command) and part.command not in shaped.commands}
    return render(
        request, "jobs/_overlay_preview.html", shown | {"app_words": part.kind == "app", "fixed": _fixed(shaped, keys)}
    )


def _fixed(spec: LaunchSpec, keys: list[str]) -> list[tuple[str, str]]:
    """(label, value) of what is asked of nobody, because a curator fixed or hid it."""
    found = [one for key in keys for one in spec.commands[key].parameters.values() if one.locked]
    return [(one.label, "" if one.default is None else one.text(one.default)) for one in found]


urls: list[URLPattern] = [
    path("curate/apps/<slug:slug>/<str:label>/overlay/preview/", overlay_preview, name="overlay-preview"),
]
