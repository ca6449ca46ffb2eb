"""How an attempt ended, as its worker says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from jobs.collect import Item
from jobs.states import FailureClass


@dataclass(frozen=True)
class Chunk:
    """A chunk in the store. Its number is its place in the list."""

    stored: str
    size: int


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended. `failure` None is success. `retry`: another try by itself can help (infra only).

    `lasting`: another try would end the same, so a person's own retries are not spent on it. `chunks` are what a
    partition made.
    """

    failure: FailureClass | None
    reason: str
    exit_code: int | None = None
    retry: bool = False
    results: Sequence[Item] = field(default_factory=tuple)
    cpu_s: float | None = None
    memory_peak_bytes: int | None = None
    lasting: bool = False
    chunks: Sequence[Chunk] = field(default_factory=tuple)
