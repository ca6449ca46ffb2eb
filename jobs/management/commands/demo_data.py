"""manage.py demo_data: what `make demo` shows: a person, a team, machine types, a vault with files, the example apps."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps_catalog.models import Version
from apps_catalog.services import from_folder, import_bundle, import_definition, look_up_image, publish
from jobs import vaults
from jobs.models import MachineType, Vault
from portal.errors import PortalError
from portal.people.models import SCOPES, ApiToken, Membership, Team, User

EXAMPLES = settings.BASE_DIR / "examples"
TEXT = "texts/sample.txt"  # in the vault
MACHINE_TYPES = (
    MachineType(name="n1", description="Small", cores=1, ram_mib=512, order=1, price_per_hour="0.02"),
    MachineType(name="n2", description="Medium", cores=2, ram_mib=1024, order=2, price_per_hour="0.04"),
)
TOKEN = "demo"  # noqa: S105  the token's name
TOKEN_LASTS = timedelta(days=1)


class Command(BaseCommand):
    help = "Make the demo's person, team, machine types, vault and apps, or bring them up to date. Prints JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--username", default="demo")
        parser.add_argument("--image", default="", help="The image that holds the examples' programs.")
        parser.add_argument("--image-id", default="", help="Its id now; versions pinned to another are looked up anew.")

        parser.add_argument(
            "--own-image",
            nargs=3,
            action="append",
            default=[],
            metavar=("EXAMPLE", "IMAGE", "ID"),
            help="An image that one example has for itself. An example with a Dockerfile is left out without one.",
        )
        parser.add_argument(
            "--only", action="store_true", help="Only the apps of --own-image, for a person who is there."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """The password comes from DEMO_PASSWORD: a command line can be read by everyone on the machine."""
        own = {name: (image, image_id) for name, image, image_id in options["own_image"]}
        if options["only"]:
            user = User.objects.get(username=options["username"])
            self.stdout.write(json.dumps({"apps": _apps(user, own)}))
            return
        if not options["image"]:
            raise CommandError("Say with --image which image holds the examples' programs.")
        password = os.environ.get("DEMO_PASSWORD", "")
        if not password:
            raise CommandError("DEMO_PASSWORD is not set. Set it to the password of the demo's person.")
        user = _person(options["username"], password)
        _team(user)
        for machine in MACHINE_TYPES:
            if not MachineType.objects.filter(name=machine.name).exists():
                machine.save()
        vault = _vault(user)
        shared = {
            path.parent.name: (options["image"], options["image_id"])
            for path in EXAMPLES.glob("*/AppDef.json")
            if not path.with_name("Dockerfile").exists()
        }
        apps = _apps(user, {**shared, **own})
        apps += [
            _bundle(path.parent, user, options["image_id"]) for path in sorted(EXAMPLES.glob("bundles/*/manifest.json"))
        ]
        _pin_engines(user, options["image_id"])
        self.stdout.write(json.dumps({"token": _token(user), "vault": vault.name, "apps": sorted(apps)}))


def _person(username: str, password: str) -> User:
    user, _ = User.objects.get_or_create(
        username=username,
        defaults={
            "first_name": "Demo",
            "email": "demo@localhost.localdomain",
            "is_staff": True,
            "is_superuser": True,
            "is_curator": True,
            "is_operator": True,
        },
    )
    if not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])
    return user


def _team(user: User) -> None:
    team, _ = Team.objects.get_or_create(slug="demo-team", defaults={"name": "Demo team"})
    Membership.objects.get_or_create(team=team, user=user, defaults={"is_owner": True})


def _vault(user: User) -> Vault:
    """The person's own vault, with the sample files that are not in it."""
    vault = vaults.default_vault(user)
    source = EXAMPLES / "vault"
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source).as_posix()
        if vaults.exists(vault, name):
            continue
        if path.is_dir():
            vaults.make_folder(vault, name)
        else:
            vaults.save_file(vault, name, [path.read_bytes()])
    if not vaults.exists(vault, TEXT):
        vaults.make_folder(vault, TEXT.partition("/")[0])
        vaults.save_file(vault, TEXT, [(EXAMPLES / "word-count" / "sample.txt").read_bytes()])
    return vault


def _apps(user: User, images: dict[str, tuple[str, str]]) -> list[str]:
    """Import and publish the examples of these names. Their slugs."""
    return [_app(EXAMPLES / name / "AppDef.json", user, *images[name]) for name in sorted(images)]


def _app(definition: Path, user: User, image: str, image_id: str) -> str:
    """Import and publish one example; a changed text becomes a new version. Its slug."""
    slug = definition.parent.name
    imported = import_definition(text=definition.read_bytes(), actor=user, image=image, slug=slug)
    if imported.version is None:
        said = "; ".join(finding.message for finding in imported.reading.findings if finding.level == "error")
        raise CommandError(f"{definition} is refused: {said}")
    if imported.version.state == Version.State.DRAFT:
        publish(version=imported.version, actor=user)
    else:
        _pin(imported.version, user, image_id)
    return slug


def _bundle(folder: Path, user: User, image_id: str) -> str:
    """Import and publish a bundle of the examples, which runs in BUNDLE_IMAGE. Its slug."""
    try:
        imported = import_bundle(read=from_folder(folder), actor=user, activate=True)
    except PortalError as refused:
        raise CommandError(f"{folder} is refused: {refused}") from refused
    if imported.version is None or imported.app is None:
        said = "; ".join(finding.message for finding in imported.reading.findings if finding.level == "error")
        raise CommandError(f"{folder} is refused: {said}")
    _pin(imported.version, user, image_id)
    return imported.app.slug


def _pin_engines(user: User, image_id: str) -> None:
    for version in Version.objects.filter(app__builtin=True, state=Version.State.PUBLISHED):
        _pin(version, user, image_id)


def _pin(version: Version, user: User, image_id: str) -> None:
    if image_id and version.image_pinned not in {"", image_id}:
        look_up_image(version=version, actor=user)


def _token(user: User) -> str:
    """A new token; the last run's is revoked."""
    now = timezone.now()
    ApiToken.objects.filter(user=user, name=TOKEN, revoked_at=None).update(revoked_at=now)
    _, text = ApiToken.issue(user, name=TOKEN, scopes=list(SCOPES), expires_at=now + TOKEN_LASTS)
    return text
