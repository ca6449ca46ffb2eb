"""Importing bundles: looked over, repacked, stored, a version; whole or not at all, whatever door they come through."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

from django.conf import settings
from django.db import transaction
from django.db.models import PROTECT, ForeignKey

from apps_catalog.launch.bundle import BundleReading, read_bundle, with_finding
from apps_catalog.launch.bundle_archives import read_archive
from apps_catalog.launch.bundle_files import BundleFiles, Packed
from apps_catalog.launch.bundle_folders import read_folder, read_sent
from apps_catalog.launch.bundle_paths import BundleFault
from apps_catalog.launch.overlay import digest_of
from apps_catalog.launch.spec import Finding, LaunchSpec
from apps_catalog.models import App, Version
from apps_catalog.services import bundle_store
from apps_catalog.services.importing import author_of, one_import_at_a_time
from apps_catalog.services.publishing import locked, publish, refresh, require_curator, show
from apps_catalog.services.shaping import carried_overlay
from portal.doorbell import chore
from portal.errors import Conflict, Invalid
from portal.people import secrets
from portal.people.audit import audit
from portal.people.models import Secret, User

Read = Callable[[BundleFiles], None]


@dataclass(frozen=True)
class ImportedBundle:
    """What came of an import. `created`: a new version row; `replaced`: the files of one that no job had used.

    `files` are the paths of the bundle with their sizes.
    """

    reading: BundleReading
    files: Mapping[str, int] = field(default_factory=dict)
    app: App | None = None
    version: Version | None = None
    created: bool = False
    replaced: bool = False


def from_archive(file: IO[bytes]) -> Read:
    """A zip or tar (.gz, .bz2, .xz), which can seek."""
    return partial(read_archive, file)


def from_folder(path: Path) -> Read:
    return partial(read_folder, path)


def from_files(files: Iterable[tuple[str, Iterable[bytes]]]) -> Read:
    """The files of a folder as a browser sends them: path and bytes of each."""
    return partial(read_sent, files)


def import_bundle(
    *,
    read: Read,
    actor: User,
    activate: bool = False,
    dry_run: bool = False,
    builtin: bool = False,
    roles: Collection[str] = (),
) -> ImportedBundle:
    """A version from a bundle: `read` is one of from_archive, from_folder, from_files. Findings of level error: nothing is
    written. A dry run says what was found and writes nothing.

    The same bundle again gives the version that holds it; another one of the same version takes its place, unless a job
    refers to it: Conflict. `activate` publishes it, as `publish` does. `builtin`: an engine that comes with Slipway.
    `roles`: which are taken, where not all are. A registry login in the manifest becomes a secret of the actor's. Raises
    Forbidden, Conflict (the name is taken by another kind of app, the version was used), Invalid (a role that is not
    taken; a login, and nobody to keep it for), Full.
    """
    require_curator(actor)
    with BundleFiles(settings.BUNDLE_LIMIT_MIB * 2**20) as files:
        try:
            read(files)
        except BundleFault as fault:
            return ImportedBundle(BundleReading(findings=(fault.finding,)))
        reading = read_bundle(files)
        sizes = {path: files.places[path].size for path in sorted(files.places)}
        if reading.spec is None:
            return ImportedBundle(reading, sizes)
        if roles and reading.spec.role not in roles:
            said = f"'{reading.spec.name}' has the type '{reading.spec.role}'. Taken here: {', '.join(roles)}."
            raise Invalid(said, code="role")
        if dry_run:
            there = _app_of(reading.spec, builtin)
            return ImportedBundle(reading, sizes, there, _version_of(there, reading.spec) if there else None)
        packed = files.packed()
        with closing(packed.file):
            done = _write(reading, reading.spec, packed, actor, builtin)
    if activate and done.version is not None and done.version.state != Version.State.PUBLISHED:
        publish(version=done.version, actor=actor)
        done.version.refresh_from_db()
    return ImportedBundle(done.reading, sizes, done.app, done.version, done.created, done.replaced)


def _write(reading: BundleReading, spec: LaunchSpec, packed: Packed, actor: User, builtin: bool) -> ImportedBundle:
    with transaction.atomic():
        one_import_at_a_time()
        app = _app_of(spec, builtin)
        there = _version_of(app, spec) if app is not None else None
        secret = _keep_login(reading, spec, app, actor)
        if spec.private_image and secret is None:
            reading = with_finding(reading, _no_login(spec))
        if there is not None and there.bundle_digest == packed.digest:
            if secret is not None and there.registry_secret != secret:
                there.registry_secret = secret
                there.save(update_fields=["registry_secret"])
            return ImportedBundle(reading, {}, there.app, there)
        known = app is not None
        if app is None:
            app = App(created_by=author_of(actor), slug=spec.name, role=spec.role, builtin=builtin)
            show(app, spec)
            app.save()
        stored = bundle_store.store(packed)
        try:
            if there is not None:
                version = _replace(there, reading, spec, packed, stored, secret, actor)
            else:
                version = _create(app, known, reading, spec, packed, stored, secret, actor)
        except BaseException:
            bundle_store.forget_now(stored)
            raise
        return ImportedBundle(reading, {}, app, version, created=there is None, replaced=there is not None)


def _create(
    app: App,
    known: bool,
    reading: BundleReading,
    spec: LaunchSpec,
    packed: Packed,
    stored: str,
    secret: Secret | None,
    actor: User,
) -> Version:
    overlay, remarks = carried_overlay(app, spec) if known else ({}, [])
    version = Version(
        app=app,
        label=label_of(spec),
        major=spec.major,
        minor=spec.minor,
        overlay=overlay,
        overlay_digest=digest_of(overlay),
        created_by=author_of(actor),
    )
    _fill(version, reading, spec, packed, stored, secret, remarks)
    version.save(force_insert=True)
    audit("version.import", actor=actor, target=str(version), digest=version.digest, bundle=packed.digest)
    chore("look_up_image", version.pk)
    return version


def _replace(
    there: Version,
    reading: BundleReading,
    spec: LaunchSpec,
    packed: Packed,
    stored: str,
    secret: Secret | None,
    actor: User,
) -> Version:
    app, version = locked(there)
    if is_used(version):
        raise Conflict(
            f"Version {version.label} of {app.slug} was used by a job, so it stays what it is. Raise the version in "
            f"manifest.json, for example to {version.major}.{(version.minor or 0) + 1}, and push again.",
            code="version_used",
        )
    before, image = version.bundle, version.image
    known = {name: getattr(version, name) for name in ("image_state", "image_pinned", "image_message")}
    _fill(version, reading, spec, packed, stored, secret, [])
    if version.image == image:
        for name, value in known.items():
            setattr(version, name, value)
    version.save()
    if app.default_version_id == version.pk:
        refresh(app, version)
    audit("version.replace", actor=actor, target=str(version), digest=version.digest, bundle=packed.digest)
    chore("look_up_image", version.pk)
    if before != stored:
        bundle_store.forget(before)
    return version


def _fill(
    version: Version,
    reading: BundleReading,
    spec: LaunchSpec,
    packed: Packed,
    stored: str,
    secret: Secret | None,
    remarks: list[Finding],
) -> None:
    version.definition = reading.manifest
    version.schema_text = reading.schema
    version.template_text = reading.template_text
    version.digest = spec.digest
    version.findings = [asdict(finding) for finding in (*reading.findings, *remarks)]
    version.bundle, version.bundle_digest, version.bundle_bytes = stored, packed.digest, packed.size
    version.image = spec.image or settings.BUNDLE_IMAGE
    version.image_pinned, version.image_message = "", ""
    version.image_state = Version.ImageState.UNKNOWN
    version.registry_secret = secret


def label_of(spec: LaunchSpec) -> str:
    return f"{spec.major}.{spec.minor}"


def is_used(version: Version) -> bool:
    """Whether a job, or a draft of one, refers to it: rows that keep it from being deleted."""
    for relation in Version._meta.get_fields(include_hidden=True):
        if getattr(relation, "on_delete", None) is not PROTECT or not relation.auto_created:
            continue
        own = getattr(relation, "field", None)
        if isinstance(own, ForeignKey) and own.model._default_manager.filter(**{own.name: version.pk}).exists():
            return True
    return False


def _app_of(spec: LaunchSpec, builtin: bool) -> App | None:
    """The bundle of this name. Raises Conflict where the name is another thing's."""
    app = App.objects.defer("icon", "search").filter(slug__iexact=spec.name).first()
    if app is None:
        return None
    if app.kind != App.Kind.BYTENITE:
        said = f"The name '{spec.name}' is taken by an AppDef, {app.name}. Give the bundle another name."
        raise Conflict(said, code="name_taken")
    if app.slug != spec.name:
        said = (
            f"There is '{app.slug}' already, and names that differ in case only are one. Write it so in manifest.json."
        )
        raise Conflict(said, code="name_taken")
    if app.role != spec.role:
        said = f"'{app.slug}' is of the type {app.role}, and stays so. Give this {spec.role} another name."
        raise Conflict(said, code="role")
    if app.builtin and not builtin:
        raise Conflict(f"'{app.slug}' comes with Slipway. Give yours another name.", code="builtin")
    return app


