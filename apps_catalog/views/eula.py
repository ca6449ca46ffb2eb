"""The licence terms of an app: read them, agree to them."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_http_methods

from apps_catalog import services
from apps_catalog.models import App, Version
from portal.errors import NotFound
from portal.people import signed_in
from portal.people.models import User


def find_version(user: User, slug: str, label: str) -> Version:
    """A version of an app that this person sees: the default one without a label; drafts are for curators."""
    app = App.objects.visible_to(user).filter(slug=slug).defer("icon", "search").first()
    versions = app.versions.defer("definition", "findings", "overlay") if app else Version.objects.none()
    if not user.curates:
        versions = versions.exclude(state=Version.State.DRAFT)
    wanted = versions.filter(label=label) if label else versions.filter(pk=app.default_version_id if app else None)
    version = wanted.first()
    if app is None or version is None:
        raise NotFound("There is no such app, or it is not yours to see. Search the catalog for it.")
    version.app = app
    return version


@require_http_methods(["GET", "HEAD", "POST"])
def eula(request: HttpRequest, slug: str) -> HttpResponse:
    """`?version=` names another than the default. POST agrees to the words whose `digest` it sends."""
    user = signed_in(request)
    asked = request.POST if request.method == "POST" else request.GET
    version = find_version(user, slug, asked.get("version", "").replace("\0", "")[:40])
    if request.method == "POST":
        services.accept_eula(user=user, version=version, digest=asked.get("digest", ""))
        messages.success(request, f"Agreed. You can launch {version.app.name} now.")
        return redirect(f"{reverse('apps_catalog:eula', args=[slug])}?version={version.label}")
    shown = {
        "app": version.app,
        "version": version,
        "digest": services.eula_digest(version),
        "accepted_at": services.eula_accepted_at(user, version),
    }
    return render(request, "apps_catalog/eula.html", shown)


urlpatterns: list[URLPattern] = [path("apps/<slug:slug>/eula/", eula, name="eula")]
