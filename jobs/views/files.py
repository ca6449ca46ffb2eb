"""The file pages: what is in a vault, and the picker that the launch form opens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_GET, require_POST, require_safe

from jobs import safe_paths, vaults
from jobs.listing import LISTED_MAX, SORTS, Entry, Listing, Sort
from jobs.models import Vault
from jobs.vault_locations import VaultAway
from jobs.vault_s3 import ObjectsAway, ObjectsRefused
from jobs.views.downloads import Attachment
from jobs.views.uploads import told_in_json
from jobs.views.vaults import room_of
from portal.bodies import body_pieces
from portal.errors import PortalError
from portal.people import signed_in
from portal.people.audit import audit

PAGE = 200
PICKED = 200
AWAY = (ObjectsAway, ObjectsRefused, VaultAway)
PATTERNS_MAX = 20
COLUMNS = (("name", "Name"), ("size", "Size"), ("time", "Changed"))


@dataclass(frozen=True)
class Row:
    """An entry with where it leads. `path` is what addresses it in its vault."""

    entry: Entry
    path: str
    url: str


def below(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def address(vault: Vault, view: str = "files", **query: object) -> str:
    """The address of a page of this vault; empty values are left out of the query."""
    given = {key: str(value) for key, value in query.items() if value not in ("", None)}
    return reverse(f"jobs:{view}", args=[vault.name]) + (f"?{urlencode(given)}" if given else "")


@require_safe
def folder(request: HttpRequest, vault: str) -> HttpResponse:
    """A folder of a vault: `?path=`, `search`, `sort` and `page`."""
    here = vaults.visible_vault(signed_in(request), vault)
    search, sort = request.GET.get("search", "")[:200], _sort(request)
    number = _page(request)
    offset = (number - 1) * PAGE
    asked_path = request.GET.get("path", "")
    try:
        listing = vaults.list_folder(here, asked_path, search=search, sort=sort, offset=offset, limit=PAGE)
    except AWAY as fault:
        again = request.get_full_path()
        return render(
            request, "jobs/files_away.html", {"vault": here, "fault": fault, "again": again}, status=fault.status
        )
    asked = {"path": listing.path, "search": search, "sort": sort if sort != "name" else ""}
    shown = {
        "vault": here,
        "room": room_of(here).room,
        "listing": listing,
        "rows": _rows(here, listing),
        "crumbs": _crumbs(here, listing.path),
        "columns": [_column(here, key, words, asked, sort) for key, words in COLUMNS],
        "search": search,
        "sort": sort,
        "first": offset + 1,
        "last": offset + len(listing.entries),
        "previous": address(here, **asked, page=number - 1) if number > 1 else "",
        "next": address(here, **asked, page=number + 1) if offset + PAGE < listing.total else "",
        "cleared": address(here, path=listing.path, sort=asked["sort"]),
        "upload_url": address(here, "files-upload", path=listing.path),
        "upload_limit": settings.UPLOAD_LIMIT_MIB * 2**20,
    }
    return render(request, "jobs/files.html", shown)


def _sort(request: HttpRequest) -> Sort:
    return next((one for one in SORTS if one == request.GET.get("sort")), "name")


def _page(request: HttpRequest) -> int:
    asked = request.GET.get("page", "")
    return max(int(asked), 1) if asked.isdecimal() and len(asked) < 7 else 1


def _rows(vault: Vault, listing: Listing) -> list[Row]:
    rows = []
    for entry in listing.entries:
        there = below(listing.path, entry.name)
        view = {"folder": "files", "file": "files-download"}.get(entry.kind)
        rows.append(Row(entry, there, address(vault, view, path=there) if view else ""))
    return rows


def _crumbs(vault: Vault, here: str) -> list[tuple[str, str]]:
    """(name, address) of the folders above and this one."""
    names = here.split("/") if here else []
    return [(name, address(vault, path="/".join(names[: number + 1]))) for number, name in enumerate(names)]


def _column(vault: Vault, key: str, words: str, asked: dict[str, str], sort: str) -> dict[str, str]:
    """A head of the table: a second click turns its order round."""
    turned = f"-{key}" if sort == key else key
    direction = {key: "ascending", f"-{key}": "descending"}.get(sort, "")
    url = address(vault, **{**asked, "sort": turned if turned != "name" else ""})
    return {"key": key, "words": words, "url": url, "direction": direction}


@require_GET
def download(request: HttpRequest, vault: str) -> Attachment:
    """A file, always as an attachment."""
    here = vaults.visible_vault(signed_in(request), vault)
    asked = request.GET.get("path", "")
    return Attachment(vaults.open_file(here, asked), asked)


@require_safe
def pick(request: HttpRequest, vault: str) -> HttpResponse:
    """A page of a folder to choose from: `?path=`, `filter` (shell patterns with | between), `search`, `sort`, `offset`."""
    here = vaults.visible_vault(signed_in(request), vault)
    patterns = [one.strip()[:200] for one in request.GET.get("filter", "").split("|") if one.strip()][:PATTERNS_MAX]
    asked = request.GET.get("offset", "")
    offset = min(int(asked), LISTED_MAX) if asked.isdecimal() and len(asked) < 9 else 0
    listing = vaults.list_folder(
        here,
        request.GET.get("path", ""),
        patterns=patterns,
        search=request.GET.get("search", "")[:200],
        sort=_sort(request),
        offset=offset,
        limit=PICKED,
    )
    return picker(request, here.name, listing, offset, patterns)


def picker(
    request: HttpRequest, name: str, listing: Listing, offset: int, patterns: Sequence[str] = ()
) -> HttpResponse:
    """A page of a folder as picker.js shows it, of a vault or of whatever else has folders."""
    end = offset + len(listing.entries)
    names = listing.path.split("/") if listing.path else []
    shown = {
        "name": name,
        "listing": listing,
        "rows": [(entry, below(listing.path, entry.name)) for entry in listing.entries],
        "crumbs": [(name, "/".join(names[: number + 1])) for number, name in enumerate(names)],
        "above": "/".join(names[:-1]),
        "offset": offset,
        "end": end,
        "more": end if end < listing.total and listing.entries else None,
        "patterns": patterns,
        "searched": bool(request.GET.get("search")),
    }
    return render(request, "jobs/_files_picker.html", shown)


# Changes. Each works as a plain form; where more must be asked first, the same address asks.


@require_POST
def upload(request: HttpRequest, vault: str) -> HttpResponse:
    """Files into `?path=`: from a plain form (multipart, several), or from the script (one file as the body)."""
    if request.content_type == "multipart/form-data":
        return _upload_form(request, vault)
    return _upload_body(request, vault)


@told_in_json
def _upload_body(request: HttpRequest, vault: str) -> HttpResponse:
    here = vaults.visible_vault(signed_in(request), vault)
    there = below(request.GET.get("path", ""), _only_name(request.GET.get("name", "")))
    entry = vaults.save_file(here, there, body_pieces(request), replace=request.GET.get("replace") == "1")
    return JsonResponse({"name": entry.name, "size": entry.size}, status=201)


def _upload_form(request: HttpRequest, vault: str) -> HttpResponse:
    here = vaults.visible_vault(signed_in(request), vault)
    within = request.GET.get("path", "")
    sent = request.FILES.getlist("file")
    arrived = 0
    for file in sent:
        try:
            name = _only_name(file.name or "")
            vaults.save_file(here, below(within, name), file.chunks(), replace="replace" in request.POST)
            arrived += 1
        except PortalError as error:
            messages.error(request, error.message)
    if not sent:
        messages.warning(request, "No file was chosen.")
    if arrived:
        messages.success(request, "1 file arrived." if arrived == 1 else f"{arrived} files arrived.")
    return redirect(address(here, path=within))


def _only_name(name: str) -> str:
    """The last part of what a browser calls a file. Raises PathRefused for what can't be a name."""
    return safe_paths.fresh_name(name.replace("\\", "/").rsplit("/", 1)[-1])


