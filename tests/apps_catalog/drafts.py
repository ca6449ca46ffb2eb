"""Definitions as authors write them, and versions that came in by the front door: imported, then published."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

from apps_catalog import services
from apps_catalog.models import App, Version
from portal.people.models import Team, User
from tests.factories import make_person

IMAGE = "docker.io/library/python:3.12"
_numbers = itertools.count(1)


def appdef(**over: Any) -> dict[str, Any]:
    """A small AppDef; keywords replace its top-level keys."""
    definition: dict[str, Any] = {
        "name": f"Echo {next(_numbers)}",
        "description": "Prints what it is told.",
        "author": "Test House",
        "licensed": True,
        "appdefversion": 2,
        "classifications": ["Tests/Small"],
        "machines": ["n*"],
        "vault-types": ["FILE", "NONE"],
        "image": {"type": "image/png", "data": ""},
        "commands": {
            "say": {
                "path": "/bin/echo",
                "name": "Say",
                "description": "Say it.",
                "parameters": {
                    "word": {
                        "name": "Word",
                        "description": "What to say",
                        "type": "STR",
                        "value": "hello",
                        "positional": True,
                        "required": True,
                    }
                },
            }
        },
    }
    return definition | over


def appdef_text(**over: Any) -> str:
    return json.dumps(appdef(**over), indent=2)


def import_draft(*, actor: User, text: str = "", image: str = IMAGE, label: str = "", **over: Any) -> Version:
    imported = services.import_definition(text=text or appdef_text(**over), actor=actor, image=image, label=label)
    assert imported.version is not None, imported.reading.findings
    return imported.version


def publish_new(*, actor: User | None = None, teams: Iterable[Team] = (), **over: Any) -> Version:
    """A published version whose image was found, visible to everyone or to `teams`."""
    actor = actor or make_person(is_curator=True)
    version = services.publish(version=import_draft(actor=actor, **over), actor=actor)
    chosen = list(teams)
    if chosen:
        services.set_visibility(app=version.app, actor=actor, visibility=App.Visibility.TEAMS, teams=chosen)
    if version.image:
        services.record_image(
            version_pk=version.pk,
            image=version.image,
            pinned="sha256:" + "0" * 64,
            state=Version.ImageState.FOUND,
            message="",
        )
    return Version.objects.select_related("app").get(pk=version.pk)
