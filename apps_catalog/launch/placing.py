"""Findings at their places: the line and column in the text of what each is about."""

from __future__ import annotations

from dataclasses import replace

from apps_catalog.launch.document import Document
from apps_catalog.launch.findings import Finding
from apps_catalog.launch.positions import find_positions, place
from apps_catalog.launch.reading import Notes


def placed(document: Document, notes: Notes) -> tuple[Finding, ...]:
    """The findings, errors first, each with the line and column of what it is about."""
    if not notes.findings and not document.repeats_keys:
        return ()
    positions = find_positions(document.text)
    found: list[Finding] = []
    for pointer, offset in positions.repeated[:40]:
        at, column_at = place(document.text, offset)
        key = pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
        message = f"Line {at}, column {column_at}: the key {key!r} is given twice in this object; the last one counts."
        found.append(Finding("warning", "duplicate-key", message, pointer, at, column_at))
    for finding in notes.findings:
        line, column = positions.of(finding.pointer)
        found.append(replace(finding, line=line, column=column))
    if notes.left_out:
        found.append(Finding("info", "more", f"{notes.left_out} more remarks are not listed."))
    order = {"error": 0, "warning": 1, "info": 2}
    return tuple(sorted(found, key=lambda finding: order[finding.level]))
