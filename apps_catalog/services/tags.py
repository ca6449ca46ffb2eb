"""Tags of bundles: name, name@1, name@1.2; which version each means now, and which are whose to use."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from apps_catalog.launch.template_file import TAG
from apps_catalog.models import App, Version
from portal.errors import Conflict, Invalid, NotFound
from portal.people.models import User

NOUNS = {App.Role.APP: "app", App.Role.PARTITIONER: "partitioner", App.Role.ASSEMBLER: "assembler"}


def usable_by(user: User) -> Q:
    """Of apps: those that a person may use. Seen in the catalog, their own, or those that come with Slipway."""
    return Q(pk__in=App.objects.visible_to(user).values("pk")) | Q(builtin=True) | Q(created_by=user.pk or 0)


def bundles_for(user: User) -> QuerySet[App]:
    """The bundles that a person may use."""
    return App.objects.filter(usable_by(user), kind=App.Kind.BYTENITE)


def exact_tag(version: Version) -> str:
    """The tag that names exactly this version."""
    return f"{version.app.slug}@{version.label}"


def resolve_tag(tag: str, *, user: User, role: str = "") -> Version:
    """The version that a tag means to this person: the exact one, else the highest that is active.

    `role`, where given, is what it must be. Raises Invalid (no tag), NotFound (nothing that they may see), Conflict (of
    another role; no version active).
    """
    if not TAG.fullmatch(tag):
        raise Invalid(f"{tag[:80]!r} is no tag. Write the name of a bundle, name@1 or name@1.2.", code="bad_tag")
    name, _, numbers = tag.partition("@")
    app = bundles_for(user).defer("icon", "search").filter(slug__iexact=name).first()
    if app is None:
        raise NotFound(f"There is no ByteNite app or engine '{name}' that you may see.", code="unknown_tag")
    if role and app.role != role:
        noun = NOUNS[App.Role(app.role)]
        raise Conflict(f"'{name}' is an {noun}" if noun[0] == "a" else f"'{name}' is a {noun}", code="role")
    major, _, minor = numbers.partition(".")
    versions = app.versions.order_by("-major", "-minor")
    if minor:
        exact = versions.filter(major=int(major), minor=int(minor))
        found = (exact if user.curates else exact.exclude(state=Version.State.DRAFT)).first()
    else:
        active = versions.filter(state=Version.State.PUBLISHED)
        found = (active.filter(major=int(major)) if major else active).first()
    if found is None:
        raise _missing(app, tag, exact=bool(minor))
    found.app = app
    return found


def _missing(app: App, tag: str, *, exact: bool) -> Conflict | NotFound:
    labels = list(active_versions(app).values_list("label", flat=True)[:8])
    there = (
        f"Active are: {', '.join(labels)}." if labels else "None of its versions is active: a curator activates one."
    )
    if exact:
        return NotFound(f"There is no version {tag}. {there}", code="unknown_tag")
    return Conflict(f"No version that {tag} means is active. {there}", code="not_active")


def active_versions(app: App) -> QuerySet[Version]:
    """Those that take jobs, the latest first."""
    return app.versions.filter(state=Version.State.PUBLISHED).order_by("-major", "-minor")


def tags_of(version: Version) -> list[str]:
    """What a version is called now: always its exact tag, and the shorter ones where it is the highest that is active."""
    app = version.app
    tags = [exact_tag(version)]
    if version.state != Version.State.PUBLISHED:
        return tags
    active = list(active_versions(app).values_list("pk", "major"))
    first_of_major = next((pk for pk, major in active if major == version.major), None)
    if first_of_major == version.pk:
        tags.insert(0, f"{app.slug}@{version.major}")
    if active and active[0][0] == version.pk:
        tags.insert(0, app.slug)
    return tags
