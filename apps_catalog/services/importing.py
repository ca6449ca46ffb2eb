"""Importing a definition: all of it or nothing, and the same text never twice."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass

from django.db import connection, transaction
from django.utils.text import slugify

from apps_catalog.launch.overlay import digest_of
from apps_catalog.launch.spec import LaunchSpec, Reading
from apps_catalog.models import App, Version
from apps_catalog.services.publishing import IMAGE_RULE, image_fits, require_curator, set_image, show
from apps_catalog.services.reading import read_definition
from apps_catalog.services.shaping import carried_overlay, same_under_overlay
from portal.doorbell import chore
from portal.errors import Conflict, Invalid
from portal.people.audit import audit
from portal.people.models import User

LABEL = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9._+-]{0,39}\Z")
SLUG = re.compile(r"\A[a-z0-9]+(?:[a-z0-9_-]*[a-z0-9])?\Z")
SLUG_MAX = 80


@dataclass(frozen=True)
class Imported:
    """What came of an import. `created` is true only where a new version row was written."""

    reading: Reading
    app: App | None = None
    version: Version | None = None
    created: bool = False


def import_definition(
    *,
    text: str | bytes,
    actor: User,
    image: str = "",
    slug: str = "",
    label: str = "",
    dry_run: bool = False,
) -> Imported:
    """A draft version from an author's text. Findings of level error: nothing is written.

    The text goes to the app with `slug`, or without one to the app of the same name and author, or to a new one.
    A text that is there already gives the version that holds it. A dry run says what is there and writes nothing.
    """
    require_curator(actor)
    image = image.strip()
    _check_wishes(image, slug, label)
    reading = read_definition(text)
    if reading.spec is None:
        return Imported(reading)
    verbatim = text if isinstance(text, str) else text.decode("utf-8")
    if dry_run:
        there = _app_for(reading.spec, slug)
        return Imported(reading, there, _same_text(verbatim, there, anywhere=not slug))
    with transaction.atomic():
        one_import_at_a_time()
        return _write(reading, reading.spec, verbatim, actor, image, slug, label)


def _check_wishes(image: str, slug: str, label: str) -> None:
    if image and not image_fits(image):
        raise Invalid(IMAGE_RULE, code="bad_image")
    if slug and (len(slug) > SLUG_MAX or not SLUG.match(slug)):
        raise Invalid("A short name has small letters, digits, dashes and underscores, at most 80.", code="bad_slug")
    if label and not LABEL.match(label):
        raise Invalid(
            "A version label has letters, digits, dot, plus, dash and underscore, at most 40, e.g. 2.1.",
            code="bad_label",
        )


def one_import_at_a_time() -> None:
    """Two imports at once could give two apps one short name, or one text two versions; imports are rare and short."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('apps_catalog.import'))")


def _write(
    reading: Reading, spec: LaunchSpec, verbatim: str, actor: User, image: str, slug: str, label: str
) -> Imported:
    there = _app_for(spec, slug)
    same = _same_text(verbatim, there, anywhere=not slug)
    if same is not None:
        if image and image != same.image:
            set_image(version=same, actor=actor, image=image)
        return Imported(reading, same.app, same)
    known = there is not None
    if there is None:
        there = App(created_by=author_of(actor))
        show(there, spec)
        there.slug = slug or _free_slug(there.name)
        there.save()
    overlay, remarks = carried_overlay(there, spec) if known else ({}, [])
    version = Version.objects.create(
        app=there,
        label=_label_for(there, label),
        definition=verbatim,
        digest=Version.digest_of(verbatim),
        findings=[asdict(finding) for finding in (*reading.findings, *remarks)],
        overlay=overlay,
        overlay_digest=digest_of(overlay),
        image=image,
        created_by=author_of(actor),
    )
    audit("version.import", actor=actor, target=str(version), digest=version.digest, image=image)
    if image:
        chore("look_up_image", version.pk)
    return Imported(reading, there, version, created=True)


def author_of(actor: User) -> User | None:
    """Nobody, where manage.py imports in no person's name."""
    return actor if actor.pk else None


def _app_for(spec: LaunchSpec, slug: str) -> App | None:
    """The app a text belongs to when nobody says which: the short name given, else the same name by the same author."""
    rows = App.objects.defer("icon", "search")
    if slug:
        return rows.filter(slug=slug).first()
    wanted = App()
    show(wanted, spec, with_icon=False)
    same = rows.filter(name=wanted.name, author=wanted.author, kind=spec.kind).order_by("id").first()
    return same or same_under_overlay(spec, wanted.author, rows.filter(kind=spec.kind))


def _same_text(verbatim: str, app: App | None, *, anywhere: bool) -> Version | None:
    versions = Version.objects.select_related("app").filter(digest=Version.digest_of(verbatim)).order_by("id")
    if not anywhere:
        versions = versions.filter(app=app)
    return versions.first()


def _free_slug(name: str) -> str:
    base = slugify(name)[: SLUG_MAX - 6].strip("-_") or "app"
    taken = set(App.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    number = 2
    slug = base
    while slug in taken:
        slug = f"{base}-{number}"
        number += 1
    return slug


def _label_for(app: App, wanted: str) -> str:
    """The label wanted, or the next whole number."""
    labels = set(app.versions.values_list("label", flat=True))
    if wanted in labels:
        raise Conflict(
            f"{app.name} already has a version {wanted} with another definition. Choose another label.",
            code="label_taken",
        )
    numbers = [int(label) for label in labels if label.isascii() and label.isdigit() and len(label) < 10]
    return wanted or str(max(numbers, default=0) + 1)
