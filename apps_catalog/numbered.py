"""A definition as numbered lines with the findings at them, and findings counted by level."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from apps_catalog.launch.spec import Finding
from apps_catalog.models import Version
from apps_catalog.wording import counted

LINES_SHOWN = 5_000
LINE_SHOWN = 400  # characters; an icon is one line of a million


@dataclass(frozen=True)
class Line:
    """One line of the text; `cut` is how many of its characters are not shown, `level` that of its worst finding."""

    number: int
    text: str
    cut: int
    level: str


@dataclass(frozen=True)
class Remarks:
    """The findings of one reading, errors first."""

    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, version: Version) -> Remarks:
        return cls(tuple(Finding(**finding) for finding in version.findings))

    def _count(self, level: str) -> int:
        return sum(finding.level == level for finding in self.findings)

    @cached_property
    def errors(self) -> int:
        return self._count("error")

    @cached_property
    def warnings(self) -> int:
        return self._count("warning")

    @cached_property
    def notes(self) -> int:
        return self._count("info")

    @property
    def summary(self) -> str:
        counts = ((self.errors, "error"), (self.warnings, "warning"), (self.notes, "note"))
        return ", ".join(counted(number, thing) for number, thing in counts if number) or "No remarks"


@dataclass(frozen=True)
class Numbered:
    lines: tuple[Line, ...]
    left_out: int


def number_lines(text: str, findings: Iterable[Finding]) -> Numbered:
    """At most LINES_SHOWN lines of a text. Splits at line feeds only, as line numbers of findings do."""
    worst: dict[int, str] = {}
    order = {"error": 0, "warning": 1, "info": 2}
    for finding in findings:
        if finding.line and order[finding.level] < order.get(worst.get(finding.line, ""), 3):
            worst[finding.line] = finding.level
    rows = text.removeprefix("\ufeff").split("\n")
    shown = [
        Line(number, row[:LINE_SHOWN].rstrip("\r"), max(0, len(row) - LINE_SHOWN), worst.get(number, ""))
        for number, row in enumerate(rows[:LINES_SHOWN], start=1)
    ]
    return Numbered(tuple(shown), max(0, len(rows) - LINES_SHOWN))