@require_POST
def make_folder(request: HttpRequest, vault: str) -> HttpResponse:
    here = vaults.visible_vault(signed_in(request), vault)
    within, name = request.POST.get("path", ""), request.POST.get("name", "").strip()
    try:
        vaults.make_folder(here, below(within, safe_paths.fresh_name(name)))
        messages.success(request, "The folder is made.")
    except PortalError as error:
        messages.error(request, error.message)
    return redirect(address(here, path=within))


@require_POST
def rename(request: HttpRequest, vault: str) -> HttpResponse:
    """Asks for the new name, then gives it."""
    here = vaults.visible_vault(signed_in(request), vault)
    within, names = request.POST.get("path", ""), request.POST.getlist("name")
    if len(names) != 1:
        messages.warning(request, "Choose one file or folder to rename.")
        return redirect(address(here, path=within))
    to = request.POST.get("to")
    if to is not None:
        try:
            vaults.rename(here, below(within, names[0]), to.strip())
        except PortalError as error:
            return _ask(request, here, "rename", within, names, to=to, fault=error)
        return redirect(address(here, path=within))
    return _ask(request, here, "rename", within, names, to=names[0])


@require_POST
def move(request: HttpRequest, vault: str) -> HttpResponse:
    """Asks for the folder, then moves what was chosen into it."""
    here = vaults.visible_vault(signed_in(request), vault)
    within, names = request.POST.get("path", ""), request.POST.getlist("name")
    to = request.POST.get("to")
    if to is None and names:
        return _ask(request, here, "move", within, names, to="", folders=_near(here, within, names))
    moved = 0
    try:
        for name in names:
            vaults.move(here, below(within, name), to or "")
            moved += 1
    except PortalError as error:
        return _ask(
            request, here, "move", within, names[moved:], to=to, folders=_near(here, within, names), fault=error
        )
    _say(request, moved, "moved")
    return redirect(address(here, path=within))


