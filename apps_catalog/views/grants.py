"""What operators grant to versions: the list of what holds, and one version with what each grant means."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.views.decorators.http import require_http_methods, require_safe

from apps_catalog import services
from apps_catalog.models import Version
from apps_catalog.services.granting import GRANTS, held, require_operator
from apps_catalog.views.versions import VERSION
from portal.errors import Forbidden, Invalid, NotFound
from portal.people import signed_in
from portal.people.models import AuditEvent, User

SHOWN = 50


def _find(user: User, slug: str, label: str) -> Version:
    """Operators decide, curators look."""
    if not (user.operates or user.curates):
        raise Forbidden("Only operators and curators see what is granted to an app.")
    rows = Version.objects.select_related("app").defer("app__icon", "app__search", *Version.LARGE)
    version = rows.filter(app__slug=slug, label=label.replace("\0", "")).first()
    if version is None:
        raise NotFound("There is no such version. Look for it in the list of grants.")
    return version


@require_safe
def grants(request: HttpRequest) -> HttpResponse:
    """Versions that hold a grant; with `?q=` those of the apps found, to choose one."""
    require_operator(signed_in(request))
    text = request.GET.get("q", "").replace("\0", "").strip()[:200]
    rows = Version.objects.select_related("app").defer("app__icon", "app__search", *Version.LARGE)
    holding = Q(**{next(iter(GRANTS)): True})
    for what in GRANTS:
        holding |= Q(**{what: True})
    if text:
        holding = Q(app__name__icontains=text) | Q(app__slug__icontains=text)
    versions = list(rows.filter(holding).order_by("app__name", "-id")[:SHOWN])
    titles = held(versions)
    shown = {
        "rows": [(version, titles[version.pk]) for version in versions],
        "text": text,
        "full": len(versions) == SHOWN,
    }
    return render(request, "apps_catalog/grants.html", shown)


@require_http_methods(["GET", "HEAD", "POST"])
def version_grants(request: HttpRequest, slug: str, label: str) -> HttpResponse:
    """`?what=` shows what granting it, or taking it back, means, and asks why. POST does it."""
    user = signed_in(request)
    version = _find(user, slug, label)
    if request.method != "POST":
        return _show(request, version, request.GET.get("what", ""))
    what, on = request.POST.get("what", ""), request.POST.get("on") == "yes"
    try:
        services.set_grant(version=version, actor=user, what=what, on=on, reason=request.POST.get("reason", ""))
    except Invalid as refused:
        return _show(request, version, what, error=refused.message, status=422)
    title = GRANTS[what].title
    messages.success(
        request, f"{title}: {'granted' if on else 'taken back'}. It holds for jobs that start from now on."
    )
    return redirect("apps_catalog:curate-grants", slug, label)


def _show(request: HttpRequest, version: Version, what: str, *, error: str = "", status: int = 200) -> HttpResponse:
    user = signed_in(request)
    given = {one.grant.what: one for one in services.grants_of(version)}
    events = AuditEvent.objects.filter(
        action__in=("version.grant", "version.take_back"), detail__version=version.pk
    ).order_by("-id")[:20]
    shown = {
        "app": version.app,
        "version": version,
        "rows": [(grant, given.get(grant.what)) for grant in GRANTS.values()],
        "asked": GRANTS.get(what) if user.operates else None,
        "asked_holds": what in given,
        "reason": request.POST.get("reason", ""),
        "error": error,
        "events": [(event, GRANTS[event.detail["what"]].title) for event in events if event.detail["what"] in GRANTS],
    }
    return render(request, "apps_catalog/version_grants.html", shown, status=status)


urlpatterns: list[URLPattern] = [
    path("curate/grants/", grants, name="grants"),
    path(f"{VERSION}grants/", version_grants, name="curate-grants"),
]
