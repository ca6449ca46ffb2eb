"""Which alternative a value most likely is: by its looks alone, for drawing. The verdict is never asked, and no pattern is tried."""

from __future__ import annotations

from apps_catalog.launch.findings import Json
from apps_catalog.launch.json_schema.absent import ABSENT, same
from apps_catalog.launch.json_schema.nodes import (
    Alternatives,
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

MAX_STEPS = 3_000
NO = -1.0


class Fit:
    """A bounded comparison: once its steps are used up everything looks alike."""

    def __init__(self) -> None:
        self.left = MAX_STEPS

    def best(self, options: tuple[Child, ...], value: Json) -> int | None:
        """The first of the best alternatives, or None where none fits."""
        scores = [self.score(option.node, value) for option in options]
        top = max(scores, default=NO)
        return scores.index(top) if top >= 0 else None

    def score(self, node: Node, value: Json) -> float:
        """How well a value fits a node; below 0 it does not."""
        self.left -= 1
        if self.left < 0:
            return 0
        if value is None:
            return 1 if node.nullable else 3 if isinstance(node, Fixed) and node.value is None else self._any(node)
        match node:
            case Text() | Number() | Switch():
                return _typed(node, value)
            case Choice() | Fixed():
                options = [node.value] if isinstance(node, Fixed) else [option.value for option in node.options]
                return 4 if any(same(value, one) for one in options) else NO
            case Many() | Row():
                return self._list(node, value)
            case Group():
                return self.group(node, value)
            case Alternatives():
                return max((self.score(option.node, value) for option in node.options), default=NO)
            case _:
                return self._any(node)

    def _any(self, node: Node) -> float:
        plain = (Text, Number, Switch, Choice, Fixed, Many, Row, Group, Never)
        return NO if isinstance(node, plain) else 0

    def _list(self, node: Many | Row, value: Json) -> float:
        if not isinstance(value, list):
            return NO
        if isinstance(node, Many):
            return 3 if all(any(same(one, option.value) for option in node.options) for one in value) else NO
        children = [*node.first, *([node.item] * 5 if node.item else [])]
        scores = [self.score(child.node, one) for child, one in zip(children, value, strict=False)]
        return NO if any(score < 0 for score in scores) else 1 + sum(scores[:3]) / 3

    def group(self, node: Group, value: Json) -> float:
        if not isinstance(value, dict) or any(key not in value for key in node.required):
            return NO
        total = 1.0
        fields = fields_of(node)
        for key, one in value.items():
            child = fields.get(key)
            if child is None:
                total -= 0 if node.others else 0.5
                continue
            found = self.score(child.node, one)
            if found < 0:
                return NO
            total += 1 + found
        return max(total, 0)


def _typed(node: Text | Number | Switch, value: Json) -> float:
    if isinstance(node, Text):
        return 2 if isinstance(value, str) else NO
    if isinstance(node, Switch):
        return 2 if isinstance(value, bool) else NO
    number = isinstance(value, int | float) and not isinstance(value, bool)
    whole = number and (isinstance(value, int) or value.is_integer())
    return NO if not number or (node.integer and not whole) else 2 if node.integer else 1.5


def fields_of(node: Group) -> dict[str, Child]:
    """The fields of a group and of the sections in it."""
    found = {child.key: child for child in node.fields}
    for part in node.parts:
        inner = part.groups[0].node
        if part.kind == "section" and isinstance(inner, Group):
            found |= fields_of(inner)
    return found


def chosen_part(options: tuple[Child, ...], value: dict[str, Json]) -> int | None:
    """Which alternative of a part an object is: the one most of whose fields it has and fits."""
    fit = Fit()
    best, top = None, 0.0
    for index, option in enumerate(options):
        node = option.node
        if not isinstance(node, Group):
            continue
        fields = fields_of(node)
        known = {key: one for key, one in value.items() if key in fields and one is not ABSENT}
        score = fit.group(node, known) if known else NO
        if score > top:
            best, top = index, score
    return best
