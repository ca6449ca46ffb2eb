"""From the text of a version, and the overlay on it, to its launch spec: bounded when it comes in, cached by digests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from threading import Lock

from django.conf import settings

from apps_catalog import icons
from apps_catalog.launch import overlay as overlays
from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.bytenite import read_bytenite
from apps_catalog.launch.document import too_large
from apps_catalog.launch.positions import find_positions
from apps_catalog.launch.spec import Finding, LaunchSpec, Reading
from apps_catalog.models import App, Version
from portal.errors import Conflict

# Of a definition and, for bundles, the schema.json beside it.
READERS: dict[str, Callable[[str, str], Reading]] = {
    App.Kind.APPDEF: lambda text, _schema: read_appdef(text),
    App.Kind.BYTENITE: read_bytenite,
}
SPECS_KEPT = 512

_specs: dict[tuple[str, str], LaunchSpec] = {}  # by digests of definition and overlay, oldest first
_specs_lock = Lock()


def size_limit_bytes() -> int:
    return int(settings.APPDEF_LIMIT_MIB) * 2**20


def read_definition(text: str | bytes) -> Reading:
    """The reading of a text that someone wants to import: its size is judged first, its icon too. Never raises."""
    limit = size_limit_bytes()
    if len(text) > limit:
        return Reading(None, (too_large(len(text), limit),))
    reading = read_appdef(text)
    if reading.spec is None:
        return reading
    problem = icons.draw(reading.spec.icon_base64, reading.spec.icon_type).problem
    if not problem:
        return reading
    plain = text if isinstance(text, str) else text.decode("utf-8")
    line, column = find_positions(plain.removeprefix("\ufeff")).of("/image/data")
    finding = Finding("info", "icon-unreadable", problem, "/image/data", line, column)
    return replace(reading, findings=(*reading.findings, finding))


def spec_of(version: Version) -> LaunchSpec:
    """What a stored version means, its overlay over it. Costs a dictionary look-up after the first time in a process.

    Raises Conflict where a definition that was once imported, or its overlay, is refused by the reader of today.
    """
    if not version.overlay_digest:
        return authored_spec(version)
    return _kept((version.digest, version.overlay_digest), lambda: _with_overlay(version))


def authored_spec(version: Version) -> LaunchSpec:
    """What the author's definition means, without the overlay. Raises Conflict where it can't be read any more."""
    return _kept((version.digest, ""), lambda: _read(version))


def _kept(key: tuple[str, str], make: Callable[[], LaunchSpec]) -> LaunchSpec:
    spec = _specs.get(key)
    if spec is None:
        spec = make()
        with _specs_lock:
            _specs[key] = spec
            if len(_specs) > SPECS_KEPT:
                del _specs[next(iter(_specs))]
    return spec


def _with_overlay(version: Version) -> LaunchSpec:
    shaped = overlays.apply(authored_spec(version), version.overlay)
    if isinstance(shaped, list):
        raise Conflict(
            f"The overlay of version {version.label} of {version.app.name} no longer fits its definition: "
            f"{shaped[0].pointer} {shaped[0].message}. Ask a curator to look it over.",
            code="unreadable_overlay",
        )
    return shaped


def _read(version: Version) -> LaunchSpec:
    reading = READERS[version.app.kind](version.definition, version.schema_text)
    if reading.spec is None:
        why = next((finding.message for finding in reading.findings if finding.level == "error"), "")
        raise Conflict(
            f"Version {version.label} of {version.app.name} can no longer be read: {why} Ask a curator to import it anew.",
            code="unreadable_definition",
        )
    return reading.spec


def not_launchable(version: Version) -> str:
    """Why this version can't be launched now, in plain words; "" when it can."""
    match version.state:
        case Version.State.DRAFT:
            return "This version is a draft. A curator has to publish it first."
        case Version.State.RETIRED:
            return "This version is retired. Choose a newer one."
    if not version.image:
        return "This version has no container image yet. A curator has to name one."
    if version.image_state == Version.ImageState.MISSING:
        why = version.image_message.strip().rstrip(".") or "nobody has it"
        return f"Its container image {version.image} was not found: {why}."
    return ""
