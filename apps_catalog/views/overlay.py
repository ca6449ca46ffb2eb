"""The overlay editor: a curator's words and limits over an author's definition, part by part, beside the form they give."""

from __future__ import annotations

import base64
import copy
import json
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import messages
from django.core.files import File
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods
from django_jsonform.constants import JOIN_SYMBOL
from django_jsonform.widgets import JSONFormWidget

from apps_catalog import services
from apps_catalog.icons import BYTES_MAX
from apps_catalog.launch.overlay_editor import (
    PER_PAGE,
    Part,
    data_of,
    numbered,
    part_at,
    parts_of,
    place_of,
    said,
    schema_of,
    without,
)
from apps_catalog.launch.spec import Fault, Json, LaunchSpec
from apps_catalog.models import Version
from apps_catalog.views.versions import VERSION, find_version
from portal.errors import FaultLike, Invalid
from portal.people import signed_in

TITLES = {"app": "The app", "command": "Command", "order": "Order in the form"}


@require_http_methods(["GET", "HEAD", "POST"])
def overlay_page(request: HttpRequest, slug: str, label: str) -> HttpResponse:
    """`?command=`, `?part=` and `?page=` choose what is edited. POST saves it, or with `do` resets it or everything."""
    user = signed_in(request)
    version = find_version(user, slug, label)
    spec = services.authored_spec(version)
    page = request.GET.get("page", "")
    number = int(page) if page.isascii() and page.isdigit() and len(page) < 5 else 1
    part = part_at(spec, request.GET.get("command", ""), request.GET.get("part", ""), number)
    if request.method != "POST":
        return _show(request, version, part)
    do = request.POST.get("do", "save")
    try:
        overlay = _wanted(request, version, spec, part, do)
        services.set_overlay(version=version, actor=user, overlay=overlay)
    except Invalid as refused:
        return _show(request, version, part, typed=request.POST.get("entry", ""), faults=refused.faults)
    if do.startswith("reset"):
        messages.success(request, "Back to the author's. The form follows at once.")
    else:
        messages.success(request, "Saved. The form follows at once; jobs that were launched keep what they were given.")
    following = _after(spec, part) if do == "next" else part
    answer = redirect(address_of(version, following))
    answer.status_code = 303
    return answer


def _wanted(request: HttpRequest, version: Version, spec: LaunchSpec, part: Part, do: str) -> Json:
    if do == "reset-all":
        return {}
    if do == "reset":
        return without(spec, version.overlay, part)
    overlay = services.edited_overlay(version=version, part=part, text=request.POST.get("entry", ""))
    if part.kind == "app":
        if "no_icon" in request.POST:
            overlay.pop("icon", None)
        if file := request.FILES.get("icon"):
            overlay["icon"] = _icon(file)
    return overlay


def _icon(file: File[bytes]) -> str:
    if file.size > BYTES_MAX:
        words = f"has more than {BYTES_MAX // 2**20} MiB. Choose a smaller picture"
        raise Invalid("The icon is too large.", faults=[Fault("/icon", "too-large", words)])
    return base64.b64encode(file.read()).decode()


def every_part(spec: LaunchSpec) -> list[Part]:
    return [Part("app"), *(part for command in spec.commands.values() for part in parts_of(command))]


def _after(spec: LaunchSpec, part: Part) -> Part:
    parts = every_part(spec)
    return parts[min(parts.index(part) + 1, len(parts) - 1)]


def query_of(part: Part) -> str:
    asked = {"command": part.command, "part": part.kind, "page": part.page} if part.command else {}
    return urlencode(asked)


def address_of(version: Version, part: Part) -> str:
    base = reverse("apps_catalog:curate-overlay", args=[version.app.slug, version.label])
    return f"{base}?{query_of(part)}" if part.command else base


@dataclass(frozen=True)
class Choice:
    """One part as a link. `said` is how many of its things are a curator's."""

    title: str
    address: str
    said: int
    current: bool


@dataclass(frozen=True)
class Group:
    """The parts of one command."""

    title: str
    choices: list[Choice]
    current: bool


def _title(spec: LaunchSpec, part: Part) -> str:
    if part.kind != "parameters":
        return TITLES[part.kind]
    total, start = len(spec.commands[part.command].parameters), (part.page - 1) * PER_PAGE
    return f"Parameters {start + 1} to {min(start + PER_PAGE, total)}" if total > PER_PAGE else "Parameters"


def _groups(version: Version, spec: LaunchSpec, current: Part) -> list[Group]:
    def choice(part: Part) -> Choice:
        number = said(spec, version.overlay, part)
        return Choice(_title(spec, part), address_of(version, part), number, part == current)

    rows = [(command.name, command.key, parts_of(command)) for command in spec.commands.values()]
    commands = [Group(name, [choice(part) for part in parts], key == current.command) for name, key, parts in rows]
    return [Group("", [choice(Part("app"))], current.kind == "app"), *commands]


def _show(
    request: HttpRequest, version: Version, part: Part, *, typed: str = "", faults: tuple[FaultLike, ...] = ()
) -> HttpResponse:
    spec = services.authored_spec(version)
    text = typed or json.dumps(data_of(spec, version.overlay, part))
    shown = {
        "app": version.app,
        "version": version,
        "part": part,
        "title": _title(spec, part),
        "command": spec.commands.get(part.command),
        "groups": _groups(version, spec, part),
        "editor": _editor(spec, part, text, faults),
        "faults": [(_named(spec, part, fault), fault.message) for fault in faults],
        "query": query_of(part),
        "last": _after(spec, part) == part,
        "icon": version.overlay.get("icon", ""),
    }
    return render(request, "apps_catalog/overlay.html", shown, status=422 if faults else 200)


def _editor(spec: LaunchSpec, part: Part, text: str, faults: tuple[FaultLike, ...]) -> SafeString:
    """django-jsonform's widget on a copy of our schema: it changes the one it is given."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        text = json.dumps({})
    widget = JSONFormWidget(schema=copy.deepcopy(schema_of(spec, part)))
    errors: dict[str, list[str]] = {}
    for fault in faults:
        place = place_of(spec, part, fault.pointer)
        if place:
            errors.setdefault(JOIN_SYMBOL.join(place), []).append(f"{fault.message[:1].upper()}{fault.message[1:]}.")
    widget.add_error(errors)
    html: SafeString = widget.render("entry", text, attrs={"id": "id_entry"})
    return html


def _named(spec: LaunchSpec, part: Part, fault: FaultLike) -> str:
    """What a fault is about: the parameter and field, or the pointer where it is on another page."""
    place = place_of(spec, part, fault.pointer)
    if place is None:
        return fault.pointer
    command = spec.commands.get(part.command) if part.kind == "parameters" else None
    names = {name: one.label for name, one in numbered(command, part)} if command else {}
    field = schema_of(spec, part)["keys"]
    inner = field.get(place[0], {})
    title = inner.get("keys", {}).get(place[1], {}).get("title", "") if len(place) > 1 else inner.get("title", place[0])
    return ", ".join(word for word in (names.get(place[0], ""), str(title)) if word) or fault.pointer


urlpatterns: list[URLPattern] = [path(f"{VERSION}overlay/", overlay_page, name="curate-overlay")]
