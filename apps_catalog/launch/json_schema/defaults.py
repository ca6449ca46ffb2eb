"""What a form holds before anybody touches it.

Exactly the defaults: every key that has a `default`, those inside objects too, and nothing else, but for what can't be
left out: a required object or list is there though it may be empty, and a required `const` has its one value. An optional
object without any default inside is absent. A `default` of an object is laid over those of its properties, so neither
wipes the other. A list has its own `default` only: those of its items are for rows that are added. Alternatives stay
open unless there is a default. A part under a condition brings its defaults while the condition holds.
"""

from __future__ import annotations

from collections.abc import Callable

from apps_catalog.launch.findings import Json
from apps_catalog.launch.json_schema.absent import ABSENT, Bag, State, instance_of
from apps_catalog.launch.json_schema.nodes import Alternatives, Child, Condition, Fixed, Group, Many, Row

Holds = Callable[[Condition, Json], bool]
MAX_CHILDREN = 5_000


class Filling:
    """Fills in defaults. `holds` answers conditions; groups beyond MAX_CHILDREN stay absent unless they are required."""

    def __init__(self, holds: Holds) -> None:
        self.holds = holds
        self.left = MAX_CHILDREN

    def of(self, child: Child, *, opened: bool = False) -> State:
        """The default of a child. `opened`: a person asked for it, so an object is there at least empty."""
        self.left -= 1
        wanted = child.required or opened
        node = child.node
        if isinstance(node, Group):
            if not wanted and (child.recursive or self.left < 0) and node.about.default is ABSENT:
                return ABSENT
            found = self.inside(node)
            if isinstance(node.about.default, dict):
                found = laid_over(found, node.about.default)
            return found if found or wanted or node.about.default == {} else ABSENT
        if node.about.default is not ABSENT:
            return node.about.default
        if isinstance(node, Fixed) and wanted:
            return node.value
        if isinstance(node, Row | Many) and wanted:
            return []
        if isinstance(node, Alternatives) and opened and len(node.options) == 1:
            return self.of(node.options[0], opened=True)
        return ABSENT

    def inside(self, group: Group) -> Bag:
        """The defaults of a group's fields and of the parts that count."""
        found = Bag()
        self._add(found, group)
        for _ in range(3):  # what one part fills in may bring in another
            before = len(found)
            self._conditional(found, group)
            if len(found) == before:
                break
        return found

    def _add(self, found: Bag, group: Group) -> None:
        for child in group.fields:
            value = self.of(child)
            if value is not ABSENT and child.key not in found:
                found[child.key] = value
        for part in group.parts:
            if part.kind == "section" and isinstance(part.groups[0].node, Group):
                self._add(found, part.groups[0].node)

    def _conditional(self, found: Bag, group: Group) -> None:
        for part in group.parts:
            inner = part.groups[0].node
            if part.condition is None or not isinstance(inner, Group):
                continue
            if self.holds(part.condition, instance_of(found)):
                self._add(found, inner)
                self._conditional(found, inner)
        for part in group.parts:
            inner = part.groups[0].node
            if part.kind == "section" and isinstance(inner, Group):
                self._conditional(found, inner)


def laid_over(under: Bag, over: dict[str, Json]) -> Bag:
    """`over` wins key by key, inside objects too."""
    merged = Bag(under, chosen=under.chosen)
    for key, value in over.items():
        inner = merged.get(key)
        merged[key] = laid_over(inner, value) if isinstance(inner, Bag) and isinstance(value, dict) else value
    return merged
