"""From a posted form back to a state: the same tree is walked, and only what was drawn and posted is there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from apps_catalog.launch.document import Document, read_document
from apps_catalog.launch.findings import Fault, Json
from apps_catalog.launch.json_schema import addresses, scalars
from apps_catalog.launch.json_schema.absent import ABSENT, Bag, Chosen, State, Unkeyed, Unread
from apps_catalog.launch.json_schema.defaults import Filling, Holds
from apps_catalog.launch.json_schema.nodes import (
    Alternatives,
    Child,
    Choice,
    Fixed,
    Group,
    Many,
    Number,
    Part,
    Row,
    Switch,
    Text,
)
from apps_catalog.launch.positions import join

MAX_POSTED = 20_000
MAX_BOX_BYTES = 4 * 1024 * 1024
MAX_ROWS = 5_000


@dataclass
class Posted:
    """What was posted, by letter and address. Every value of a name, in the order of the page."""

    values: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    drawn: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, Sequence[str]]]) -> Posted:
        found = cls()
        for name, values in pairs:
            place = addresses.split(name)
            if place is None or len(found.values) >= MAX_POSTED:
                continue
            found.values[place] = list(values)
            address = place[1]
            while address not in found.drawn:
                found.drawn.add(address)
                address = address.rpartition("/")[0]
        return found

    def one(self, code: str, address: str) -> str | None:
        values = self.values.get((code, address))
        return values[-1] if values else None

    def all(self, code: str, address: str) -> list[str]:
        return self.values.get((code, address), [])


@dataclass
class Reading:
    """`chosen`: (pointer, keyword) -> index of the alternative that a person chose. `labels` are not needed to read."""

    state: State = ABSENT
    faults: list[Fault] = field(default_factory=list)
    chosen: dict[tuple[str, str], int] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)


def read(
    tree: Child, pairs: Iterable[tuple[str, Sequence[str]]], holds: Holds, act: str = "", root: str = ""
) -> Reading:
    """The state of a posted form. `act` is a change that a button asks for, such as `add:/samples`:

    add, open (an object that is not there), close, and drop, up, down (of a row).
    """
    verb, _, address = act.partition(":")
    reader = _Reader(Posted.of(pairs), holds, verb, address)
    reader.found.state = reader.child(tree, root, "")
    return reader.found


class _Reader:
    def __init__(self, posted: Posted, holds: Holds, verb: str, target: str) -> None:
        self.posted = posted
        self.holds = holds
        self.verb = verb
        self.target = target
        self.found = Reading()
        # Objects and lists that are there only because they are required: they don't make an optional object around
        # them be there.
        self.hollow: dict[int, State] = {}

    def asked(self, verb: str, address: str) -> bool:
        return self.verb == verb and self.target == address

    def child(self, child: Child, address: str, pointer: str) -> State:
        self.found.addresses[pointer] = address
        if self.asked("close", address):
            return ABSENT
        if self.asked("open", address):
            return Filling(self.holds).of(child, opened=True)
        box = self.posted.one(addresses.BOX, address)
        if box is not None:
            return self._box(box, pointer)
        node = child.node
        if node.nullable and self.posted.one(addresses.NULL, address) is not None:
            return None
        match node:
            case Group():
                return self._group(node, child, address, pointer)
            case Row():
                return self._list(node, child, address, pointer)
            case Many():
                return self._many(node, child, address)
            case Alternatives():
                return self._alternatives(node, address, pointer)
            case _:
                return self._scalar(child, address)

    def _scalar(self, child: Child, address: str) -> State:
        node = child.node
        text = self.posted.one(addresses.VALUE, address)
        if text is None:
            return ABSENT
        match node:
            case Text():
                text = text.replace("\r\n", "\n")
                return text if text or self.posted.one(addresses.EMPTY, address) else ABSENT
            case Number():
                return scalars.read_number(text)
            case Switch():
                return ABSENT if not text else text == "on" if text in ("on", "off") else text
            case Choice():
                return scalars.read_index(node.options, text)
            case Fixed():
                return node.value if text == "on" else ABSENT
            case _:
                return ABSENT

    def _box(self, text: str, pointer: str) -> State:
        if not text.strip():
            return ABSENT
        found = read_document(text.replace("\r\n", "\n"), max_bytes=MAX_BOX_BYTES)
        if isinstance(found, Document):
            return found.value
        self.found.faults.append(Fault(pointer, "not-json", f"this is not JSON yet. {found.message}"))
        return Unread(text)

    def _many(self, node: Many, child: Child, address: str) -> State:
        mark = self.posted.one(addresses.LIST, address)
        ticked = list(dict.fromkeys(self.posted.all(addresses.VALUE, address)))
        if mark is None:
            return ABSENT
        before = _order(self.posted.one(addresses.ORDER, address))
        places = {str(one): place for place, one in enumerate(before)}
        ticked.sort(key=lambda one: places.get(one, len(places)))
        values = [scalars.read_index(node.options, one) for one in ticked]
        if values or mark == "e":
            return values
        return self._hollow(values) if child.required else ABSENT

    def _list(self, node: Row, child: Child, address: str, pointer: str) -> State:
        mark = self.posted.one(addresses.LIST, address)
        if mark is None:
            return ABSENT
        numbers = [n for n in self.posted.all(addresses.ROWS, address) if n.isascii() and n.isdecimal()][:MAX_ROWS]
        numbers = self._moved(list(dict.fromkeys(numbers)), address, len(node.first))
        values: list[State] = []
        index = 0
        for place, number in enumerate(numbers):
            inner = node.first[place] if place < len(node.first) else node.item
            if inner is None:
                break
            value = self.child(inner, addresses.row(address, number), join(pointer, index))
            index += value is not ABSENT or place < len(node.first)
            values.append(value)
        values = _without_gaps(values, len(node.first))
        if self.asked("add", address) and node.item is not None:
            values += [ABSENT] * (len(node.first) - len(values))
            values.append(Filling(self.holds).of(node.item, opened=True))
            return values
        there = any(value is not ABSENT for value in values)
        kept = values if there or self._blank_rows(values, node) else []
        if kept or mark == "e":
            return kept
        return self._hollow(kept) if child.required else ABSENT

    def _hollow(self, state: State) -> State:
        self.hollow[id(state)] = state
        return state

    def _blank_rows(self, values: list[State], node: Row) -> bool:
        """Rows that are still blank stay while the form is only drawn anew."""
        return bool(self.verb) and len(values) > len(node.first)

    def _moved(self, numbers: list[str], address: str, first: int) -> list[str]:
        """The rows in the order that the pressed button asks for."""
        for place, number in enumerate(numbers):
            at = addresses.row(address, number)
            if place < first or self.target != at:
                continue
            if self.verb == "drop":
                return numbers[:place] + numbers[place + 1 :]
            other = place + {"up": -1, "down": 1}.get(self.verb, 0)
            if first <= other < len(numbers):
                numbers[place], numbers[other] = numbers[other], numbers[place]
            return numbers
        return numbers

    def _alternatives(self, node: Alternatives, address: str, pointer: str) -> State:
        picked = self.posted.one(addresses.PICK, address)
        index = _index(picked, len(node.options))
        if index is None:
            return ABSENT
        if node.keyword:
            self.found.chosen[pointer, node.keyword] = node.places[index]
        at = addresses.part(address, index)
        option = node.options[index]
        if at not in self.posted.drawn:
            return Chosen(index, Filling(self.holds).of(option, opened=True))
        value = self.child(option, at, pointer)
        self.found.addresses[pointer] = address
        return Chosen(index, value)

    def _group(self, node: Group, child: Child, address: str, pointer: str) -> State:
        mark = self.posted.one(addresses.GROUP, address)
        if mark is None:
            return ABSENT
        bag = Bag()
        extra = self._extra(address, pointer)
        bag.update(extra)
        for key in extra:
            self.found.addresses[join(pointer, key)] = address
        self._members(node, bag, address, address, pointer)
        if node.others is not None:
            self._own_keys(node.others, bag, address, pointer)
        order = _order(self.posted.one(addresses.ORDER, address))
        if order:
            places = {key: place for place, key in enumerate(order) if isinstance(key, str)}
            bag = Bag(sorted(bag.items(), key=lambda pair: places.get(pair[0], len(places))), chosen=bag.chosen)
        elif extra:
            # Keys without a field come last, as they were drawn.
            last = {key: bag[key] for key in extra if key in bag}
            bag = Bag({**{k: v for k, v in bag.items() if k not in last}, **last}, chosen=bag.chosen)
        if mark == "e" or any(id(value) not in self.hollow for value in bag.values()):
            return bag
        if child.required:
            return self._hollow(bag)
        return bag if self.verb and bag.chosen else ABSENT

    def _extra(self, address: str, pointer: str) -> dict[str, State]:
        text = self.posted.one(addresses.EXTRA, address)
        if text is None or not text.strip():
            return {}
        found = self._box(text, pointer)
        if isinstance(found, Unread):
            return {"": found}
        if isinstance(found, dict):
            return found
        self.found.faults.append(Fault(pointer, "type", "the other keys must be a JSON object, with { } around them"))
        return {"": Unread(text)}

    def _members(self, node: Group, bag: Bag, at: str, address: str, pointer: str) -> None:
        """The fields of a group and of its parts. `at` is the part's address, `address` that of the object."""
        for child in node.fields:
            value = self.child(child, addresses.below(at, child.key), join(pointer, child.key))
            if value is not ABSENT:
                bag[child.key] = value
        for number, part in enumerate(node.parts):
            self._part(part, bag, addresses.part(at, number), address, pointer)

    def _part(self, part: Part, bag: Bag, at: str, address: str, pointer: str) -> None:
        index = 0
        if part.kind == "choice":
            picked = _index(self.posted.one(addresses.PICK, at), len(part.groups))
            if picked is None:
                return
            index = picked
            bag.chosen[at.removeprefix(address)] = index
            self.found.chosen[pointer, part.keyword] = part.places[index]
            at = addresses.part(at, index)
            group = part.groups[index].node
            if at not in self.posted.drawn and isinstance(group, Group):
                bag.update({k: v for k, v in Filling(self.holds).inside(group).items() if k not in bag})
                return
        elif self.posted.one(addresses.GROUP, at) is None:
            return
        group = part.groups[index].node
        if isinstance(group, Group):
            self._members(group, bag, at, address, pointer)

    def _own_keys(self, others: Child, bag: Bag, address: str, pointer: str) -> None:
        numbers = self._moved(list(dict.fromkeys(self.posted.all(addresses.ROWS, address)))[:MAX_ROWS], address, 0)
        for number in numbers:
            at = addresses.row(address, number)
            key = self.posted.one(addresses.KEY, at) or ""
            value = self.child(others, at, join(pointer, key))
            if not key.strip():
                if value is not ABSENT:
                    self.found.faults.append(Fault(pointer, "key", "a value has no key; write one, or remove the row"))
                if value is not ABSENT or self.verb:
                    bag[Unkeyed(f"\0{number}")] = value
            elif key in bag:
                self.found.faults.append(Fault(join(pointer, key), "repeated", "this key is there twice; rename one"))
            else:
                bag[key] = value
        if self.asked("add", address):
            bag[Unkeyed("\0new")] = Filling(self.holds).of(others, opened=True)


def _index(text: str | None, most: int) -> int | None:
    known = text and text.isascii() and text.isdecimal() and len(text) < 6 and int(text) < most
    return int(text) if text and known else None


def _order(text: str | None) -> list[Json]:
    try:
        found = json.loads(text) if text else []
    except (ValueError, RecursionError):
        return []
    return found if isinstance(found, list) else []


def _without_gaps(values: list[State], first: int) -> list[State]:
    """Items with a place of their own: one that is blank between others is null, blank ones at the end are not there."""
    head, tail = values[:first], values[first:]
    if any(value is not ABSENT for value in tail):
        return [None if value is ABSENT else value for value in head] + tail
    last = max((place for place, value in enumerate(head) if value is not ABSENT), default=-1)
    return [None if value is ABSENT else value for value in head[: last + 1]] + (
        [ABSENT] * (first - last - 1) + tail if tail else []
    )
