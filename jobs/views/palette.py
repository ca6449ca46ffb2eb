"""The palette: what Ctrl-K finds among a person's jobs, apps and pages, as a part of the dialog in every page."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import F, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_safe

from apps_catalog import search
from apps_catalog.models import App
from jobs.models import Job
from portal.people import signed_in
from portal.people.models import User
from portal.templatetags.portal_ui import navigation, personal

SHOWN = 6  # of each kind
LOOKED_AT = 2_000  # of a person's jobs, the newest: who has a million more does not wait for them
ASKED_MAX = 200  # characters
# Beside those of the menus: (label, address, icon, the right it needs).
PAGES = (
    ("Try a JSON Schema", "jobs:schema-try", "json", "curates"),
    ("API documentation", "api:docs", "api", ""),
)


@dataclass(frozen=True)
class Hit:
    name: str
    url: str
    icon: str = ""
    note: str = ""
    state: str = ""


@require_safe
def palette(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    asked = request.GET.get("q", "").replace("\0", "").strip()[:ASKED_MAX]
    groups = (("Jobs", _jobs(user, asked)), ("Apps", _apps(user, asked)), ("Pages", _pages(request, user, asked)))
    return render(request, "jobs/_palette.html", {"groups": [one for one in groups if one[1]], "asked": asked})


def _jobs(user: User, asked: str) -> list[Hit]:
    """The newest of one's own; by its number whichever one may see."""
    number = asked.removeprefix("#")
    rows = Job.objects.select_related("version__app").only("label", "state", "version__app__name", "version__app__slug")
    if number.isascii() and number.isdigit() and len(number) < 19:
        found = list(rows.filter(pk__in=Job.objects.visible_to(user).filter(pk=int(number))))
    else:
        found = []
    own = rows.filter(owner=user)
    if asked:
        newest = Job.objects.filter(owner=user).order_by("-number").values("pk")[:LOOKED_AT]
        own = own.filter(Q(label__icontains=asked) | Q(version__app__name__icontains=asked), pk__in=newest)
    found += [job for job in own.order_by("-number")[:SHOWN] if job not in found]
    return [
        Hit(
            f"{job.number}: {job.label}" if job.label else str(job.number),
            job.get_absolute_url(),
            note=job.version.app.name,
            state=job.state,
        )
        for job in found[:SHOWN]
    ]


def _apps(user: User, asked: str) -> list[Hit]:
    if not asked:
        return []
    rows = search.find(App.objects.visible_to(user).filter(role=App.Role.APP), asked)
    found = rows.order_by(F("rank").desc(), "name").only("slug", "name", "summary")[:SHOWN]
    return [Hit(app.name, app.get_absolute_url(), icon="apps", note=app.summary) for app in found]


def _pages(request: HttpRequest, user: User, asked: str) -> list[Hit]:
    """Those with a word that begins so, for each word asked."""
    menu = [Hit(item.label, item.url, icon=item.icon) for item in (*navigation(request), *personal(request))]
    more = [
        Hit(label, reverse(name), icon=icon) for label, name, icon, right in PAGES if not right or getattr(user, right)
    ]
    words = search.words_of(asked)
    if asked and not words:
        return []
    return [
        hit
        for hit in [*menu, *more]
        if all(any(known.startswith(word) for known in search.words_of(hit.name)) for word in words)
    ]


urls: list[URLPattern] = [path("palette/", palette, name="palette")]