def _near(vault: Vault, within: str, names: Sequence[str]) -> list[str]:
    """Folders that come to mind as a target: those here, and those above."""
    beside = vaults.list_folder(vault, within, limit=PAGE).entries
    inside = [below(within, one.name) for one in beside if one.kind == "folder" and one.name not in names]
    steps = within.split("/") if within else []
    return ["/".join(steps[:number]) for number in range(len(steps) - 1, 0, -1)] + inside


@require_POST
def delete(request: HttpRequest, vault: str) -> HttpResponse:
    """Asks whether it is meant, then removes what was chosen."""
    here = vaults.visible_vault(signed_in(request), vault)
    within, names = request.POST.get("path", ""), request.POST.getlist("name")
    if names and request.POST.get("sure") != "yes":
        return _ask(request, here, "delete", within, names)
    gone = 0
    for name in names:
        try:
            vaults.delete(here, below(within, name))
            gone += 1
        except PortalError as error:
            messages.error(request, error.message)
    if gone:
        audit("files.deleted", request=request, target=here.name, path=within[:1000], count=gone)
    _say(request, gone, "deleted")
    return redirect(address(here, path=within))


def _say(request: HttpRequest, count: int, done: str) -> None:
    if count:
        messages.success(request, f"1 thing was {done}." if count == 1 else f"{count} things were {done}.")
    else:
        messages.warning(request, f"Nothing was {done}: choose files or folders first.")


def _ask(
    request: HttpRequest,
    vault: Vault,
    act: str,
    within: str,
    names: Sequence[str],
    *,
    to: str | None = None,
    folders: Sequence[str] = (),
    fault: PortalError | None = None,
) -> HttpResponse:
    """The question as a page, or as a part for the dialog of the folder's page."""
    shown = {
        "vault": vault,
        "act": act,
        "part": f"jobs/_files_{act}.html",
        "path": within,
        "names": names,
        "to": to,
        "folders": folders,
        "fault": fault,
        "action": address(vault, f"files-{act}"),
        "back": address(vault, path=within),
    }
    in_dialog = request.headers.get("X-Requested-With") == "dialog"
    return render(
        request,
        str(shown["part"]) if in_dialog else "jobs/files_ask.html",
        shown,
        status=fault.status if fault else 200,
    )


urls: list[URLPattern] = [
    path("files/<str:vault>/", folder, name="files"),
    path("files/<str:vault>/download/", download, name="files-download"),
    path("files/<str:vault>/pick/", pick, name="picker"),
    path("files/<str:vault>/upload/", upload, name="files-upload"),
    path("files/<str:vault>/mkdir/", make_folder, name="files-mkdir"),
    path("files/<str:vault>/rename/", rename, name="files-rename"),
    path("files/<str:vault>/move/", move, name="files-move"),
    path("files/<str:vault>/delete/", delete, name="files-delete"),
]
