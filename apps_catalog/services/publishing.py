"""What moves in a version's life: published, default, retired, who sees the app, which image it runs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from apps_catalog import icons, search
from apps_catalog.launch.spec import LaunchSpec
from apps_catalog.models import App, Version
from apps_catalog.services.reading import spec_of
from portal.doorbell import chore
from portal.errors import Conflict, Forbidden, Invalid
from portal.people.audit import audit
from portal.people.models import Team, User

IMAGE = re.compile(r"\A[a-z0-9][A-Za-z0-9._/:@-]{0,499}\Z")
IMAGE_RULE = "Write a container image as registry/name:tag, e.g. docker.io/library/python:3.12, without blanks."
NAME_MAX = 300
SUMMARY_MAX = 20_000
CATEGORIES_MAX = 40
UNNAMED = "Unnamed app"


def require_curator(actor: User) -> None:
    if not actor.curates:
        raise Forbidden("Only curators may change the catalog. Ask one of them, or an administrator to make you one.")


def image_fits(image: str) -> bool:
    return IMAGE.match(image) is not None


def publish(*, version: Version, actor: User) -> Version:
    """Make a version launchable and the default of its app; the app shows what this version says. A retired one comes back.

    Of a bundle the latest active version is the default, whichever was published last."""
    require_curator(actor)
    with transaction.atomic():
        app, version = locked(version)
        version.state = Version.State.PUBLISHED
        version.published_at = timezone.now()
        version.save(update_fields=["state", "published_at"])
        refresh(app, _default_after(app, version))
        audit("version.publish", actor=actor, target=str(version), digest=version.digest)
        if version.image:
            chore("look_up_image", version.pk)
    return version


def make_default(*, version: Version, actor: User) -> Version:
    """Make a published version the one that people launch when they choose none."""
    require_curator(actor)
    with transaction.atomic():
        app, version = locked(version)
        if app.kind == App.Kind.BYTENITE:
            said = "The default of a bundle is always its latest active version: that is what its name alone means."
            raise Conflict(said, code="latest_counts")
        if version.state != Version.State.PUBLISHED:
            raise Conflict("Only a published version can be the default. Publish it first.", code="not_published")
        refresh(app, version)
        audit("version.make_default", actor=actor, target=str(version))
    return version


def retire(*, version: Version, actor: User) -> Version:
    """Take a version out of use. Where it was the default, the newest published one takes its place, or the app leaves
    the catalog."""
    require_curator(actor)
    with transaction.atomic():
        app, version = locked(version)
        if version.state == Version.State.RETIRED:
            return version
        version.state = Version.State.RETIRED
        version.save(update_fields=["state"])
        if app.default_version_id == version.pk:
            refresh(app, _default_after(app, None))
        audit("version.retire", actor=actor, target=str(version))
    return version


def set_visibility(*, app: App, actor: User, visibility: str, teams: Iterable[Team] = ()) -> App:
    """Show an app to everyone, or to the members of these teams only."""
    require_curator(actor)
    if visibility not in App.Visibility.values:
        raise Invalid("An app is shown to everyone or to chosen teams.", code="bad_visibility")
    chosen = list(teams) if visibility == App.Visibility.TEAMS else []
    if visibility == App.Visibility.TEAMS and not chosen:
        raise Invalid("Choose at least one team, or show the app to everyone.", code="no_team")
    with transaction.atomic():
        app = App.objects.select_for_update().get(pk=app.pk)
        app.visibility = visibility
        app.save(update_fields=["visibility", "updated_at"])
        app.teams.set(chosen)
        audit("app.visibility", actor=actor, target=app.slug, visibility=visibility, teams=[t.slug for t in chosen])
    return app


def set_image(*, version: Version, actor: User, image: str) -> Version:
    """Name the container image of a version. What was known of the old one is forgotten and the new one looked up."""
    require_curator(actor)
    image = image.strip()
    if not image_fits(image):
        raise Invalid(IMAGE_RULE, code="bad_image")
    with transaction.atomic():
        _app, version = locked(version)
        before = version.image
        version.image = image
        _forget_look_up(version)
        audit("version.image", actor=actor, target=str(version), before=before, image=image)
    return version


def look_up_image(*, version: Version, actor: User) -> Version:
    """Ask a worker once more which image the name means: a tag may have moved, a missing one may be there now."""
    require_curator(actor)
    with transaction.atomic():
        _app, version = locked(version)
        if not version.image:
            raise Conflict("This version has no image yet. Name one first.", code="no_image")
        _forget_look_up(version)
        audit("version.look_up_image", actor=actor, target=str(version), image=version.image)
    return version


def record_image(*, version_pk: int, image: str, pinned: str, state: str, message: str) -> bool:
    """What a worker found out, if `image` is still the image of the version; False where it is not."""
    rows = Version.objects.filter(pk=version_pk, image=image)
    return bool(rows.update(image_pinned=pinned, image_state=state, image_message=message))


def show(app: App, spec: LaunchSpec, *, with_icon: bool = True) -> None:
    """Copy what a definition says of itself to the app, shortened to what a page can show. Saves nothing."""
    app.kind = spec.kind
    app.name = _short(spec.name) or UNNAMED
    app.author = _short(spec.author)
    app.licensed = spec.licensed
    app.summary = spec.description.strip()[:SUMMARY_MAX]
    app.categories = [_short(path) for path in spec.categories[:CATEGORIES_MAX]]
    app.category_prefixes = _prefixes(app.categories)
    if with_icon:
        app.icon = icons.draw(spec.icon_base64, spec.icon_type).png
        app.icon_digest = icons.digest_of(app.icon) if app.icon else ""


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= NAME_MAX else text[: NAME_MAX - 1] + "…"


def _prefixes(paths: Iterable[str]) -> list[str]:
    """Every path and every path above it: `A/B` gives `A` and `A/B`."""
    found: dict[str, None] = {}
    for path in paths:
        parts = path.split("/")
        for length in range(1, len(parts) + 1):
            found["/".join(parts[:length])] = None
    return list(found)


def locked(version: Version) -> tuple[App, Version]:
    """App and version, in this order always, so that two curators never wait for each other."""
    app = App.objects.select_for_update().get(pk=version.app_id)
    locked = Version.objects.select_for_update().get(pk=version.pk)
    locked.app = app
    return app, locked


def _default_after(app: App, published: Version | None) -> Version | None:
    """Which version is the default once one was published (or, with None, retired): of a bundle the highest active one."""
    active = app.versions.filter(state=Version.State.PUBLISHED)
    if app.kind == App.Kind.BYTENITE:
        return active.order_by("-major", "-minor").first()
    return published or active.first()


def refresh(app: App, version: Version | None) -> None:
    """Make a version the default (or none), and let the app show what it says."""
    app.default_version = version
    app.published = version is not None
    if version is not None:
        version.app = app
        show(app, spec_of(version))
        app.search = search.vector_for(app)
    app.save()


def _forget_look_up(version: Version) -> None:
    version.image_pinned = ""
    version.image_state = Version.ImageState.UNKNOWN
    version.image_message = ""
    version.save(update_fields=["image", "image_pinned", "image_state", "image_message"])
    chore("look_up_image", version.pk)
