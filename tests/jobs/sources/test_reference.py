"""docs/reference/data-sources.md has a row for every kind and field there is, and none else."""

from __future__ import annotations

import re
from pathlib import Path

from jobs.forms.ends import ASKED
from jobs.sources import DESTINATIONS, SOURCES
from jobs.sources.objects import SERVICES

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "data-sources.md").read_text()
KINDS, FIELDS = TEXT.partition("## Kinds")[2].partition("## What Slipway does")[0].split("## Fields")


def test_every_kind_is_there_with_its_sides() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (yes)? ?\| (yes)? ?\|", KINDS, re.MULTILINE)
    assert {kind: (bool(source), bool(destination)) for kind, source, destination in rows} == {
        kind: (kind in SOURCES, kind in DESTINATIONS) for kind in {*SOURCES, *DESTINATIONS}
    }


def test_every_field_is_there() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", FIELDS, re.MULTILINE))
    known = [*SOURCES.values(), *DESTINATIONS.values()]
    assert rows == {(kind.kind, field) for kind in known for field in kind.fields}


def test_what_services_have_by_themselves_is_said() -> None:
    for service in SERVICES:
        row = re.search(rf"^\| `{service.kind}` \| `region` \|.*$", FIELDS, re.MULTILINE)
        assert row is not None
        assert f"`{service.region}`" in row[0]
        assert service.endpoint in FIELDS


def test_the_form_asks_for_every_field() -> None:
    asked = {(kind, item.key) for item in ASKED for kind in item.kinds}
    known = {(kind.kind, field) for kind in (*SOURCES.values(), *DESTINATIONS.values()) for field in kind.fields}
    assert known - asked == {("file", "uploads")}  # which is a drop zone
    assert asked <= known
