"""From the text of a version to its launch spec: bounded when it comes in, cached by digest ever after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from threading import Lock

from django.conf import settings

from apps_catalog import icons
from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.document import too_large
from apps_catalog.launch.positions import find_positions
from apps_catalog.launch.spec import Finding, LaunchSpec, Reading
from apps_catalog.models import App, Version
from portal.errors import Conflict

READERS: dict[str, Callable[[str | bytes], Reading]] = {App.Kind.APPDEF: read_appdef}
SPECS_KEPT = 512

_specs: dict[str, LaunchSpec] = {}  # by digest, oldest first
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
    """What a stored version means. Costs a dictionary look-up after the first time in a process.

    Raises Conflict where a definition that was once imported is refused by the reader of today.
    """
    spec = _specs.get(version.digest)
    if spec is None:
        spec = _read(version)
        with _specs_lock:
            _specs[version.digest] = spec
            if len(_specs) > SPECS_KEPT:
                del _specs[next(iter(_specs))]
    return spec


def _read(version: Version) -> LaunchSpec:
    reading = READERS[version.app.kind](version.definition)
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
