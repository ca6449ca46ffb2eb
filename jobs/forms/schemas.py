"""Commands whose parameters an author's JSON Schema describes: their form, filled in, read back, and its faults."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.http import QueryDict

from apps_catalog.judging import judge
from apps_catalog.launch.document import Document, read_document
from apps_catalog.launch.json_schema.absent import State, instance_of
from apps_catalog.launch.json_schema.drawing import labels_of
from apps_catalog.launch.json_schema.drawn import Drawn, Members
from apps_catalog.launch.json_schema.fitting import fields_of
from apps_catalog.launch.json_schema.kept import kept_schema
from apps_catalog.launch.json_schema.nodes import Group, Text
from apps_catalog.launch.json_schema.values import SchemaForm, form_of
from apps_catalog.launch.spec import Command, Fault, Json

ACT = "schema:"
PLACE = "/parameters"


@dataclass(frozen=True)
class Filled:
    """A form as it stands: its state, what could not be read of it, and where each value is on the page it came from."""

    state: State
    faults: tuple[Fault, ...] = ()
    chosen: Mapping[tuple[str, str], int] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, Json]:
        found = instance_of(self.state)
        return found if isinstance(found, dict) else {}


def schema_form(command: Command, root: str = "") -> SchemaForm | None:
    """The form of a command, or None where it has no schema of its author's. `root`: its address among several on a page."""
    schema = kept_schema(command.schema) if command.schema is not None else None
    return form_of(schema, judge, root) if schema is not None else None


def act_of(posted: QueryDict) -> str:
    """The change that a pressed button asks for, or ""."""
    go = posted.get("go", "")
    return go.removeprefix(ACT) if go.startswith(ACT) else ""


def filled_from(form: SchemaForm, posted: QueryDict, act: str = "") -> Filled:
    """What was posted. Faults have pointers below /parameters."""
    reading = form.read(posted.lists(), act)
    faults = tuple(replace(fault, pointer=PLACE + fault.pointer) for fault in reading.faults)
    return Filled(reading.state, faults, reading.chosen, reading.addresses)


def filled_in(form: SchemaForm, parameters: Mapping[str, Json] | None = None) -> Filled:
    """The form before anybody touched it, or with the parameters of an earlier job."""
    return Filled(form.defaults() if parameters is None else dict(parameters))


def given_by_link(form: SchemaForm, texts: Mapping[str, str]) -> tuple[dict[str, Json], list[str]]:
    """What a link sets, as JSON where its field is no text, and the keys that the schema has no field for."""
    node = form.tree.node
    known = fields_of(node) if isinstance(node, Group) else {}
    open_ended = isinstance(node, Group) and node.others is not None
    given: dict[str, Json] = {}
    for key, text in texts.items():
        if key in known or open_ended:
            given[key] = text if key in known and isinstance(known[key].node, Text) else json_or_text(text)
    return given, [key for key in texts if key not in given]


def json_or_text(text: str) -> Json:
    """A value of a link: JSON where it reads as such, else the text."""
    found = read_document(text)
    return found.value if isinstance(found, Document) else text


def drawn(form: SchemaForm, filled: Filled, faults: Iterable[Fault] = ()) -> Drawn:
    """The form with those of the faults in it that are about parameters."""
    inside = [replace(f, pointer=f.pointer.removeprefix(PLACE)) for f in faults if is_inside(f)]
    return form.draw(filled.state, inside)


def is_inside(fault: Fault) -> bool:
    return fault.pointer == PLACE or fault.pointer.startswith(PLACE + "/")


def places_of(whole: Drawn, faults: Iterable[Fault], addresses: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """The id, label and name of the field of each fault, or of the nearest field around it.

    `addresses` says where fields are on a page that is already there, and whose rows may be numbered otherwise.
    """
    labels = labels_of(whole)
    for fault in faults:
        pointer = fault.pointer.removeprefix(PLACE)
        near = pointer
        while near and near not in labels:
            near = near.rpartition("/")[0]
        id_, label = labels.get(near, (whole.id, ""))
        address = addresses.get(near, id_.removeprefix("f"))
        label = label or pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
        yield f"f{address}", label, f"s:{address}"


def active_parts(whole: Drawn) -> dict[str, bool]:
    """Which parts under a condition count now, by address."""
    found: dict[str, bool] = {}
    todo: list[Members] = [whole.members]
    inner = [whole]
    while inner:
        one = inner.pop()
        todo.append(one.members)
        inner += one.inner
    while todo:
        for part in todo.pop().parts:
            if part.active is not None:
                found[part.address] = part.active
            todo += [members for members in (part.members, part.picked) if members is not None]
    return found


def live(form: SchemaForm, posted: QueryDict) -> dict[str, Any]:
    """What changes at once while somebody fills a form in: the parts that come and go."""
    filled = filled_from(form, posted, "draw:")
    return {"active": active_parts(drawn(form, filled))}


def fragment(form: SchemaForm, posted: QueryDict, act: str, address: str) -> Drawn | None:
    """One place of a form drawn anew after a change to it; None where there is no such place."""
    return drawn(form, filled_from(form, posted, act or "draw:")).find(address)
