"""What every kind of source and destination is: how it is read from JSON, and what a stage asks of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Generic, Protocol, TypeVar, runtime_checkable

from apps_catalog.launch.document import text_fault
from apps_catalog.launch.positions import join
from apps_catalog.launch.spec import Fault, Json
from jobs.listing import Listing
from jobs.sources.passage import Passage
from portal.errors import PortalError
from portal.people.models import User

SHOWN_NAMES = 5
LOOK_MAX = 1000  # files that a test counts
TEXT_MAX = 2000
LIST_MAX = 10_000
Files = Iterable[tuple[str, Path]]
E_co = TypeVar("E_co", covariant=True)


class Away(PortalError):
    """Raised where what a source names does not answer just now: trying again can help."""

    code = "source_away"
    status = 503


class Refused(PortalError):
    """Raised where what a source or destination names refuses, or is not what was said. The message says what to do."""

    code = "source_refused"
    status = 409


@dataclass(frozen=True)
class Seen:
    """What a look at a source found, without fetching it. `size` None: not known. `more`: there are more files than were counted."""

    files: int
    size: int | None
    names: tuple[str, ...]
    more: bool = False


class File(Protocol):
    """A file where it lies: its path there, and its bytes."""

    @property
    def key(self) -> str: ...
    @property
    def size(self) -> int: ...


def seen_of(found: Iterable[File], place: str) -> Seen:
    """What a look at files (one or more) comes to; at most LOOK_MAX are counted. Raises Refused where those are empty."""
    counted = list(islice(found, LOOK_MAX + 1))
    kept, more = counted[:LOOK_MAX], len(counted) > LOOK_MAX
    size = sum(one.size for one in kept)
    if not size:
        raise Refused(f"What was found in {place} is empty: {kept[0].key} has no byte. Check the path.")
    return Seen(len(kept), None if more else size, tuple(one.key for one in kept[:SHOWN_NAMES]), more)


class Source(Protocol):
    """Where the files of a job come from. All raise PortalError for what is not there, refuses or is cut."""

    def fetch(self, into: Path, passage: Passage) -> list[str]:
        """Stream the files into an empty folder; their names. Done again after a crash, it gives the same names."""

    def look(self) -> Seen:
        """Whether it can be read, and what there is."""


class Destination(Protocol):
    """Where the results go. `trivial`: nowhere but to the job itself."""

    @property
    def trivial(self) -> bool: ...

    def deliver(self, files: Files, passage: Passage) -> None:
        """Stream the named files to where they belong, in place of what was there. May be repeated."""

    def look(self) -> str:
        """Whether it can be written to, in a sentence; nothing is left there."""


@runtime_checkable
class Listed(Protocol):
    """A source or destination that can be looked through, a folder at a time."""

    def folder(self, path: str, *, search: str, offset: int, limit: int) -> Listing: ...


@dataclass
class Fields:
    """The fields of one source or destination as they are read; what is wrong with them gathers in `faults`."""

    given: Mapping[str, Json]
    faults: list[Fault] = field(default_factory=list)

    def wrong(self, name: str, code: str, said: str, index: int | None = None) -> None:
        at = join("", name) if index is None else join("", name, index)
        self.faults.append(Fault(at, code, said))

    def text(self, name: str, *, required: str = "", most: int = TEXT_MAX) -> str:
        """A text, "" where it is not there. `required` says what it is for, where it must be."""
        found = self.given.get(name)
        if found is None or found == "":
            if required:
                self.wrong(name, "required", required)
            return ""
        if not isinstance(found, str):
            self.wrong(name, "type", "must be a text")
            return ""
        if len(found) > most:
            self.wrong(name, "too-long", f"must have at most {most:,} characters")
            return ""
        if fault := text_fault(found):
            self.wrong(name, "text", fault)
            return ""
        return found

    def texts(self, name: str, *, required: str) -> list[str]:
        """A list of texts, at least one."""
        found = self.given.get(name)
        if found is None or found == []:
            self.wrong(name, "required", required)
            return []
        if not isinstance(found, list) or len(found) > LIST_MAX:
            self.wrong(name, "type", f"must be a list of texts, at most {LIST_MAX:,}")
            return []
        kept = []
        for index, one in enumerate(found):
            if not isinstance(one, str) or not one:
                self.wrong(name, "type", "must be a text that is not empty", index)
            elif len(one) > TEXT_MAX:
                self.wrong(name, "too-long", f"must have at most {TEXT_MAX:,} characters", index)
            elif fault := text_fault(one):
                self.wrong(name, "text", fault, index)
            else:
                kept.append(one)
        return kept


@dataclass(frozen=True)
class Kind(Generic[E_co]):
    """One kind: its word in `kind`, how people read it, the fields it takes, and what reads them for an owner.

    What `read` gives counts only where it left no fault in the fields.
    """

    kind: str
    label: str
    fields: tuple[str, ...]
    read: Callable[[Fields, User], E_co]
