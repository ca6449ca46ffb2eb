"""From a tree and a state to what templates draw, each value in the widget that holds it exactly, else in a JSON box."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from apps_catalog.launch.findings import Fault, Json
from apps_catalog.launch.json_schema import addresses, scalars
from apps_catalog.launch.json_schema.absent import ABSENT, Chosen, State, Unread, instance_of, same
from apps_catalog.launch.json_schema.defaults import Filling, Holds
from apps_catalog.launch.json_schema.drawn import Drawn, DrawnOption, DrawnRow
from apps_catalog.launch.json_schema.fitting import Fit
from apps_catalog.launch.json_schema.members import draw_group
from apps_catalog.launch.json_schema.nodes import (
    About,
    Alternatives,
    AnyJson,
    Child,
    Choice,
    Fixed,
    Group,
    Many,
    Never,
    Node,
    Number,
    Row,
    Switch,
    Text,
)
from apps_catalog.launch.positions import join

OPEN_TO_DEPTH = 4
MAX_DRAWN = 1_500


def draw(tree: Child, state: State, holds: Holds, faults: Sequence[Fault] = (), root: str = "") -> Drawn:
    """The whole form with each fault at its field, or at the nearest one around it. Pointers count from the instance.

    `root` is the address of the whole: each form of a page with several has its own.
    """
    drawing = Drawing(holds)
    whole = drawing.child(tree, state, root, "", 0)
    drawing.mark(faults)
    return whole


class Drawing:
    """One form being drawn. `places` has what was drawn for each pointer."""

    def __init__(self, holds: Holds) -> None:
        self.holds: Holds = holds
        self.places: dict[str, Drawn] = {}
        self.fit = Fit()
        self.count = 0

    def mark(self, faults: Iterable[Fault]) -> None:
        focused = False
        for fault in faults:
            pointer = fault.pointer
            while pointer and pointer not in self.places:
                pointer = pointer.rpartition("/")[0]
            drawn = self.places.get(pointer)
            if drawn is None:
                continue
            deeper = fault.pointer.removeprefix(drawn.pointer).removeprefix("/")
            words = fault.message[:1].upper() + fault.message[1:]
            words = f"{deeper}: {fault.message}" if deeper and drawn.kind in ("box", "group") else words
            drawn.errors.append(words if words.endswith((".", "?")) else words + ".")
            drawn.focus, focused = not focused, True

    def child(self, child: Child, state: State, address: str, pointer: str, depth: int) -> Drawn:
        """One place. What no widget holds is put into a JSON box."""
        self.count += 1
        node = child.node
        drawn = None
        if not isinstance(state, Unread):
            null = state is None and node.nullable
            drawn = self._widget(child, node, ABSENT if null else state, address, pointer, depth)
            if drawn is not None:
                drawn.null = null
        if drawn is None:
            text = str(state) if isinstance(state, Unread) else scalars.boxed(instance_of(state))
            drawn = self.plain("box", child, address, pointer, text=text if state is not ABSENT else "")
        drawn.nullable = node.nullable and drawn.kind not in ("box", "unopened")
        drawn.present = state is not ABSENT
        if drawn.present:
            drawn.placeholder = ""
        default = node.about.default
        drawn.changed = state is not ABSENT and not (default is not ABSENT and same(instance_of(state), default))
        if isinstance(node, Group | Row | Alternatives | Many):
            drawn.changed = bool(instance_of(state)) and not (
                default is not ABSENT and same(instance_of(state), default)
            )
        self.places[pointer] = drawn
        return drawn

    def plain(self, kind: Any, child: Child, address: str, pointer: str, **more: Any) -> Drawn:
        about = child.node.about
        drawn = Drawn(
            kind=kind,
            address=address,
            pointer=pointer,
            label=child.label or about.title,
            key=child.key,
            description=about.description if about.description != child.label else "",
            help=about.help,
            required=child.required,
            readonly=about.readonly,
            deprecated=about.deprecated,
            examples=tuple(scalars.compact(one) if not isinstance(one, str) else one for one in about.examples),
            **more,
        )
        drawn.placeholder = _default_words(about) if not drawn.text else ""
        return drawn

    def _widget(self, child: Child, node: Node, state: State, address: str, pointer: str, depth: int) -> Drawn | None:
        match node:
            case Group() | Row() | Alternatives():
                return self._nested(child, node, state, address, pointer, depth)
            case Text() | Number():
                return self._typed(child, node, state, address, pointer)
            case Switch() | Choice() | Many():
                return self._picked(child, node, state, address, pointer)
            case Fixed():
                if state is not ABSENT and not same(state, node.value):
                    return None
                drawn = self.plain("fixed", child, address, pointer, text=scalars.compact(node.value))
                drawn.widget = "given" if child.required and state is not ABSENT else "optional"
                return drawn
            case Never() | AnyJson() if state is ABSENT:
                return self.plain("never" if isinstance(node, Never) else "box", child, address, pointer)
            case _:
                return None

    def _nested(
        self, child: Child, node: Group | Row | Alternatives, state: State, address: str, pointer: str, depth: int
    ) -> Drawn | None:
        match node:
            case Group():
                return self._group(child, node, state, address, pointer, depth)
            case Row():
                return self._list(child, node, state, address, pointer, depth)
            case Alternatives():
                return self._alternatives(child, node, state, address, pointer, depth)

    def _picked(
        self, child: Child, node: Switch | Choice | Many, state: State, address: str, pointer: str
    ) -> Drawn | None:
        match node:
            case Switch():
                return self._switch(child, node, state, address, pointer)
            case Choice():
                return self._choice(child, node, state, address, pointer)
            case Many():
                return self._many(child, node, state, address, pointer)

    def _typed(self, child: Child, node: Text | Number, state: State, address: str, pointer: str) -> Drawn | None:
        if isinstance(node, Text):
            return self._text(child, node, state, address, pointer)
        text = scalars.number_text(state)
        if text is None:
            return None
        drawn = self.plain("number", child, address, pointer, text=text, limits=scalars.limits_of(node))
        signed = node.low is None or node.low < 0
        drawn.inputmode = "text" if signed else "numeric" if node.integer else "decimal"
        drawn.slider = None if drawn.readonly else scalars.slider_of(node, state)
        return drawn

    def _text(self, child: Child, node: Text, state: State, address: str, pointer: str) -> Drawn | None:
        widget = scalars.text_widget(node, state)
        if not widget:
            return None
        text = "" if state is ABSENT else state
        drawn = self.plain("text", child, address, pointer, text=text, widget=widget, limits=scalars.limits_of(node))
        drawn.empty = state == ""
        drawn.mimetype = node.mimetype
        drawn.inputmode = {"email": "email", "url": "url"}.get(widget, "text")
        return drawn

    def _switch(self, child: Child, node: Switch, state: State, address: str, pointer: str) -> Drawn | None:
        if state is not ABSENT and not isinstance(state, bool):
            return None
        drawn = self.plain("switch", child, address, pointer, text="" if state is ABSENT else "on" if state else "off")
        two = isinstance(node.about.default, bool) and state is not ABSENT and not node.nullable
        drawn.widget = "switch" if two else "radio"
        if not two:
            offered = (
                [("on", "Yes"), ("off", "No")] if child.required else [("", "Not set"), ("on", "Yes"), ("off", "No")]
            )
            drawn.options = tuple(_option(drawn, value, words) for value, words in offered)
        return drawn

    def _choice(self, child: Child, node: Choice, state: State, address: str, pointer: str) -> Drawn | None:
        index = None if state is ABSENT else scalars.option_index(node.options, state)
        if state is not ABSENT and index is None:
            return None
        drawn = self.plain("choice", child, address, pointer, text="" if index is None else str(index))
        drawn.widget = node.widget
        options = [] if child.required and (index is not None or node.widget == "radio") else [("", "Not set")]
        options += [(str(at), option.label) for at, option in enumerate(node.options)]
        drawn.options = tuple(_option(drawn, value, words) for value, words in options)
        return drawn

    def _many(self, child: Child, node: Many, state: State, address: str, pointer: str) -> Drawn | None:
        values = [] if state is ABSENT else state
        indexes = [scalars.option_index(node.options, one) for one in values] if isinstance(values, list) else [None]
        known = [index for index in indexes if index is not None]
        if len(known) < len(indexes) or len(set(known)) < len(known):
            return None
        drawn = self.plain("many", child, address, pointer, limits=_how_many(node.least, node.most))
        drawn.options = tuple(
            DrawnOption(str(at), option.label, at in known, f"{drawn.id}-{at}")
            for at, option in enumerate(node.options)
        )
        drawn.order = scalars.compact(known) if known != sorted(known) else ""
        drawn.keep_empty = state == []
        return drawn

    def _list(self, child: Child, node: Row, state: State, address: str, pointer: str, depth: int) -> Drawn | None:
        if state is not ABSENT and not isinstance(state, list):
            return None
        values: list[State] = [] if state is ABSENT else list(state)
        if len(values) > len(node.first) and node.item is None:
            return None
        drawn = self.plain("list", child, address, pointer, limits=_how_many(node.least, node.most))
        drawn.keep_empty = state == []
        drawn.addable = node.item is not None and (node.most is None or len(values) < node.most or not node.most)
        drawn.item_label = node.item.label if node.item else "Item"
        values += [ABSENT] * (len(node.first) - len(values))
        index = 0
        for number, value in enumerate(values):
            fixed = number < len(node.first)
            inner = node.first[number] if fixed else node.item
            if inner is None:
                return None
            at = addresses.row(address, number)
            one = self.child(inner, value, at, join(pointer, index), depth + 1)
            if not fixed:
                one.label, one.required = f"{drawn.item_label} {number + 1}", False
            index += value is not ABSENT or fixed
            movable_from = len(node.first)
            row = DrawnRow(address=at, number=number, drawn=one, fixed=fixed)
            row.first, row.last = number == movable_from, number == len(values) - 1
            drawn.rows.append(row)
        return drawn

    def _group(self, child: Child, node: Group, state: State, address: str, pointer: str, depth: int) -> Drawn | None:
        if state is not ABSENT and not isinstance(state, dict):
            return None
        closed = child.recursive or depth > OPEN_TO_DEPTH or self.count > MAX_DRAWN
        if state is ABSENT and not child.required and closed:
            return self.plain("unopened", child, address, pointer)
        drawn = self.plain("group", child, address, pointer)
        drawn.removable = closed and not child.required
        drawn.placeholder = ""
        if not draw_group(self, drawn, node, state, depth):
            return None
        drawn.keep_empty = state is not ABSENT and not instance_of(state)
        return drawn

    def _alternatives(
        self, child: Child, node: Alternatives, state: State, address: str, pointer: str, depth: int
    ) -> Drawn | None:
        value = state.value if isinstance(state, Chosen) else state
        index = state.index if isinstance(state, Chosen) else None
        if index is None and value is not ABSENT:
            index = self.fit.best(node.options, instance_of(value))
            if index is None:
                return None
        drawn = self.plain("alternatives", child, address, pointer)
        named = [("", "Not set")] + [(str(at), option.label) for at, option in enumerate(node.options)]
        chosen = "" if index is None else str(index)
        drawn.options = tuple(DrawnOption(at, label, at == chosen) for at, label in named)
        drawn.text = chosen
        if index is not None and index < len(node.options):
            option = node.options[index]
            drawn.picked = self.child(option, value, addresses.part(address, index), pointer, depth + 1)
            drawn.picked.required = False
        return drawn

    def default_of(self, child: Child) -> State:
        return Filling(self.holds).of(child)


def _option(drawn: Drawn, value: str, words: str) -> DrawnOption:
    return DrawnOption(value, words, value == drawn.text, f"{drawn.id}-{value or 'none'}")


def _how_many(least: int, most: int | None) -> str:
    if most is not None:
        return f"{least} to {most}" if least and least != most else f"exactly {most}" if least else f"up to {most}"
    return f"at least {least}" if least else ""


def _default_words(about: About) -> str:
    """What is meant where nothing is set."""
    if about.default is ABSENT or about.default in ("", None):
        return ""
    default: Json = about.default
    text = default if isinstance(default, str) else scalars.compact(default)
    return text if len(text) <= 60 else text[:57] + "..."


def labels_of(whole: Drawn) -> Mapping[str, tuple[str, str]]:
    """Pointer -> (id, label) of everything that is drawn."""
    found: dict[str, tuple[str, str]] = {}
    todo = [whole]
    while todo:
        one = todo.pop()
        found.setdefault(one.pointer, (one.id, one.label))
        todo.extend(one.inner)
    return found
