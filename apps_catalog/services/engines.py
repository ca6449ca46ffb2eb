"""The engines that come with Slipway: bundles in apps_catalog/engines, imported and published like anyone's."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from apps_catalog.models import Version
from apps_catalog.services.bundles import ImportedBundle, from_folder, import_bundle
from apps_catalog.services.publishing import look_up_image
from portal.people.models import User

FOLDER = Path(__file__).resolve().parents[1] / "engines"
NAMES = tuple(sorted(path.parent.name for path in FOLDER.glob("*/manifest.json")))


def install_engine(name: str, actor: User) -> ImportedBundle:
    """Import and publish one, or leave it where it is installed already; its image is BUNDLE_IMAGE as it is now.

    Raises Conflict where the name is another app's, or its files have changed though a job has used this version.
    """
    done = import_bundle(read=from_folder(FOLDER / name), actor=actor, activate=True, builtin=True)
    version = done.version
    if version is not None and version.image != settings.BUNDLE_IMAGE:
        Version.objects.filter(pk=version.pk).update(
            image=settings.BUNDLE_IMAGE, image_pinned="", image_message="", image_state=Version.ImageState.UNKNOWN
        )
        version.refresh_from_db()
        look_up_image(version=version, actor=actor)
    return done
