"""The curator's page of one version, and the moves that start there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps_catalog import services
from apps_catalog.forms import FIELD_OF, ImageForm, VisibilityForm
from apps_catalog.launch.difference import Difference
from apps_catalog.models import App, Version
from apps_catalog.numbered import Remarks, number_lines
from apps_catalog.services.bundle_contents import contents
from apps_catalog.services.publishing import require_curator
from apps_catalog.views import wants_part
from apps_catalog.views.compare import between
from portal.errors import Conflict, NotFound, PortalError
from portal.people import signed_in
from portal.people.models import AuditEvent, User

EVENTS_SHOWN = 20
SIBLINGS_SHOWN = 30
DONE = {
    "publish": "Published. People find it in the catalog now.",
    "make-default": "This version is now what people launch when they choose none.",
    "retire": "Retired. It can't be launched any more; jobs that run go on.",
    "look-up": "A worker looks the image up now.",
}
WORDS = {
    "version.import": "imported it",
    "version.replace": "replaced its files",
    "version.publish": "published it",
    "version.make_default": "made it the default",
    "version.retire": "retired it",
    "version.image": "changed its image",
    "version.look_up_image": "had its image looked up again",
    "version.overlay": "changed the form",
    "version.grant": "granted it more than others may",
    "version.take_back": "took a grant back",
    "app.visibility": "changed who may run the app",
}


def find_version(user: User, slug: str, label: str) -> Version:
    """A version for a curator. Raises Forbidden, NotFound."""
    require_curator(user)
    version = (
        Version.objects.select_related("app")
        .defer("app__icon", "app__search")
        .filter(app__slug=slug, label=label.replace("\0", ""))
        .first()
    )
    if version is None:
        raise NotFound("There is no such version. Look for the app in the list of apps.")
    return version


@require_safe
def version_page(request: HttpRequest, slug: str, label: str) -> HttpResponse:
    return _show(request, find_version(signed_in(request), slug, label))


def _show(
    request: HttpRequest,
    version: Version,
    *,
    image_form: ImageForm | None = None,
    visibility_form: VisibilityForm | None = None,
    status: int = 200,
) -> HttpResponse:
    app = version.app
    remarks = Remarks.of(version)
    chosen = {"visibility": app.visibility, "teams": app.teams.all()}
    published = _published(version)
    siblings = app.versions.defer(*Version.LARGE)[:SIBLINGS_SHOWN]
    shown = {
        "app": app,
        "version": version,
        "remarks": remarks,
        "numbered": number_lines(version.definition, remarks.findings),
        "published": published,
        "difference": _difference(published, version),
        "grants": services.grants_of(version),
        "obstacle": services.not_launchable(version),
        "is_default": app.default_version_id == version.pk,
        "image_form": image_form or ImageForm(initial={"image": version.image}),
        "visibility_form": visibility_form or VisibilityForm(initial=chosen),
        "siblings": siblings,
        "events": _events(version),
        "files": contents(version) if version.bundle else [],
        "tags": services.tags_of(version) if version.bundle else [],
    }
    return render(request, "apps_catalog/version.html", shown, status=status)


def _published(version: Version) -> Version | None:
    """What people launch now, where publishing this version would change it."""
    app = version.app
    if version.state == Version.State.PUBLISHED or app.default_version_id in (None, version.pk):
        return None
    found = app.versions.filter(pk=app.default_version_id or 0).first()
    if found is not None:
        found.app = app
    return found


def _difference(published: Version | None, version: Version) -> Difference | None:
    try:
        return between(published, version) if published else None
    except Conflict:  # one of them can't be read any more; the page says so elsewhere
        return None


def _events(version: Version) -> list[dict[str, object]]:
    about = Q(target=str(version), action__in=[action for action in WORDS if action.startswith("version.")])
    rows = AuditEvent.objects.filter(about | Q(target=version.app.slug, action="app.visibility"))[:EVENTS_SHOWN]
    return [{"at": row.at, "who": row.actor_name or "An administrator", "did": WORDS[row.action]} for row in rows]


@require_POST
def move(request: HttpRequest, slug: str, label: str, *, name: str, act: Callable[..., Version]) -> HttpResponse:
    """Publish, retire, make default or look up: one service each."""
    user = signed_in(request)
    version = find_version(user, slug, label)
    act(version=version, actor=user)
    messages.success(request, DONE[name])
    return redirect(version.get_curate_url())


@require_http_methods(["GET", "HEAD", "POST"])
def image(request: HttpRequest, slug: str, label: str) -> HttpResponse:
    """GET: how its look-up stands, for the page to keep up with. POST: name another image."""
    user = signed_in(request)
    version = find_version(user, slug, label)
    if request.method != "POST":
        if not wants_part(request):
            return redirect(version.get_curate_url())
        return render(request, "apps_catalog/_image.html", {"version": version, "app": version.app})
    form = ImageForm(request.POST)
    if form.is_valid():
        try:
            services.set_image(version=version, actor=user, image=form.cleaned_data["image"])
        except PortalError as refusal:
            _blame(form, refusal)
        else:
            messages.success(request, "The image is set. A worker looks it up now.")
            return redirect(version.get_curate_url())
    return _show(request, version, image_form=form, status=422)


@require_POST
def settings(request: HttpRequest, slug: str, label: str) -> HttpResponse:
    """Who may run the app."""
    user = signed_in(request)
    version = find_version(user, slug, label)
    form = VisibilityForm(request.POST)
    if form.is_valid():
        chosen = form.cleaned_data
        try:
            services.set_visibility(app=version.app, actor=user, visibility=chosen["visibility"], teams=chosen["teams"])
        except PortalError as refusal:
            _blame(form, refusal)
        else:
            everyone = chosen["visibility"] == App.Visibility.EVERYONE
            who = "Everyone" if everyone else "The chosen teams"
            messages.success(request, f"Saved. {who} may run {version.app.name}.")
            return redirect(version.get_curate_url())
    return _show(request, version, visibility_form=form, status=422)


def _blame(form: ImageForm | VisibilityForm, refusal: PortalError) -> None:
    if refusal.code not in FIELD_OF:
        raise refusal
    form.add_error(FIELD_OF[refusal.code], refusal.message)


MOVES = (
    ("publish", services.publish),
    ("retire", services.retire),
    ("make-default", services.make_default),
    ("look-up", services.look_up_image),
)
VERSION = "curate/apps/<slug:slug>/<str:label>/"
urlpatterns: list[URLPattern] = [
    path(VERSION, version_page, name="curate-version"),
    path(f"{VERSION}settings/", settings, name="curate-settings"),
    path(f"{VERSION}image/", image, name="curate-image"),
    *[path(f"{VERSION}{name}/", partial(move, name=name, act=act), name=f"curate-{name}") for name, act in MOVES],
]
