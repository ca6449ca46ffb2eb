"""Sources and destinations of jobs in stages. One module a kind (object stores share one); a new kind is a line below.

A source is JSON: {"kind": ..., and the fields of that kind}. docs/reference/data-sources.md has them all.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

from apps_catalog.launch.positions import join
from apps_catalog.launch.spec import Fault, Json
from jobs.sources import bucket, bypass, files, keys, objects, url, vault
from jobs.sources.base import Away, Destination, Fields, Kind, Listed, Refused, Seen, Source
from jobs.sources.passage import Passage
from portal.errors import Invalid
from portal.people.models import User

__all__ = [
    "DESTINATIONS",
    "SOURCES",
    "Away",
    "Destination",
    "Listed",
    "Passage",
    "Refused",
    "Seen",
    "Source",
    "destination_of",
    "masked",
    "put_away",
    "put_destination_away",
    "source_of",
]
E = TypeVar("E")
BYPASS = "bypass"
_sources: tuple[Kind[Source], ...] = (bypass.SOURCE, url.SOURCE, files.SOURCE, vault.SOURCE, *objects.SOURCES)
_destinations: tuple[Kind[Destination], ...] = (
    bypass.DESTINATION,
    bucket.DESTINATION,
    vault.DESTINATION,
    *objects.DESTINATIONS,
)
SOURCES: Mapping[str, Kind[Source]] = {kind.kind: kind for kind in _sources}
DESTINATIONS: Mapping[str, Kind[Destination]] = {kind.kind: kind for kind in _destinations}


def source_of(given: Json, owner: User) -> Source | list[Fault]:
    """The source, or faults at /dataSource/.... Nothing said is `bypass`. Nobody else is asked yet."""
    return _read(SOURCES, given, owner, "/dataSource", "source")


def destination_of(given: Json, owner: User) -> Destination | list[Fault]:
    """The destination, or faults at /dataDestination/.... Nothing said is `bypass`."""
    return _read(DESTINATIONS, given, owner, "/dataDestination", "destination")


def put_away(given: Json, owner: User) -> Json:
    """A source as it may be stored: keys that came with it are moved into a secret of the owner's.

    Raises Invalid for what must not be kept: half a pair of keys, fields that no kind has, addresses that hold a password.
    """
    return _put_away(SOURCES, given, owner, "/dataSource", "source")


def put_destination_away(given: Json, owner: User) -> Json:
    """The same for a destination."""
    return _put_away(DESTINATIONS, given, owner, "/dataDestination", "destination")


def masked(given: Json) -> Json:
    """A source or destination for pages and answers: what follows the `?` of an address may be a key, and is left out."""
    if not isinstance(given, Mapping):
        return given
    kept = {name: value for name, value in given.items() if name not in keys.INLINE}
    if isinstance(kept.get("urls"), list):
        kept["urls"] = [url.shown(one) if isinstance(one, str) else one for one in kept["urls"]]
    return kept


def _read(kinds: Mapping[str, Kind[E]], given: Json, owner: User, at: str, noun: str) -> E | list[Fault]:
    kind, faults = _kind(kinds, given, at, noun)
    if kind is None or not isinstance(given, Mapping):
        return faults
    fields = Fields(given)
    found = kind.read(fields, owner)
    faults += [Fault(at + fault.pointer, fault.code, fault.message) for fault in fields.faults]
    return faults or found


def _kind(kinds: Mapping[str, Kind[E]], given: Json, at: str, noun: str) -> tuple[Kind[E] | None, list[Fault]]:
    """The kind that is meant, and what is wrong with how it is said."""
    if not isinstance(given, Mapping):
        return None, [Fault(at, "type", "must be an object")]
    word = given.get("kind", BYPASS)
    kind = kinds.get(word) if isinstance(word, str) else None
    if kind is None:
        advice = _near(str(word), kinds)
        return None, [Fault(f"{at}/kind", "unknown", f"{str(word)[:40]!r} is not a kind of {noun}. {advice}")]
    faults = []
    for name in given:
        if name not in ("kind", *kind.fields):
            said = f"is no field of the {noun} '{kind.kind}'. {_near(str(name), kind.fields)}"
            faults.append(Fault(join(at, str(name)[:100]), "unknown", said))
    return kind, faults


def _near(word: str, known: Iterable[str]) -> str:
    names = tuple(known)
    near = difflib.get_close_matches(word.lower(), names, n=1)
    return f"Did you mean {near[0]}?" if near else f"Known are: {', '.join(names) or 'none'}."


def _put_away(kinds: Mapping[str, Kind[E]], given: Json, owner: User, at: str, noun: str) -> Json:
    if not isinstance(given, Mapping):
        return given
    kind, faults = _kind(kinds, given, at, noun)
    if kind is not None and "urls" in kind.fields and isinstance(given.get("urls"), list):
        faults += [
            Fault(f"{at}/urls/{index}", "address", "must not hold a name or password: they would be kept in clear")
            for index, one in enumerate(given["urls"])
            if isinstance(one, str) and "@" in one.partition("://")[2].partition("/")[0]
        ]
    if faults:
        raise Invalid(f"This {noun} can't be kept; each fault is listed with its place.", faults=faults)
    return keys.put_away(given, owner, at)
