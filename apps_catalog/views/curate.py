"""The curate area's list of apps and its import page."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db.models import Exists, IntegerField, OuterRef, Q
from django.db.models.expressions import RawSQL
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps_catalog import services
from apps_catalog.forms import FIELD_OF, ImportForm
from apps_catalog.launch.default_definition import default_definition
from apps_catalog.launch.document import too_large
from apps_catalog.launch.spec import Reading
from apps_catalog.models import App, AppQuerySet, Version
from apps_catalog.numbered import Remarks, number_lines
from apps_catalog.services.publishing import require_curator
from apps_catalog.services.reading import size_limit_bytes
from portal.errors import PortalError
from portal.people import signed_in

PAGE = 50
STATES = {
    "": "All",
    "published": "Published",
    "draft": "With drafts",
    "hidden": "Not in the catalog",
    "image": "Image missing",
}
COUNT_WARNINGS = (
    """jsonb_array_length(jsonb_path_query_array("apps_catalog_version"."findings", '$[*] ? (@.level == "warning")'))"""
)


@dataclass
class Row:
    """One app with its newest version, and what needs a curator's eye."""

    app: App
    newest: Version | None = None
    warnings: int = 0
    states: dict[str, int] = field(default_factory=dict)


@require_safe
def curate(request: HttpRequest) -> HttpResponse:
    """`?q=` part of a name or short name, `?state=`, `?page=`."""
    require_curator(signed_in(request))
    text = request.GET.get("q", "").replace("\0", "").strip()[:200]
    state = request.GET.get("state", "")
    page = Paginator(_apps(text, state), PAGE).get_page(request.GET.get("page"))
    shown = {
        "rows": _rows(page),
        "newer": _query(text, state, page.number - 1) if page.has_previous() else "",
        "older": _query(text, state, page.number + 1) if page.has_next() else "",
        "place": f"Page {page.number} of {page.paginator.num_pages}",
        "text": text,
        "state": state if state in STATES else "",
        "states": STATES.items(),
        "narrowed": bool(text or state),
    }
    return render(request, "apps_catalog/curate.html", shown)


def _query(text: str, state: str, number: int) -> str:
    return urlencode({"q": text, "state": state, "page": number})


def _apps(text: str, state: str) -> AppQuerySet:
    apps = App.objects.defer("icon", "search")
    if text:
        apps = apps.filter(Q(name__icontains=text) | Q(slug__icontains=text) | Q(author__icontains=text))
    versions = Version.objects.filter(app=OuterRef("pk"))
    match state:
        case "published":
            apps = apps.filter(published=True)
        case "draft":
            apps = apps.filter(Exists(versions.filter(state=Version.State.DRAFT)))
        case "hidden":
            apps = apps.filter(published=False)
        case "image":
            image = Q(image="") | Q(image_state=Version.ImageState.MISSING)
            apps = apps.filter(Exists(versions.exclude(state=Version.State.RETIRED).filter(image)))
    return apps.order_by("-updated_at", "pk")


def _rows(page: Page[App]) -> list[Row]:
    """Each app with its versions, newest first: without their texts, and with the number of the newest one's warnings."""
    rows = {app.pk: Row(app) for app in page}
    for version in Version.objects.filter(app__in=rows).defer(*Version.LARGE):
        row = rows[version.app_id]
        row.states[version.state] = row.states.get(version.state, 0) + 1
        if row.newest is None:
            version.app = row.app
            row.newest = version
    warnings = RawSQL(COUNT_WARNINGS, (), output_field=IntegerField())  # noqa: S611  a constant of ours
    newest = {row.newest.pk: row for row in rows.values() if row.newest}
    for pk, number in Version.objects.filter(pk__in=newest).annotate(number=warnings).values_list("pk", "number"):
        newest[pk].warnings = number
    return list(rows.values())


@require_http_methods(["GET", "HEAD", "POST"])
def import_page(request: HttpRequest) -> HttpResponse:
    """GET shows the form (`?app=` and `?image=` fill in fields, `?start=default` a definition for any image); POST imports
    as a draft, or shows why not."""
    user = signed_in(request)
    require_curator(user)
    if request.method != "POST":
        image = request.GET.get("image", "").replace("\0", "").strip()[:500]
        form = ImportForm(initial={"slug": request.GET.get("app", "")[:80], "image": image})
        if request.GET.get("start") == "default":
            started = default_definition(image)
            return _show_import(request, form, started, services.read_definition(started))
        return _show_import(request, form, "", None)
    form = ImportForm(request.POST, request.FILES)
    text, reading = _text_of(form) if form.is_valid() else (request.POST.get("definition", ""), None)
    if form.is_valid() and reading is None:
        wanted = form.cleaned_data
        try:
            done = services.import_definition(
                text=text, actor=user, image=wanted["image"], slug=wanted["slug"], label=wanted["label"]
            )
        except PortalError as refusal:
            if refusal.code not in FIELD_OF:
                raise
            form.add_error(FIELD_OF[refusal.code], refusal.message)
        else:
            if done.version is not None:
                _say(request, done)
                return redirect(done.version.get_curate_url())
            reading = done.reading
    if reading is None and text:
        reading = services.read_definition(text)
    shown = text if isinstance(text, str) else text.decode("utf-8", "replace")
    return _show_import(request, form, shown, reading, status=422)


def _text_of(form: ImportForm) -> tuple[str | bytes, Reading | None]:
    """The text, or the finding that says why it is not even read."""
    file = form.cleaned_data.get("file")
    if not file:
        return form.cleaned_data["definition"], None
    if file.size > size_limit_bytes():
        return form.cleaned_data["definition"], Reading(None, (too_large(file.size, size_limit_bytes()),))
    return file.read(), None


def _say(request: HttpRequest, done: services.Imported) -> None:
    if done.version is None:
        return
    what = f"version {done.version.label} of {done.version.app.name}"
    if done.created:
        messages.success(request, f"Imported as {what}, a draft. Look it over, then publish it.")
    else:
        messages.info(request, f"This definition is there already: {what}. Nothing was added.")


def _show_import(
    request: HttpRequest, form: ImportForm, text: str, reading: Reading | None, status: int = 200
) -> HttpResponse:
    remarks = Remarks(reading.findings) if reading else None
    shown = {
        "form": form,
        "text": text,
        "reading": reading,
        "remarks": remarks,
        "numbered": number_lines(text, remarks.findings) if remarks and text else None,
        "limit_bytes": size_limit_bytes(),
    }
    return render(request, "apps_catalog/import.html", shown, status=status)


@require_POST
def check(request: HttpRequest) -> HttpResponse:
    """The findings of the text in the editor, while it is written. Nothing is stored."""
    require_curator(signed_in(request))
    text = request.POST.get("definition", "").replace("\r\n", "\n")
    if not text.strip():
        return render(request, "apps_catalog/_check.html", {"reading": None})
    reading = services.read_definition(text)
    return render(request, "apps_catalog/_check.html", {"reading": reading, "remarks": Remarks(reading.findings)})


urlpatterns: list[URLPattern] = [
    path("curate/", curate, name="curate"),
    path("curate/import/", import_page, name="curate-import"),
    path("curate/import/check/", check, name="curate-check"),
]
