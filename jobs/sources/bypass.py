"""No source: the partitioner finds one dummy file. No destination: the results stay with the job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jobs.sources.base import Fields, Files, Kind, Seen
from jobs.sources.passage import Passage
from portal.people.models import User

DUMMY_NAME, DUMMY = "bypass.bin", b"bypass\n"


@dataclass(frozen=True)
class NoSource:
    def fetch(self, into: Path, passage: Passage) -> list[str]:
        (into / DUMMY_NAME).write_bytes(DUMMY)
        return [DUMMY_NAME]

    def look(self) -> Seen:
        return Seen(1, len(DUMMY), (DUMMY_NAME,))


@dataclass(frozen=True)
class NoDestination:
    trivial: bool = True

    def deliver(self, files: Files, passage: Passage) -> None:
        return

    def look(self) -> str:
        return "The results stay with the job; there is nothing to test."


def _source(fields: Fields, owner: User) -> NoSource:
    return NoSource()


def _destination(fields: Fields, owner: User) -> NoDestination:
    return NoDestination()


SOURCE = Kind("bypass", "No source", (), _source)
DESTINATION = Kind("bypass", "Keep with the job", (), _destination)
