"""Apps out of images: name one, wait for a worker, see what came of it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.views.decorators.http import require_http_methods, require_safe

from apps_catalog import services
from apps_catalog.forms import FIELD_OF, ImageImportForm
from apps_catalog.launch.spec import Finding
from apps_catalog.models import ImageImport
from apps_catalog.numbered import Remarks
from apps_catalog.services.publishing import require_curator
from apps_catalog.views import wants_part
from portal.errors import NotFound, PortalError
from portal.people import signed_in

SHOWN = 12


@require_http_methods(["GET", "HEAD", "POST"])
def from_image(request: HttpRequest) -> HttpResponse:
    """GET shows the form (`?app=` fills in the short name) and the last imports; POST asks a worker for one."""
    user = signed_in(request)
    require_curator(user)
    form = ImageImportForm(request.POST or None, initial={"slug": request.GET.get("app", "")[:80]})
    if request.method == "POST" and form.is_valid():
        try:
            wish = services.request_image_import(actor=user, **form.cleaned_data)
        except PortalError as refusal:
            if refusal.code not in FIELD_OF:
                raise
            form.add_error(FIELD_OF[refusal.code], refusal.message)
        else:
            answer = redirect(wish.get_absolute_url())
            answer.status_code = 303
            return answer
    recent = ImageImport.objects.select_related("actor", "version__app").defer(
        "findings", "version__definition", "version__findings", "version__overlay", "version__app__icon"
    )[:SHOWN]
    status = 422 if form.errors else 200
    return render(request, "apps_catalog/from_image.html", {"form": form, "recent": recent}, status=status)


@require_safe
def image_import(request: HttpRequest, pk: int) -> HttpResponse:
    """How one import stands; for htmx the part that changes."""
    require_curator(signed_in(request))
    wish = ImageImport.objects.select_related("actor", "version__app").filter(pk=pk).first()
    if wish is None:
        raise NotFound("There is no such import. Name the image again.")
    remarks = Remarks(tuple(Finding(**finding) for finding in wish.findings))
    template = "apps_catalog/_image_import.html" if wants_part(request) else "apps_catalog/image_import.html"
    shown = {"wish": wish, "remarks": remarks, "open": wish.state in ImageImport.OPEN}
    return render(request, template, shown)


urlpatterns: list[URLPattern] = [
    path("curate/import/image/", from_image, name="curate-from-image"),
    path("curate/import/image/<int:pk>/", image_import, name="image-import"),
]
