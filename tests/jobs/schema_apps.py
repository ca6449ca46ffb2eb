"""Apps whose parameters an author's JSON Schema describes, made without a bundle: its reader is another part's matter."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from apps_catalog.launch.spec import Command, LaunchSpec, Reading
from apps_catalog.models import App, Version
from tests.factories import make_app, make_version


def read_schema_app(text: str, _schema: str = "") -> Reading:
    """A definition that is {"name": .., "schema": ..} and nothing else."""
    raw = json.loads(text)
    command = Command(key="run", name="Run", description="", path=("/bin/true",), parameters={}, schema=raw["schema"])
    spec = LaunchSpec(
        kind="bytenite",
        digest=hashlib.sha256(str(text).encode()).hexdigest(),
        name=raw["name"],
        description="",
        author="Ada",
        categories=(),
        commands={"run": command},
        machines=("*",),
        vault_types=("NONE", "FILE"),
    )
    return Reading(spec, ())


def make_schema_app(schema: dict[str, Any], slug: str = "pipeline") -> tuple[App, Version]:
    app = make_app(slug=slug, name=slug.capitalize(), kind=App.Kind.BYTENITE)
    version = make_version(app, label="1.0", definition={"name": slug, "schema": schema})
    return app, version
