"""docs/reference/bytenite.md against the code: each key and variable has a row, and each row names a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from apps_catalog.launch.bytenite import DEVICE_KEYS, MANIFEST_KEYS, PLATFORM_KEYS
from apps_catalog.launch.stage_plan import PARAMS, VARIABLES
from apps_catalog.launch.template_file import TEMPLATE_KEYS
from tests.apps_catalog.launch.corpus import ROOT

PAGE = ROOT / "docs" / "reference" / "bytenite.md"
ROW = re.compile(r"^\| `([^`]+)` \| (.+) \| `([^`]+)` \|$", re.MULTILINE)
OF_ONE_TASK = {
    "CHUNK_NUMBER",
    "MISSING_CHUNKS",
    "MISSING_CHUNKS_FILE",
    "SHARED_CACHE_DIR",
    "USER_CACHE_DIR",
    "SLIPWAY_TASK",
    "{SECRET}",
    "{SECRET}_ACCESS_KEY",
    "{SECRET}_SECRET_KEY",
}
TABLES: dict[str, set[str]] = {
    "manifest.json": set(MANIFEST_KEYS),
    "platform_config": set(PLATFORM_KEYS),
    "device_requirements": set(DEVICE_KEYS),
    "template.json": set(TEMPLATE_KEYS),
    "Variables": {name for one in VARIABLES.values() for name in one} | set(PARAMS.values()) | OF_ONE_TASK,
}


def tables() -> dict[str, list[tuple[str, str, str]]]:
    """Heading -> its rows: key, what is done, the test."""
    parts = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = zip(parts[1::2], parts[2::2], strict=True)
    return {heading: rows for heading, text in found if (rows := ROW.findall(text))}


@pytest.mark.parametrize("heading", TABLES)
def test_each_key_that_is_read_has_one_row(heading: str) -> None:
    keys = [key for key, _, _ in tables()[heading]]
    assert len(keys) == len(set(keys))
    assert set(keys) == TABLES[heading]


def test_each_line_of_a_table_is_a_row() -> None:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert len(lines) == sum(len(rows) for rows in tables().values())


def test_each_row_names_a_test_that_is_there() -> None:
    missing = []
    for test in sorted({test for rows in tables().values() for _, _, test in rows}):
        path, _, name = test.partition("::")
        file = ROOT / path
        if not file.is_file() or not re.search(rf"^def {name}\(", file.read_text(encoding="utf-8"), re.MULTILINE):
            missing.append(test)
    assert missing == []


@pytest.mark.parametrize(
    "page", [PAGE, ROOT / "docs" / "howto" / "write-a-bytenite-app.md"], ids=lambda page: page.name
)
def test_each_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    anchors = {heading.lower().replace(" ", "-") for heading in re.findall(r"^## (.+)$", text, re.MULTILINE)}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert target[1:] in anchors if target.startswith("#") else Path(page.parent, target).is_file(), target
