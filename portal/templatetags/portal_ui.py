"""What every template may use: icons, navigation, times, sizes, durations, form fields."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from django import forms, template
from django.conf import settings
from django.forms import BoundField
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, strip_tags
from django.utils.safestring import SafeString

register = template.Library()

# Label, URL name, icon, and the property of the user that shows it ("" = everyone who is signed in).
NAVIGATION = (
    ("Catalog", "apps_catalog:catalog", "apps", ""),
    ("Jobs", "jobs:jobs", "player-play", ""),
    ("Templates", "jobs:templates", "list-details", ""),
    ("Files", "jobs:vaults", "folder", ""),
    ("Curate", "apps_catalog:curate", "adjustments-horizontal", "curates"),
    ("Hosts", "jobs:hosts", "server-2", "operates"),
)
PERSONAL = (
    ("Account", "people:account", "user", ""),
    ("API tokens", "people:tokens", "key", ""),
    ("Secrets", "people:secrets", "lock", ""),
    ("Administration", "admin:index", "settings", "is_staff"),
)
MESSAGE_ICONS = {
    "success": "circle-check",
    "info": "info-circle",
    "warning": "alert-triangle",
    "error": "alert-circle",
    "debug": "tool",
}
STATUS_TITLES = {
    400: "This can't be done as asked",
    403: "You may not do this",
    404: "Nothing is here",
    409: "Not possible right now",
    413: "That is too large",
    422: "Something needs fixing",
}
SIZE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
STATUS_ICONS = {403: "lock", 404: "search", 409: "hourglass", 413: "archive"}


@dataclass(frozen=True)
class NavigationItem:
    label: str
    url: str
    icon: str
    current: str  # the value of aria-current; "" where the page is another


@register.filter
def navigation(request: HttpRequest) -> list[NavigationItem]:
    """The main menu for this person; the longest address that begins the page's own is the current one."""
    shown = [
        (label, reverse(name), icon)
        for label, name, icon, needs in NAVIGATION
        if not needs or getattr(request.user, needs)
    ]
    here = request.path
    home = reverse("apps_catalog:catalog")  # which begins every address: its room are itself and the apps
    rooms = {url: url if url != home else f"{home}apps/" for _, url, _ in shown}
    nearest = max((url for url, room in rooms.items() if here == url or here.startswith(room)), key=len, default="")
    return [
        NavigationItem(label, url, icon, ("page" if here == url else "true") if url == nearest else "")
        for label, url, icon in shown
    ]


@register.filter
def personal(request: HttpRequest) -> list[NavigationItem]:
    """What a person's own menu leads to."""
    return [
        NavigationItem(label, reverse(name), icon, "")
        for label, name, icon, needs in PERSONAL
        if not needs or getattr(request.user, needs)
    ]


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """One of the icons of static/portal/icons.svg. Decorative: the words beside it carry the meaning."""
    address = f"{static('portal/icons.svg')}#{name}"
    return format_html(
        '<svg class="icon{}" aria-hidden="true" focusable="false"><use href="{}"></use></svg>',
        f" {extra}" if extra else "",
        address,
    )


@register.simple_tag
def brand_mark() -> SafeString:
    return format_html('<img class="brand-mark" src="{}" alt="" width="28" height="28">', static("portal/mark.svg"))


@register.simple_tag
def portal_version() -> str:
    return str(settings.SPECTACULAR_SETTINGS["VERSION"])


@register.filter
def message_icon(level: str) -> str:
    return MESSAGE_ICONS.get(level, "info-circle")


@register.filter
def status_title(status: int) -> str:
    return STATUS_TITLES.get(status) or HTTPStatus(status).phrase


@register.filter
def status_icon(status: int) -> str:
    return STATUS_ICONS.get(status, "alert-triangle")


@register.filter
def reltime(moment: datetime | None) -> str:
    """ "just now", "5 min ago", "in 3 h", "2 d ago"; from 30 days on the date. portal.js says the same."""
    if moment is None:
        return ""
    seconds = (timezone.now() - moment).total_seconds()
    for limit_s, unit_s, unit in ((45, 0, ""), (3600, 60, "min"), (86_400, 3600, "h"), (30 * 86_400, 86_400, "d")):
        if abs(seconds) < limit_s:
            if not unit:
                return "just now"
            amount = f"{max(1, round(abs(seconds) / unit_s))} {unit}"
            return f"{amount} ago" if seconds >= 0 else f"in {amount}"
    return f"{timezone.localtime(moment):%Y-%m-%d}"


@register.filter
def binsize(size: float | None) -> str:
    """Bytes in binary units: 999 B, 1.5 KiB, 12 MiB."""
    if size is None:
        return ""
    value, exponent = float(size), 0
    while abs(value) >= 1024 and exponent < len(SIZE_UNITS) - 1:
        value, exponent = value / 1024, exponent + 1
    places = 1 if exponent and abs(value) < 10 else 0
    return f"{value:.{places}f} {SIZE_UNITS[exponent]}"


@register.filter
def mib(size_mib: float | str | None) -> str:
    """MiB in the unit that reads best."""
    return binsize(float(size_mib) * 2**20) if size_mib else ""  # a template gives "" where there is no figure


@register.filter
def duration(seconds: float | None) -> str:
    """0.4 s, 12 s, 3 min 5 s, 2 h 10 min, 3 d 4 h."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s".replace(".0 s", " s")
    whole = round(seconds)
    for unit_s, unit, part_s, part in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit_s:
            rest = whole % unit_s // part_s
            return f"{whole // unit_s} {unit}" + (f" {rest} {part}" if rest else "")
    return f"{whole} s"


@register.filter
def is_checkbox(field: BoundField) -> bool:
    return isinstance(field.field.widget, forms.CheckboxInput)


@register.filter
def is_group(field: BoundField) -> bool:
    return isinstance(field.field.widget, forms.RadioSelect | forms.CheckboxSelectMultiple)


@register.filter
def styled(field: BoundField) -> SafeString:
    """The field's widget with our classes, and its error and help tied to it for screen readers."""
    widget = field.field.widget
    match widget:
        case forms.CheckboxInput():
            css = "form-check-input"
        case forms.Select():
            css = "form-select"
        case _:
            css = "form-control"
    attributes: dict[str, Any] = {"class": f"{css} is-invalid" if field.errors else css}
    described = [f"{field.auto_id}_helptext"] if field.help_text else []
    if field.errors:
        attributes["aria-invalid"] = "true"
        described.append(f"{field.auto_id}_error")
    if described:
        attributes["aria-describedby"] = " ".join(described)
    return field.as_widget(attrs=attributes)


@register.filter
def plain_entry(field: BoundField) -> SafeString:
    """The widget of a text field whose words stand in the label: no placeholder, no help of the library's."""
    attributes: dict[str, Any] = {"class": f"form-control{' is-invalid' if field.errors else ''}", "placeholder": False}
    attributes["aria-describedby"] = False
    if field.errors:
        attributes |= {"aria-invalid": "true", "aria-describedby": f"{field.auto_id}_error"}
    return field.as_widget(attrs=attributes)


@register.filter
def safe_help(text: object) -> str:
    """Help texts of Django's password validators are HTML lists: their words, without the markup."""
    return " ".join(strip_tags(str(text).replace("</li>", " ")).split())
