"""What is said to people: findings on an author's file, faults of a submission."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["error", "warning", "info"]
Json = Any


@dataclass(frozen=True)
class Finding:
    """One remark on an author's file. `error` refuses the import; line and column count from 1.

    `file` names the file where there are several: manifest.json, schema.json, template.json, or one of the code.
    """

    level: Level
    code: str
    message: str
    pointer: str = ""
    line: int | None = None
    column: int | None = None
    file: str = ""


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a submission, at an RFC 6901 pointer into it (`/parameters/-case`)."""

    pointer: str
    code: str
    message: str
