"""ByteNite apps whose parameters an author's JSON Schema describes, and which do nothing else of note."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from apps_catalog.launch.bytenite import read_bytenite
from apps_catalog.launch.spec import LaunchSpec
from apps_catalog.models import Version
from tests.jobs.bundles import make_bundle

MANIFEST = json.dumps({"name": "x", "version": "1.0"})


def spec_with(schema: Mapping[str, Any]) -> LaunchSpec:
    spec = read_bytenite(MANIFEST, json.dumps(schema)).spec
    assert spec is not None
    return spec


def make_schema_app(schema: Mapping[str, Any], slug: str = "pipeline") -> Version:
    return make_bundle("app", name=slug, schema=schema)
