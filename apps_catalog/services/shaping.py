"""The curator's overlay on a version: judged whole, saved whole, and taken over to the next version."""

from __future__ import annotations

import base64
from typing import Any

from django.db import transaction

from apps_catalog import icons
from apps_catalog.launch import overlay as overlays
from apps_catalog.launch.document import read_document
from apps_catalog.launch.overlay_editor import Part, merged
from apps_catalog.launch.spec import Fault, Finding, Json, LaunchSpec
from apps_catalog.models import App, Version
from apps_catalog.services.publishing import locked, refresh, require_curator
from apps_catalog.services.reading import authored_spec
from portal.errors import Conflict, Invalid
from portal.people.audit import audit
from portal.people.models import User


def set_overlay(*, version: Version, actor: User, overlay: Json) -> Version:
    """Put this overlay on a version, in the place of the one it has; {} takes it away.

    It changes the form at once, of a published version too; jobs keep the plan they were accepted with.
    Raises Invalid with every fault at its pointer, Conflict for a retired version.
    """
    require_curator(actor)
    clean = _judged(authored_spec(version), overlay)
    with transaction.atomic():
        app, version = locked(version)
        if version.state == Version.State.RETIRED:
            raise Conflict("A retired version is not changed any more. Publish it first.", code="retired")
        before, version.overlay = version.overlay_digest, clean
        version.overlay_digest = overlays.digest_of(clean)
        if version.overlay_digest == before:
            return version
        version.save(update_fields=["overlay", "overlay_digest"])
        if app.default_version_id == version.pk:
            refresh(app, version)
        audit("version.overlay", actor=actor, target=str(version), before=before, digest=version.overlay_digest)
    return version


def edited_overlay(*, version: Version, part: Part, text: str) -> dict[str, Json]:
    """The overlay of a version with one part as an editor sent it, not judged yet. Raises Invalid where it is no JSON."""
    found = read_document(text, max_bytes=overlays.BYTES_MAX)
    if isinstance(found, Finding):
        raise Invalid("What the editor sent can't be read. Reload the page and try again.", faults=[_unreadable(found)])
    return merged(authored_spec(version), version.overlay, part, found.value)


def _unreadable(finding: Finding) -> Fault:
    return Fault("", finding.code, finding.message)


def _judged(spec: LaunchSpec, overlay: Json) -> dict[str, Json]:
    """The overlay as it is kept. Raises Invalid."""
    faults = overlays.shape_faults(overlay)
    clean = overlays.tidy(overlay) if not faults else {}
    if clean.get("icon"):
        clean["icon"] = _small_icon(clean["icon"], faults)
    if not faults:
        judged = overlays.apply(spec, clean)
        faults = judged if isinstance(judged, list) else []
    if faults:
        raise Invalid.of(faults, "it can be saved")
    return clean


def _small_icon(data: str, faults: list[Fault]) -> str:
    """Whatever was sent as a PNG of ours: a few kilobytes."""
    icon = icons.draw(data, "")
    if icon.png is None:
        faults.append(Fault("/icon", "icon", icon.problem or "is empty"))
        return ""
    return base64.b64encode(icon.png).decode()


def carried_overlay(app: App, spec: LaunchSpec) -> tuple[dict[str, Json], list[Finding]]:
    """The overlay for a new version of an app: that of its default version, else of its newest; and what is said of it."""
    versions = app.versions.only("label", "overlay", "digest")
    default = versions.filter(pk=app.default_version_id).first() if app.default_version_id else None
    previous = default or versions.first()
    if previous is None or not previous.overlay:
        return {}, []
    carried = overlays.carry_over(spec, previous.overlay)
    findings = [
        Finding("warning", "overlay-dropped", f"Of the overlay of version {previous.label}, {_named(fault)}")
        for fault in carried.dropped[:20]
    ]
    if carried.kept:
        things = "1 change" if carried.kept == 1 else f"{carried.kept} changes"
        kept = f"The overlay of version {previous.label} was taken over: {things} of a curator."
        findings.append(Finding("info", "overlay-kept", kept))
    return carried.overlay, findings


def _named(fault: Fault) -> str:
    return f"{fault.pointer} was left out: it {fault.message}."


def same_under_overlay(spec: LaunchSpec, author: str, rows: Any) -> App | None:
    """The app whose overlay gives it another name than its author did, and whose author says what this text says."""
    renamed = Version.objects.filter(app__in=rows, app__author=author, overlay__has_key="name").select_related("app")
    for version in renamed.order_by("-id")[:200]:
        try:
            if authored_spec(version).name == spec.name:
                return version.app
        except Conflict:
            continue
    return None
