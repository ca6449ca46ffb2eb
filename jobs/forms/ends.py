"""The form parts of a source and a destination: what the templates draw, filled from JSON; and JSON from what was posted.

A view gives `source_part(...)` to jobs/_source.html and `destination_part(...)` to jobs/_destination.html, and reads
what came with `from_form(request.POST, "source")`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.http import QueryDict
from django.urls import NoReverseMatch, reverse

from apps_catalog.launch.json_schema.drawn import explained_by
from apps_catalog.launch.parameters.files import in_bytes
from apps_catalog.launch.spec import Fault, Json
from jobs import uploads
from jobs.forms.widgets import is_upload_id
from jobs.models import Upload, Vault
from jobs.sources import DESTINATIONS, SOURCES
from jobs.sources.base import Destination, Kind, Source
from jobs.sources.keys import chosen
from jobs.sources.objects import SERVICES
from portal.people.models import User

LISTS = ("urls", "uploads", "paths")
SERVICE_KINDS = tuple(service.kind for service in SERVICES)
HELP = {
    "bypass": {"source": "The partitioner makes its chunks from its parameters alone.", "destination": ""},
    "url": {"source": "Files that anyone can fetch by their address.", "destination": ""},
    "file": {"source": "Files from your computer.", "destination": ""},
    "vault": {"source": "Files that are here already.", "destination": "The results are written into a folder of it."},
    "bucket": {"source": "", "destination": "Anyone who has a link can fetch its file until it expires."},
}


@dataclass(frozen=True)
class Choice:
    value: str
    label: str
    help: str = ""
    chosen: bool = False
    endpoint: str = ""  # of an object store: where it is unless something else is said


@dataclass(frozen=True)
class Item:
    """One field. `name` is what is posted, `key` what it is called in the JSON and in faults."""

    name: str
    key: str
    label: str
    value: str = ""
    help: str = ""
    placeholder: str = ""
    required: bool = False
    rows: int = 0  # of a text of several lines
    secret: bool = False
    choices: tuple[Choice, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.name}-field"

    @property
    def described_by(self) -> str:
        return explained_by(self.id, bool(self.help))


@dataclass(frozen=True)
class Asked:
    """A field of the form: as it is posted, its key in the JSON, and the kinds that have it. `side` "": both sides."""

    posted: str
    key: str
    kinds: tuple[str, ...]
    label: str
    help: str = ""
    placeholder: str = ""
    required: bool = False
    rows: int = 0
    side: str = ""


PATHS_HELP = "One a line: a file, a folder with / at its end, or a wildcard such as data/*.csv. / alone is everything."
PATH_HELP = "Empty: the top. {job} becomes the job's number, so that no run overwrites another."
ASKED = (
    Asked(
        "urls",
        "urls",
        ("url",),
        "Addresses",
        "One a line, of public hosts. Passwords don't belong here.",
        "https://example.org/data.csv",
        required=True,
        rows=3,
        side="source",
    ),
    Asked("vault", "vault", ("vault",), "Vault", required=True),
    Asked("vault_paths", "paths", ("vault",), "Files", PATHS_HELP, "data/*.csv", True, 3, "source"),
    Asked("vault_path", "path", ("vault",), "Folder", PATH_HELP, "results/{job}", side="destination"),
    Asked("bucket", "bucket", SERVICE_KINDS, "Bucket", "Its name alone.", "my-bucket", required=True),
    Asked("region", "region", SERVICE_KINDS, "Region", "Empty: the usual one of the service.", "eu-central-1"),
    Asked("endpoint", "endpoint", SERVICE_KINDS, "Endpoint", "The address of the service.", "https://s3.example.org"),
    Asked("secret", "secret", SERVICE_KINDS, "Secret", "Its access key opens the bucket. None: the bucket is public."),
    Asked("access_key", "access_key", SERVICE_KINDS, "Access key"),
    Asked("secret_key", "secret_key", SERVICE_KINDS, "Secret key"),
    Asked("paths", "paths", SERVICE_KINDS, "Files", PATHS_HELP, "data/*.csv", True, 3, "source"),
    Asked("path", "path", SERVICE_KINDS, "Folder", PATH_HELP, "results/{job}", side="destination"),
)


@dataclass(frozen=True)
class Sent:
    """An upload that the source has already."""

    id: str
    name: str
    words: str
    complete: bool


@dataclass(frozen=True)
class Part:
    """Everything that a template draws. `fields` by key; `errors` are those of no field."""

    prefix: str
    side: str  # source | destination
    kind: str
    kinds: tuple[Choice, ...]
    fields: Mapping[str, Item]
    uploads: tuple[Sent, ...] = ()
    upload_errors: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    services: str = field(default=" ".join(SERVICE_KINDS))

    @property
    def tested(self) -> str:
        """The kinds of which a test can say anything."""
        return " ".join(one.value for one in self.kinds if one.value not in ("bypass", "bucket"))

    @property
    def secrets_url(self) -> str:
        """The page of secrets, where this installation has it."""
        try:
            return reverse("people:secrets")
        except NoReverseMatch:
            return ""

    @property
    def upload_limit_bytes(self) -> int:
        return settings.UPLOAD_LIMIT_MIB * 2**20

    @property
    def heading(self) -> str:
        return "Source" if self.side == "source" else "Destination"

    @property
    def kind_id(self) -> str:
        return f"{self.prefix}-kind-field"


def source_part(given: Json, owner: User, *, faults: Sequence[Fault] = (), prefix: str = "source") -> Part:
    """The part for a source as JSON says it, right or wrong; faults at /dataSource/... stand at their fields."""
    return _part("source", SOURCES, given, owner, faults, "/dataSource", prefix)


def destination_part(given: Json, owner: User, *, faults: Sequence[Fault] = (), prefix: str = "destination") -> Part:
    """The same for a destination; faults at /dataDestination/...."""
    return _part("destination", DESTINATIONS, given, owner, faults, "/dataDestination", prefix)


def from_form(post: QueryDict | Mapping[str, Any], prefix: str) -> Json:
    """What a part posted, as JSON: the kind, and those of its fields that hold something. {} where the part was not there.

    Nothing is judged here.
    """
    kind = str(post.get(f"{prefix}-kind") or "")
    if not kind:
        return {}
    found: dict[str, Json] = {"kind": kind}
    for name in _fields_of(kind):
        posted = f"{prefix}-{_posted(kind, name)}"
        if name == "uploads":
            several = post.getlist(posted) if isinstance(post, QueryDict) else post.get(posted, [])
            if ids := [one for one in several if one]:
                found[name] = ids
        elif name in LISTS:
            if lines := [line.strip() for line in str(post.get(posted) or "").splitlines() if line.strip()]:
                found[name] = lines
        elif text := str(post.get(posted) or "").strip():
            found[name] = text
    return found


def read_out(given: Mapping[str, Json], side: str) -> list[tuple[str, str]]:
    """A source or a destination as JSON (nothing: none) in the words of the form: labels with what stands there."""
    known: Mapping[str, Kind[Any]] = SOURCES if side == "source" else DESTINATIONS
    word = str(given.get("kind", "bypass"))
    labels = {asked.key: asked.label for asked in ASKED if word in asked.kinds and asked.side in ("", side)}
    kind = ("Kind", known[word].label if word in known else word)
    return [
        kind,
        *(
            (labels.get(key, key.capitalize()), _text(value) or str(value))
            for key, value in given.items()
            if key != "kind"
        ),
    ]


def _posted(kind: str, name: str) -> str:
    """Paths in a vault and in a bucket are fields of their own, so that changing the kind loses neither."""
    return f"vault_{name}" if kind == "vault" and name in ("paths", "path") else name


def _fields_of(kind: str) -> tuple[str, ...]:
    source, destination = SOURCES.get(kind), DESTINATIONS.get(kind)
    names = (*(source.fields if source else ()), *(destination.fields if destination else ()))
    return tuple(dict.fromkeys(names))


def _part(
    side: str,
    known: Mapping[str, Kind[Source]] | Mapping[str, Kind[Destination]],
    given: Json,
    owner: User,
    faults: Sequence[Fault],
    at: str,
    prefix: str,
) -> Part:
    values: Mapping[str, Json] = given if isinstance(given, Mapping) else {}
    word = values.get("kind", "bypass")
    kind = word if isinstance(word, str) and word in known else "bypass"
    told = _told(faults, at)
    fields = {}
    for asked in ASKED:
        if asked.side not in ("", side):
            continue
        mine = kind in asked.kinds
        fields[asked.posted] = Item(
            name=f"{prefix}-{asked.posted}",
            key=asked.key,
            label=asked.label,
            value=_text(values.get(asked.key)) if mine and asked.key != "secret_key" else "",
            help=asked.help,
            placeholder=asked.placeholder,
            required=asked.required,
            rows=asked.rows,
            secret=asked.key == "secret_key",
            choices=_choices(asked.key, values.get(asked.key) if mine else "", owner),
            errors=tuple(told.pop(asked.key, ())) if mine else (),
        )
    uploaded = "uploads" in _fields_of(kind)
    return Part(
        prefix=prefix,
        side=side,
        kind=kind,
        kinds=tuple(_kind(one, side, kind) for one in known.values()),
        fields=fields,
        uploads=_sent(values.get("uploads"), owner) if uploaded else (),
        upload_errors=tuple(told.pop("uploads", ())) if uploaded else (),
        errors=tuple(text for texts in told.values() for text in texts),
    )


def _kind(one: Kind[Any], side: str, chosen_kind: str) -> Choice:
    endpoint = next((service.endpoint for service in SERVICES if service.kind == one.kind), "")
    said = HELP.get(one.kind, {}).get(side, "")
    return Choice(one.kind, one.label, said, one.kind == chosen_kind, endpoint)


def _told(faults: Sequence[Fault], at: str) -> dict[str, list[str]]:
    """What is wrong, by field. Of a field of several lines the line is named."""
    told: dict[str, list[str]] = {}
    for fault in faults:
        if fault.pointer == at or fault.pointer.startswith(f"{at}/"):
            key, _, index = fault.pointer.removeprefix(at).lstrip("/").partition("/")
            many = index.isdecimal() and key != "uploads"
            told.setdefault(key, []).append(
                sentence(f"Line {int(index) + 1}: {fault.message}" if many else fault.message)
            )
    return told


def sentence(words: str) -> str:
    """A fault as it stands below its field: with a capital letter and a full stop."""
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "?")) else ".")


def _text(value: Json) -> str:
    if isinstance(value, list):
        return "\n".join(str(one) for one in value)
    return value if isinstance(value, str) else ""


def _choices(key: str, value: Json, owner: User) -> tuple[Choice, ...]:
    """What a drop-down offers; what was chosen and is not there any more stays visible."""
    if key == "vault":
        rows = Vault.objects.visible_to(owner).exclude(type=Vault.Type.NONE).select_related("team")
        found = [Choice(row.name, row.name, row.team.name if row.team else "") for row in rows]
    elif key == "secret":
        found = [Choice(row.name, row.name, row.team.name if row.team else "") for row in chosen(owner)]
    else:
        return ()
    if isinstance(value, str) and value and all(one.value != value for one in found):
        found.append(Choice(value, value, "not there any more"))
    return tuple(Choice(one.value, one.label, one.help, one.value == value) for one in found)


def _sent(given: Json, owner: User) -> tuple[Sent, ...]:
    ids = [one for one in given if isinstance(one, str)] if isinstance(given, list) else []
    rows = {str(row.pk): row for row in Upload.objects.filter(owner=owner, pk__in=filter(is_upload_id, ids))}
    found = []
    for one in ids:
        row = rows.get(one)
        if row is None:
            found.append(
                Sent(one, "A file that is not there any more", "Remove it, and upload it again", complete=False)
            )
        elif row.complete:
            found.append(Sent(one, row.name, in_bytes(row.size), complete=True))
        else:
            found.append(Sent(one, row.name, f"{in_bytes(uploads.arrived(row))} so far", complete=False))
    return tuple(found)
