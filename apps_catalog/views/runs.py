"""Imports of several files at once: choose them, and look over what came of them, errors first."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.db.models import F, Func, IntegerField
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.views.decorators.http import require_http_methods, require_safe

from apps_catalog import services
from apps_catalog.launch.document import too_large
from apps_catalog.launch.spec import Finding
from apps_catalog.models import ImportRun
from apps_catalog.numbered import Remarks
from apps_catalog.services.bulk import Entry, Wish, import_one, record_run
from apps_catalog.services.publishing import IMAGE_RULE, require_curator
from apps_catalog.services.reading import size_limit_bytes
from portal.errors import NotFound
from portal.people import signed_in

PAGE = 40
RUNS_SHOWN = 30
LEVELS = {
    "": "All files",
    "error": "With errors",
    "warning": "With warnings",
    "info": "With notes",
    "clean": "Without remarks",
}
ORDER = {"error": 0, "warning": 1, "info": 2, "clean": 3}


@require_http_methods(["GET", "HEAD", "POST"])
def import_runs(request: HttpRequest) -> HttpResponse:
    """GET: the runs so far, and the form for another. POST imports the files sent, and shows what came of them."""
    user = signed_in(request)
    require_curator(user)
    if request.method != "POST":
        return _show(request)
    files = request.FILES.getlist("files")
    image = request.POST.get("image", "").strip()
    if not files:
        return _show(request, files_error="Choose one or more AppDef.json files.", status=422)
    if image and not services.image_fits(image):
        return _show(request, image_error=IMAGE_RULE, status=422)
    wish = Wish(user, image)
    entries = [import_one(wish, file.name or "a file", _text_of(file)) for file in files]
    run = record_run(wish, entries, source=f"{len(entries)} files from the browser")
    good = sum(entry["ok"] for entry in entries)
    messages.success(request, f"{good} of {len(entries)} files imported as drafts.")
    answer = redirect(run.get_absolute_url())
    answer.status_code = 303
    return answer


def _text_of(file: UploadedFile[bytes]) -> bytes | Finding:
    limit = size_limit_bytes()
    return too_large(file.size or 0, limit) if (file.size or 0) > limit else file.read()


def _show(request: HttpRequest, *, files_error: str = "", image_error: str = "", status: int = 200) -> HttpResponse:
    count = Func(F("entries"), function="jsonb_array_length", output_field=IntegerField())
    runs = ImportRun.objects.select_related("actor").annotate(count=count).defer("entries")[:RUNS_SHOWN]
    shown = {
        "runs": runs,
        "files_error": files_error,
        "image_error": image_error,
        "image": request.POST.get("image", ""),
    }
    return render(request, "apps_catalog/import_runs.html", shown, status=status)


@dataclass(frozen=True)
class Row:
    """One file of a run with its remarks."""

    entry: Entry
    remarks: Remarks

    @classmethod
    def of(cls, entry: Entry) -> Row:
        return cls(entry, Remarks(tuple(Finding(**finding) for finding in entry["findings"])))


def worst(entry: Entry) -> str:
    """The level of the worst remark on a file."""
    levels = {finding["level"] for finding in entry["findings"]}
    return next(
        (level for level in ("error", "warning", "info") if level in levels), "clean" if entry["ok"] else "error"
    )


@require_safe
def import_run(request: HttpRequest, pk: int) -> HttpResponse:
    """`?level=`, `?q=` (in paths, names and remarks) and `?page=`."""
    require_curator(signed_in(request))
    run = ImportRun.objects.select_related("actor").filter(pk=pk).first()
    if run is None:
        raise NotFound("There is no such import.")
    level = request.GET.get("level", "") if request.GET.get("level", "") in LEVELS else ""
    text = request.GET.get("q", "").replace("\0", "").strip()[:200]
    levels = [worst(entry) for entry in run.entries]
    found = [
        (entry, rank)
        for entry, rank in zip(run.entries, levels, strict=True)
        if level in ("", rank) and (not text or _says(entry, text.lower()))
    ]
    found.sort(key=lambda pair: ORDER[pair[1]])
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))

    def query(number: int) -> str:
        return urlencode({"q": text, "level": level, "page": number})

    shown = {
        "run": run,
        "rows": [Row.of(entry) for entry, _ in page],
        "counts": [(key, words, levels.count(key) if key else len(levels)) for key, words in LEVELS.items()],
        "level": level,
        "text": text,
        "newer": query(page.number - 1) if page.has_previous() else "",
        "older": query(page.number + 1) if page.has_next() else "",
        "place": f"Page {page.number} of {page.paginator.num_pages}",
    }
    return render(request, "apps_catalog/import_run.html", shown)


def _says(entry: Entry, text: str) -> bool:
    words = (entry["path"], entry["app"] or "", entry["slug"] or "")
    return any(text in word.lower() for word in words) or any(
        text in finding["message"].lower() or text in finding["code"] for finding in entry["findings"]
    )


urlpatterns: list[URLPattern] = [
    path("curate/imports/", import_runs, name="import-runs"),
    path("curate/imports/<int:pk>/", import_run, name="import-run"),
]
