"""docs/reference/appdef.md against the code: each key that is read has a row, and each row names a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from apps_catalog.launch.account import VARIABLE_KEYS
from apps_catalog.launch.appdef import IMAGE_KEYS, TOP_KEYS
from apps_catalog.launch.commands import COMMAND_KEYS
from apps_catalog.launch.hints import KNOWN_HINTS
from apps_catalog.launch.identity import IDENTITY_KEYS
from apps_catalog.launch.jobfiles import JOBENV, PREVIEWS
from apps_catalog.launch.parameters import KINDS
from apps_catalog.launch.parameters.base import GENERIC_KEYS
from apps_catalog.launch.substitutions import SUBSTITUTIONS
from tests.apps_catalog.launch.corpus import ROOT

PAGE = ROOT / "docs" / "reference" / "appdef.md"
ROW = re.compile(r"\| `([^`]+)` \| (.+) \| `([^`]+)` \|")
MOUNTS = {"/data", "/results", "/tmp", "/home/<username>"}
TABLES: dict[str, set[str]] = {
    "Top level": set(TOP_KEYS),
    "image": set(IMAGE_KEYS),
    "Command": set(COMMAND_KEYS),
    "Parameters of all types": set(GENERIC_KEYS),
    **{kind: set(cls.own_keys) for kind, cls in KINDS.items()},
    "variables": set(VARIABLE_KEYS),
    "identity": set(IDENTITY_KEYS),
    "Hints": set(KNOWN_HINTS),
    "Substitutions": {f"%{name}%" for name in SUBSTITUTIONS},
    "Files in the container": {JOBENV, *PREVIEWS} | MOUNTS,
}


def tables() -> dict[str, list[tuple[str, str, str]]]:
    """Heading -> its rows: key, what is done, the test."""
    parts = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = zip(parts[1::2], parts[2::2], strict=True)
    return {heading: rows for heading, text in found if (rows := ROW.findall(text))}


FOUND = tables()


@pytest.mark.parametrize("heading", TABLES)
def test_each_key_that_is_read_has_one_row(heading: str) -> None:
    keys = [key for key, _, _ in FOUND[heading]]
    assert len(keys) == len(set(keys))
    assert set(keys) == TABLES[heading]


def test_there_are_no_other_tables() -> None:
    assert set(FOUND) == set(TABLES)


def test_each_row_names_a_test_that_is_there() -> None:
    named = {test for rows in FOUND.values() for _, _, test in rows}
    missing = []
    for test in sorted(named):
        path, _, name = test.partition("::")
        file = ROOT / path
        if not file.is_file() or not re.search(
            rf"^(?:async )?def {name}\(", file.read_text(encoding="utf-8"), re.MULTILINE
        ):
            missing.append(test)
    assert missing == []


def test_each_link_of_the_page_leads_somewhere() -> None:
    text = PAGE.read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert target[1:] in anchors if target.startswith("#") else Path(PAGE.parent, target).is_file(), target


@pytest.mark.parametrize("number", ["0010", "0011", "0012", "0013"])
def test_departures_from_the_reference_are_decisions_that_the_page_links(number: str) -> None:
    (file,) = (ROOT / "docs" / "decisions").glob(f"{number}-*.md")
    assert f"../decisions/{file.name}" in PAGE.read_text(encoding="utf-8")
    assert f"({file.name})" in (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
