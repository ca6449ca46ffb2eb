"""Tags: how a bundle is named where a job or a template is made of it. name, name@1, name@1.2, or passthrough."""

from __future__ import annotations

import difflib

from django.db.models import QuerySet

from apps_catalog.launch.bytenite import PASSTHROUGH
from apps_catalog.launch.spec import Fault
from apps_catalog.models import App, Version
from apps_catalog.services.tags import bundles_for, exact_tag, resolve_tag
from portal.errors import PortalError
from portal.people.models import User


def usable_bundles(user: User, section: str) -> QuerySet[App]:
    """The bundles that may be this section of a job of the person's."""
    return bundles_for(user).filter(role=section)


def tag_of(version: Version | None) -> str:
    """The tag that names exactly this version, or passthrough."""
    return PASSTHROUGH if version is None else exact_tag(version)


def find_version(user: User, tag: str, section: str) -> Version | Fault | None:
    """The version that a tag names, None for passthrough, or the fault (at /section) that there is none. An app alone
    may have no tag yet ("")."""
    if not tag:
        return Fault(f"/{section}", "required", "Choose an app.")
    if tag == PASSTHROUGH and section != App.Role.APP:
        return None
    try:
        return resolve_tag(tag, user=user, role=section)
    except PortalError as refused:
        said = refused.message
        if refused.code == "unknown_tag" and "@" not in tag:
            near = difflib.get_close_matches(
                tag, usable_bundles(user, section).values_list("slug", flat=True)[:500], n=1
            )
            said += f" Did you mean '{near[0]}'?" if near else ""
        return Fault(f"/{section}", refused.code, said)


def choices(user: User, section: str) -> list[tuple[str, str]]:
    """(tag, words) of what a form offers for a section: each bundle with its majors and active versions, newest first."""
    found: list[tuple[str, str]] = [] if section == "app" else [(PASSTHROUGH, "passthrough: runs nothing")]
    versions = (
        Version.objects.filter(app__in=usable_bundles(user, section), state=Version.State.PUBLISHED)
        .select_related("app")
        .only("label", "major", "minor", "app__slug", "app__name")
        .order_by("app__name", "app__slug", "-major", "-minor", "-pk")
    )
    seen: set[str] = set()
    for version in versions:
        slug, name = version.app.slug, version.app.name
        called = f" ({name})" if name != slug else ""
        for tag, words in (
            (slug, f"{slug}: the latest{called}"),
            (f"{slug}@{version.major}", f"{slug}@{version.major}: the latest {version.major}.x"),
            (exact_tag(version), exact_tag(version)),
        ):
            if tag not in seen:
                seen.add(tag)
                found.append((tag, words))
    return found
