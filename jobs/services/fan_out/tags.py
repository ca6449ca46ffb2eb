"""Tags: how a bundle is named where a job or a template is made of it. name, name@1, name@1.2, or passthrough."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from django.db.models import Q, QuerySet

from apps_catalog.launch.spec import Fault
from apps_catalog.models import App, Version
from jobs.models import PASSTHROUGH
from jobs.states import Stage
from portal.people.models import User

TAG = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9_-]{0,79})(?:@(?P<major>[0-9]{1,9})(?:\.(?P<minor>[0-9]{1,9}))?)?")
WORDS: Mapping[str, str] = {"app": "an app", "partitioner": "a partitioner", "assembler": "an assembler"}


def usable_bundles(user: User, section: str) -> QuerySet[App]:
    """The bundles that may be this section of a job of the person's: seen in the catalog, their own, or those that come with Slipway."""
    seen = App.objects.visible_to(user).values("pk")
    rows = App.objects.filter(kind=App.Kind.BYTENITE, role=section)
    return rows.filter(Q(pk__in=seen) | Q(builtin=True) | Q(created_by=user))


def tag_of(version: Version | None) -> str:
    """The tag that names exactly this version."""
    return PASSTHROUGH if version is None else f"{version.app.slug}@{version.label}"


def find_version(user: User, tag: str, section: str, pointer: str = "") -> Version | Fault | None:
    """The version that a tag names, None for passthrough, or the fault that there is none (at `pointer`, else /section)."""
    pointer = pointer or f"/{section}"
    if tag == PASSTHROUGH and section != "app":
        return None
    parts = TAG.fullmatch(tag)
    if parts is None:
        said = "is not a tag. Write name, name@1 or name@1.2" + ("" if section == "app" else ", or passthrough") + "."
        return Fault(pointer, "tag", said)
    rows = usable_bundles(user, section)
    app = rows.select_related("default_version").defer("icon", "search").filter(slug=parts["name"]).first()
    if app is None:
        near = difflib.get_close_matches(parts["name"], rows.values_list("slug", flat=True)[:500], n=1)
        advice = f" Did you mean '{near[0]}'?" if near else ""
        return Fault(pointer, "unknown", f"There is no {section} '{parts['name']}' that you may use.{advice}")
    found = _version(app, parts["major"], parts["minor"])
    if found is None:
        said = f"'{app.slug}' has no version {tag.partition('@')[2]} that takes jobs." if parts["major"] else ""
        return Fault(pointer, "unknown", said or f"No version of '{app.slug}' takes jobs yet. Activate one first.")
    found.app = app
    return found


def _version(app: App, major: str | None, minor: str | None) -> Version | None:
    """The default one; the newest active one of a major; or exactly one, active or not (the judge says why it won't do)."""
    if major is None:
        return app.default_version
    rows = app.versions.filter(major=int(major)) if int(major) < 2**31 else app.versions.none()
    if minor is not None:
        return rows.filter(minor=int(minor)).first() if int(minor) < 2**31 else None
    return rows.filter(state=Version.State.PUBLISHED).order_by("-minor").first()


def choices(user: User, section: str) -> list[tuple[str, str]]:
    """(tag, words) of what a form offers for a section: each bundle with its majors and active versions, newest first."""
    found: list[tuple[str, str]] = [] if section == "app" else [(PASSTHROUGH, "passthrough: runs nothing")]
    versions = (
        Version.objects.filter(app__in=usable_bundles(user, section), state=Version.State.PUBLISHED)
        .select_related("app")
        .only("label", "major", "minor", "app__slug", "app__name", "app__builtin", "app__default_version")
        .order_by("app__name", "app__slug", "-major", "-minor", "-pk")
    )
    seen: set[str] = set()
    for version in versions:
        slug, name = version.app.slug, version.app.name
        called = f" {name}" if name != slug else ""
        for tag, words in (
            (slug, f"{slug}{called}: the latest"),
            (f"{slug}@{version.major}", f"{slug}@{version.major}: the latest {version.major}.x"),
            (f"{slug}@{version.label}", f"{slug}@{version.label}"),
        ):
            if tag not in seen and (tag != slug or version.app.default_version_id is not None):
                seen.add(tag)
                found.append((tag, words))
    return found


SECTION_OF: Mapping[str, Stage] = {"partitioner": Stage.PARTITION, "app": Stage.RUN, "assembler": Stage.ASSEMBLE}
