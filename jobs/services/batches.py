"""Scripts that run in any allowed image, without an app of their own: one app that is in no list, a version an image."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps_catalog.models import App, Version
from apps_catalog.services import image_fits
from apps_catalog.services.publishing import IMAGE_RULE
from jobs.runtimes import references
from jobs.runtimes.base import RuntimeFault
from portal.doorbell import chore
from portal.errors import Conflict, Invalid

SLUG = "jarvice-batch"
AUTHOR = "Slipway, for scripts of the JARVICE door"
COMMAND = "Batch"
SCRIPT = "jobscript"  # the parameter
# Words of ours, for the shell of the image. The script itself is a file that nothing is substituted in. It is mounted
# without leave to execute, so that the interpreter of its first line is called here, as the kernel would.
STARTER = (
    f"read -r first < /opt/{SCRIPT}; "
    "case \"$first\" in '#!'*) set -f; "
    f"exec ${{first#??}} /opt/{SCRIPT};; esac; "
    f"exec /bin/sh /opt/{SCRIPT}"
)


def _constant(name: str, value: str) -> dict[str, Any]:
    return {"type": "CONST", "name": name, "description": name, "value": value, "positional": True, "required": True}


DEFINITION = json.dumps(
    {
        "name": "JARVICE batch",
        "description": "Runs a script in an image, as /jarvice/batch asks for it.",
        "author": AUTHOR,
        "licensed": True,
        "classifications": [],
        "machines": ["*"],
        "vault-types": ["FILE", "OBJECT", "BLOCK", "BLOCK_ARRAY", "NONE"],
        "commands": {
            COMMAND: {
                "path": "/bin/sh",
                "name": COMMAND,
                "description": "Runs the script.",
                "parameters": {
                    "-c": _constant("The shell's option", "-c"),
                    "starter": _constant("What starts the script", STARTER),
                    SCRIPT: {
                        "type": "UPLOAD",
                        "name": "Script",
                        "description": "Run by the interpreter that its first line names, else by /bin/sh.",
                        "required": True,
                        "target": SCRIPT,
                    },
                },
            }
        },
    },
    indent=2,
)


def batch_version(image: str) -> Version:
    """The version that runs scripts in this image, made when it is first used. Raises Invalid for an image not allowed here.

    Its image is looked up and pinned by a worker, as that of any version; until then jobs run what its name means.
    """
    if not image_fits(image):
        raise Invalid(f"container.image: {IMAGE_RULE}", code="bad_image")
    try:
        references.require_allowed(references.parse_or_refuse(image), image, settings.REGISTRIES)
    except RuntimeFault as fault:
        raise Invalid(f"container.image: {fault}", code="bad_image") from None
    with transaction.atomic():
        app = _app()
        version, _ = Version.objects.get_or_create(
            app=app,
            label=hashlib.sha256(image.encode()).hexdigest()[:12],
            defaults={
                "definition": DEFINITION,
                "digest": Version.digest_of(DEFINITION),
                "state": Version.State.PUBLISHED,
                "published_at": timezone.now(),
                "image": image,
            },
        )
        if version.image_state != Version.ImageState.FOUND:
            # One that was missing may be there now: it is looked for again, and its job tells how that went.
            Version.objects.filter(pk=version.pk).update(image_state=Version.ImageState.UNKNOWN, image_message="")
            version.image_state = Version.ImageState.UNKNOWN
            chore("look_up_image", version.pk)
    version.app = app
    return version


def runs_scripts(app: App) -> bool:
    """Whether it is the app of this module, which everyone may run whose door asks for it."""
    return app.slug == SLUG and app.author == AUTHOR


def _app() -> App:
    """Published to no list: only this module's versions of it are run, by the door that asks for them."""
    app, _ = App.objects.get_or_create(
        slug=SLUG, defaults={"name": "JARVICE batch", "author": AUTHOR, "visibility": App.Visibility.TEAMS}
    )
    if not runs_scripts(app):
        raise Conflict(f"An app of this portal has the short name {SLUG}, so that no scripts can be run. Rename it.")
    return app