def _version_of(app: App, spec: LaunchSpec) -> Version | None:
    return app.versions.select_related("app", "registry_secret").filter(major=spec.major, minor=spec.minor).first()


def _keep_login(reading: BundleReading, spec: LaunchSpec, app: App | None, actor: User) -> Secret | None:
    """The secret with the login for the image: what the manifest brought, else what an earlier version has."""
    if not reading.login:
        if not spec.private_image or app is None:
            return None
        earlier = app.versions.exclude(registry_secret=None).select_related("registry_secret").first()
        return earlier.registry_secret if earlier else None
    if actor.pk is None:
        raise Invalid(
            "The manifest brings the login of a registry, and it is kept for a person. Say whose it is (--as NAME), or "
            "take it out of the manifest.",
            code="login_of_nobody",
        )
    parts = {
        "registry": registry_of(spec.image),
        "username": reading.login.username,
        "password": reading.login.password,
    }
    try:
        return secrets.set_secret(
            name=secret_name(spec.name), kind=Secret.Kind.REGISTRY, parts=parts, user=actor, actor=actor
        )
    except Invalid as refused:
        said = "The login in the manifest is incomplete: it needs username and token, both as text."
        raise Invalid(said, code="bad_login") from refused


def secret_name(app_name: str) -> str:
    """The name of the secret with the login for an app's image."""
    name = f"registry-{app_name}"
    return name if len(name) <= 64 else f"{name[:55]}-{hashlib.sha256(app_name.encode()).hexdigest()[:8]}"


def registry_of(image: str) -> str:
    """The host that an image comes from: Docker Hub's where the first part names none."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"


def _no_login(spec: LaunchSpec) -> Finding:
    said = (
        "The image is private, and no login for its registry is known. Add username and token to platform_config and "
        "push again: they are kept as a secret, not in the manifest."
    )
    return Finding("warning", "no-login", said, "/platform_config", file="manifest.json")
