"""The catalog page and the icons on it."""

from __future__ import annotations

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.views.decorators.http import require_safe

from apps_catalog import icons
from apps_catalog.models import App
from apps_catalog.shelf import Shelf, Wish
from apps_catalog.views import wants_part
from portal.errors import NotFound
from portal.people import signed_in
from portal.people.models import User

CURATORS_NAMED = 3


@require_safe
def catalog(request: HttpRequest) -> HttpResponse:
    """`?q=`, `?category=`, `?sort=`, `?page=`. For htmx the shelf alone, with the address it belongs to."""
    user = signed_in(request)
    shelf = Shelf(user, Wish.read(request.GET))
    template = "apps_catalog/_shelf.html" if wants_part(request) else "apps_catalog/catalog.html"
    curators = _whom_to_ask() if shelf.is_bare and not user.curates else ""
    response = render(request, template, {"shelf": shelf, "wish": shelf.wish, "curators": curators})
    if wants_part(request):
        address = reverse("apps_catalog:catalog")
        response["HX-Replace-Url"] = f"{address}?{shelf.wish.query}" if shelf.wish.query else address
    patch_vary_headers(response, ["HX-Request"])
    return response


def _whom_to_ask() -> str:
    rows = User.objects.filter(Q(is_curator=True) | Q(is_staff=True), is_active=True).order_by("username")
    names = [user.display_name for user in rows[:CURATORS_NAMED]]
    return ", ".join(names)


@require_safe
def icon(request: HttpRequest, slug: str) -> HttpResponse:
    """An app's icon as PNG, our own re-encoding of it, or its placeholder."""
    app = App.objects.visible_to(signed_in(request)).only("name", "icon_digest").filter(slug=slug).first()
    if app is None:
        raise NotFound("There is no such app, or it is not yours to see.")
    etag = f'"{app.icon_mark}"'
    response = get_conditional_response(request, etag=etag)
    if response is None:
        png = bytes(app.icon) if app.icon_digest and app.icon else icons.placeholder(app.name)
        response = HttpResponse(png, content_type="image/png")
    response["ETag"] = etag
    lasting = request.GET.get("v") == app.icon_mark
    response["Cache-Control"] = "private, max-age=31536000, immutable" if lasting else "private, no-cache"
    return response


urlpatterns: list[URLPattern] = [
    path("", catalog, name="catalog"),
    path("apps/<slug:slug>/icon.png", icon, name="icon"),
]
