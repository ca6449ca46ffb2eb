"""A schema with its references and `allOf` laid over one another, for drawing only: what judges values is never merged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps_catalog.launch.findings import Json
from apps_catalog.launch.json_schema.documents import DRAFT_7, Schema

# What draft 7 lets stand beside a `$ref`: words, which judge nothing.
WORDS = frozenset({"title", "description", "default", "examples", "help_text", "hidden", "readOnly", "writeOnly"})
OBJECT_SIGNS = ("properties", "patternProperties", "additionalProperties", "required", "minProperties", "propertyNames")
ARRAY_SIGNS = ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains")
NUMBER_SIGNS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
TEXT_SIGNS = ("pattern", "minLength", "maxLength", "format")
KINDS = (("object", OBJECT_SIGNS), ("array", ARRAY_SIGNS), ("number", NUMBER_SIGNS), ("string", TEXT_SIGNS))
TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")


@dataclass(frozen=True)
class Layers:
    """The outermost layer comes first. `sections` are the titled objects of an `allOf`, which are drawn as groups.

    `trail` holds the ids of the definitions that led here: whoever meets one of them again is recursive.
    """

    each: tuple[Mapping[str, Json], ...]
    sections: tuple[Json, ...]
    trail: frozenset[int]
    recursive: bool = False

    def word(self, keyword: str, fallback: Json = None) -> Json:
        """What the outermost layer says."""
        return next((layer[keyword] for layer in self.each if keyword in layer), fallback)

    def text(self, keyword: str) -> str:
        found = self.word(keyword, "")
        return found if isinstance(found, str) else ""

    def says(self, keyword: str) -> bool:
        return any(layer.get(keyword) is True for layer in self.each)

    def all_of(self, keyword: str) -> list[Json]:
        return [layer[keyword] for layer in self.each if keyword in layer]

    def number(self, keyword: str, choose: Callable[[Iterable[Any]], Any]) -> Any:
        """The strictest of the limits of all layers, or None."""
        found = [v for v in self.all_of(keyword) if isinstance(v, int | float) and not isinstance(v, bool)]
        return choose(found) if found else None

    @property
    def required(self) -> tuple[str, ...]:
        lists = (listed for listed in self.all_of("required") if isinstance(listed, list))
        return tuple(dict.fromkeys(key for listed in lists for key in listed if isinstance(key, str)))

    @property
    def properties(self) -> dict[str, Json]:
        """Each property in the author's order, inner layers first; one that several layers describe is laid over itself."""
        found: dict[str, list[Json]] = {}
        for layer in reversed(self.each):
            named = layer.get("properties")
            for key, schema in named.items() if isinstance(named, dict) else ():
                found.setdefault(key, []).insert(0, schema)
        return {key: one[0] if len(one) == 1 else {"allOf": one} for key, one in found.items()}

    @property
    def types(self) -> tuple[str, ...]:
        """The types that fit every layer; guessed from the other keywords where none is said. Empty: any."""
        said = [[kinds] if isinstance(kinds, str) else kinds for kinds in self.all_of("type")]
        left: tuple[str, ...] = ()
        for kinds in said:
            left = tuple(k for k in kinds if _within(k, left)) if left else tuple(kinds)
        if left:
            return tuple(dict.fromkeys(left))
        return tuple(kind for kind, signs in KINDS if any(sign in layer for layer in self.each for sign in signs))[:1]


def _within(kind: str, allowed: Sequence[str]) -> bool:
    return kind in allowed or (kind == "integer" and "number" in allowed)


def lay(schema: Schema, one: Json, trail: frozenset[int] = frozenset(), under: tuple[Json, ...] = ()) -> Layers:
    """The layers of a schema, `under` laid below it. A definition that is its own part is not entered twice."""
    each: list[Mapping[str, Json]] = []
    sections: list[Json] = []
    seen: set[int] = set()
    recursive = False

    def enter(part: Json) -> None:
        nonlocal recursive
        if not isinstance(part, dict) or id(part) in seen:
            return
        seen.add(id(part))
        target = schema.targets.get(id(part))
        if target is None:
            each.append(part)
        else:
            alone = schema.dialect is DRAFT_7
            each.append({k: v for k, v in part.items() if k != "$ref" and (not alone or k in WORDS)})
            recursive = recursive or id(target) in trail
            led.add(id(target))
            enter(target)
            if alone:
                return
        listed = part.get("allOf")
        for member in listed if isinstance(listed, list) else ():
            if is_section(schema, member):
                sections.append(member)
            else:
                enter(member)

    led: set[int] = set()
    for part in (one, *under):
        enter(part)
    return Layers(tuple(each), tuple(sections), trail | led, recursive)


def is_section(schema: Schema, member: Json) -> bool:
    """Whether a member of an `allOf` is a group of its own: properties with a title or a description over them."""
    for _ in range(8):
        if not isinstance(member, dict):
            return False
        if isinstance(member.get("properties"), dict):
            return bool(member.get("title") or member.get("description"))
        target = schema.targets.get(id(member))
        if target is None:
            return False
        member = target
    return False


def refers_to_false(schema: Schema, one: Json) -> bool:
    """Whether nothing at all fits: `false`, or a reference to it."""
    for _ in range(8):
        if not isinstance(one, dict):
            return one is False
        if id(one) not in schema.targets:
            return False
        one = schema.targets[id(one)]
    return False
