"""Two versions of an app side by side: what people and their scripts will notice."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.http import require_safe

from apps_catalog import services
from apps_catalog.launch.difference import Difference, difference
from apps_catalog.models import App, Version
from apps_catalog.services.publishing import require_curator
from portal.errors import Conflict, NotFound
from portal.people import signed_in

CHOICES_SHOWN = 100


@require_safe
def compare(request: HttpRequest, slug: str) -> HttpResponse:
    """`?from=` and `?to=` are labels; without them the default version and the newest."""
    require_curator(signed_in(request))
    app = App.objects.defer("icon", "search").filter(slug=slug).first()
    if app is None:
        raise NotFound("There is no such app. Look for it in the list of apps.")
    versions = list(app.versions.defer("findings", "eula", "help_html")[:CHOICES_SHOWN])
    if not versions:
        raise NotFound("This app has no version to compare.")
    default = next((one for one in versions if one.pk == app.default_version_id), versions[-1])
    old = _named(app, versions, request.GET.get("from", ""), default)
    new = _named(app, versions, request.GET.get("to", ""), versions[0])
    shown = {"app": app, "versions": versions, "old": old, "new": new, "difference": None, "unreadable": ""}
    try:
        shown["difference"] = between(old, new)
    except Conflict as refused:
        shown["unreadable"] = refused.message
    return render(request, "apps_catalog/compare.html", shown)


def _named(app: App, versions: list[Version], label: str, otherwise: Version) -> Version:
    found = otherwise
    if label:
        known = next((one for one in versions if one.label == label), None)
        known = known or app.versions.filter(label=label.replace("\0", "")).first()
        if known is None:
            raise NotFound(f"{app.name} has no version {label[:40]!r}. Choose one from the lists.")
        found = known
    found.app = app
    return found


def between(old: Version, new: Version) -> Difference:
    """As people meet them: with the overlays. Raises Conflict where one can't be read any more."""
    return difference(services.spec_of(old), services.spec_of(new), images=(old.image, new.image))


urlpatterns: list[URLPattern] = [path("curate/compare/<slug:slug>/", compare, name="compare")]
