"""Objects being drawn: fields, what is folded under "Advanced", parts that come and go, and keys that have no field."""

from __future__ import annotations

from typing import Protocol

from apps_catalog.launch.json_schema import addresses, scalars
from apps_catalog.launch.json_schema.absent import ABSENT, Bag, State, Unkeyed, instance_of
from apps_catalog.launch.json_schema.defaults import Holds
from apps_catalog.launch.json_schema.drawn import Drawn, DrawnOption, DrawnPart, DrawnRow, Members
from apps_catalog.launch.json_schema.fitting import chosen_part
from apps_catalog.launch.json_schema.nodes import Child, Group, Part
from apps_catalog.launch.positions import join


class Drawing(Protocol):
    """The form that this object is part of; drawing.Drawing."""

    places: dict[str, Drawn]

    @property
    def holds(self) -> Holds: ...

    def child(self, child: Child, state: State, address: str, pointer: str, depth: int) -> Drawn: ...

    def default_of(self, child: Child) -> State: ...


def draw_group(drawing: Drawing, drawn: Drawn, node: Group, state: State, depth: int) -> bool:
    """Draws an object into `drawn`. False where a key of it is none that HTML could hold."""
    bag = state if isinstance(state, dict) else Bag()
    painter = _Painter(drawing, bag, drawn, depth)
    drawn.members = painter.members(node, drawn.address)
    painter.mark_required()
    left = {key: value for key, value in bag.items() if key not in painter.used}
    others = node.others
    rows = {key: v for key, v in left.items() if others and _is_row_key(key)}
    extra = {key: value for key, value in left.items() if key not in rows}
    if others is not None:
        drawn.keyed, drawn.addable, drawn.key_words = True, True, node.key_words
        drawn.item_label = "Key and value"
        for number, (key, value) in enumerate(rows.items()):
            painter.row(others, number, key, value)
    if extra:
        drawn.extra = scalars.boxed(instance_of(extra))
        for key in extra:
            drawing.places[join(drawn.pointer, key)] = drawn
    natural = [*painter.used, *(str(key) for key in rows if not isinstance(key, Unkeyed)), *extra]
    actual = [key for key in bag if not isinstance(key, Unkeyed) and instance_of(bag[key]) is not ABSENT]
    if actual != [key for key in natural if key in bag and instance_of(bag[key]) is not ABSENT]:
        drawn.order = scalars.compact(actual)
    return True


def _is_row_key(key: str) -> bool:
    return isinstance(key, Unkeyed) or (bool(key.strip()) and scalars.postable(key) and "\n" not in key)


class _Painter:
    """The members of one object, over all its parts. `used` are the keys drawn, in the order in which they are read back."""

    def __init__(self, drawing: Drawing, bag: dict[str, State], drawn: Drawn, depth: int) -> None:
        self.drawing = drawing
        self.bag = bag
        self.drawn = drawn
        self.depth = depth
        self.used: dict[str, None] = {}
        self.by_key: dict[str, Drawn] = {}
        self.demands: list[tuple[str, str, bool]] = []

    def members(self, group: Group, address: str, *, counts: bool = True) -> Members:
        """Its fields and parts. Where it does not count, they hold their defaults until it does."""
        found = Members()
        for child in group.fields:
            drawn = self._field(child, address, counts)
            (found.advanced if child.node.about.hidden else found.fields).append(drawn)
        for number, part in enumerate(group.parts):
            found.parts.append(self._part(part, number, addresses.part(address, number), counts))
        return found

    def _field(self, child: Child, address: str, counts: bool) -> Drawn:
        if counts:
            state = self.bag.get(child.key, ABSENT)
            self.used[child.key] = None
        else:
            state = self.drawing.default_of(child)
        places = self.drawing.places
        pointer = join(self.drawn.pointer, child.key)
        before = places.get(pointer)
        drawn = self.drawing.child(child, state, addresses.below(address, child.key), pointer, self.depth + 1)
        if counts:
            self.by_key.setdefault(child.key, drawn)
        elif before is not None:
            places[pointer] = before
        return drawn

    def _part(self, part: Part, number: int, address: str, counts: bool) -> DrawnPart:
        if part.kind == "choice":
            return self._choice(part, number, address, counts)
        child = part.groups[0]
        group = child.node
        shown = DrawnPart(kind=part.kind, address=address, title=child.label)
        shown.description, shown.help = group.about.description, group.about.help
        if part.condition is not None:
            shown.active = counts and self.drawing.holds(part.condition, instance_of(self.bag))
            counts = counts and shown.active
        if isinstance(group, Group):
            if part.kind == "when":
                self.demands += [(key, address, counts) for key in group.required]
            shown.members = self.members(group, address, counts=counts)
        return shown

    def _choice(self, part: Part, number: int, address: str, counts: bool) -> DrawnPart:
        chosen = self.bag.chosen.get(address.removeprefix(self.drawn.address)) if isinstance(self.bag, Bag) else None
        if chosen is None and counts:
            chosen = chosen_part(part.groups, {k: instance_of(v) for k, v in self.bag.items()})
        shown = DrawnPart(kind="choice", address=address, title="One of these")
        named = [("", "Not set"), *((str(at), child.label) for at, child in enumerate(part.groups))]
        at = "" if chosen is None or not 0 <= chosen < len(part.groups) else str(chosen)
        shown.options = tuple(DrawnOption(value, label, value == at) for value, label in named)
        if at:
            group = part.groups[int(at)].node
            shown.picked_address = addresses.part(address, at)
            if isinstance(group, Group):
                shown.picked = self.members(group, shown.picked_address, counts=counts)
        return shown

    def row(self, others: Child, number: int, key: str, value: State) -> None:
        """One key of one's own with its value."""
        at = addresses.row(self.drawn.address, number)
        blank = isinstance(key, Unkeyed)
        pointer = join(self.drawn.pointer, key)
        inner = self.drawing.child(others, value, at, pointer, self.depth + 1)
        inner.label, inner.required = "Value" if blank else f"Value of {key}", False
        self.drawn.rows.append(DrawnRow(address=at, number=number, drawn=inner, key="" if blank else key))

    def mark_required(self) -> None:
        """Fields of this object that a condition demands: marked now if it holds, and live when it does."""
        for key, address, counts in self.demands:
            drawn = self.by_key.get(key)
            if drawn is not None and not drawn.required:
                drawn.required_by.append(address)
                drawn.required = counts
