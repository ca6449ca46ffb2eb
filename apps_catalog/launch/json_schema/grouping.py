"""Objects as groups: their fields, the parts that conditions and alternatives add, and keys of one's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from apps_catalog.launch.findings import Json
from apps_catalog.launch.json_schema.absent import ABSENT
from apps_catalog.launch.json_schema.documents import Schema
from apps_catalog.launch.json_schema.layers import Layers, lay
from apps_catalog.launch.json_schema.nodes import About, Alternatives, Child, Condition, Group, Part


class Building(Protocol):
    """What makes the children; building.Builder."""

    schema: Schema

    def child(
        self,
        key: str,
        one: Json,
        trail: frozenset[int],
        *,
        required: bool = False,
        label: str = "",
        under: tuple[Json, ...] = (),
        root: bool = False,
    ) -> Child: ...

    def name_of(self, one: Json, number: int) -> str: ...


def group_of(
    builder: Building, laid: Layers, about: About, taken: frozenset[str] = frozenset(), *, part: bool = False
) -> Group:
    """The group of an object. Keys in `taken` are drawn by a group around it, and are not drawn twice."""
    schema, required = builder.schema, laid.required
    told_later = _described_by_parts(builder, laid)
    fields = tuple(
        builder.child(key, one, laid.trail, required=key in required)
        for key, one in laid.properties.items()
        if key not in taken and not (_says_nothing(one) and key in told_later)
    )
    known = taken | {child.key for child in fields}
    parts: list[Part] = []
    for member in laid.sections:
        child = _more(builder, member, laid.trail, known)
        known |= set(lay(schema, member, laid.trail).properties)
        parts.append(Part("section", (child,)))
    parts += _conditional(builder, laid, known)
    parts += _choices(builder, laid, known)
    drawn = known | {key for part in parts if part.kind == "section" for key in _keys(part.groups[0])}
    missing = (
        ()
        if part
        else tuple(
            builder.child(key, {}, laid.trail, required=True)
            for key in required
            if key not in drawn and not any(key in _keys(group) for part in parts for group in part.groups)
        )
    )
    others, words = _others(builder, laid)
    return Group(
        about=about,
        fields=(*fields, *missing),
        parts=tuple(parts),
        others=others if others is not None or fields or missing or parts or part else _free(builder, laid),
        key_words=words,
        required=required,
    )


def about_of(laid: Layers) -> About:
    examples = laid.word("examples")
    return About(
        title=laid.text("title"),
        description=laid.text("description"),
        help=laid.text("help_text"),
        default=laid.word("default", ABSENT),
        examples=tuple(examples[:5]) if isinstance(examples, list) else (),
        hidden=laid.says("hidden"),
        readonly=laid.says("readOnly"),
        secret=laid.says("writeOnly") or laid.text("format") == "password",
        deprecated=laid.says("deprecated"),
    )


def _free(builder: Building, laid: Layers) -> Child | None:
    """An object of which nothing is said takes keys of any kind."""
    closed = any(layer.get("additionalProperties") is False for layer in laid.each)
    return None if closed else builder.child("", {}, laid.trail, required=True, label="Value")


def _keys(child: Child) -> set[str]:
    node = child.node
    return {one.key for one in node.fields} if isinstance(node, Group) else set()


def _says_nothing(one: Json) -> bool:
    return one is True or (isinstance(one, dict) and not one)


def _more(
    builder: Building, one: Json, trail: frozenset[int], taken: frozenset[str], label: str = "", title: bool = True
) -> Child:
    """A group that fills in the same object as the one around it."""
    laid = lay(builder.schema, one, trail)
    name = label or (laid.text("title") if title else "")
    return Child("", name, True, False, lambda: group_of(builder, laid, about_of(laid), taken, part=True))


def _described_by_parts(builder: Building, laid: Layers) -> frozenset[str]:
    """Keys that a condition describes: where the group itself only names them, the branch draws them."""
    found: set[str] = set()
    for _, one in _branches(laid):
        found |= set(lay(builder.schema, one).properties)
    return frozenset(found)


def _branches(laid: Layers) -> Iterator[tuple[Condition, Json]]:
    """Every conditional schema of an object with its condition."""
    for layer in laid.each:
        if "if" in layer:
            for keyword, negated in (("then", False), ("else", True)):
                if isinstance(layer.get(keyword), dict):
                    yield Condition(layer["if"], negated), layer[keyword]
        for keyword in ("dependentSchemas", "dependentRequired", "dependencies"):
            named = layer.get(keyword)
            for key, one in named.items() if isinstance(named, Mapping) else ():
                added = {"required": one} if isinstance(one, list) else one
                if isinstance(added, dict):
                    yield Condition({"required": [key]}), added


def _conditional(builder: Building, laid: Layers, taken: frozenset[str]) -> Iterator[Part]:
    for condition, one in _branches(laid):
        inner = lay(builder.schema, one, laid.trail)
        alternatives = [listed for keyword in ("oneOf", "anyOf") for listed in inner.all_of(keyword)]
        told_apart = [_told_apart(builder, listed, taken) for listed in alternatives]
        if told_apart and all(told_apart):
            for conditions in told_apart:
                for tells, option in conditions or ():
                    both = {"allOf": [condition.schema, tells]}
                    yield Part("when", (_more(builder, option, laid.trail, taken),), Condition(both))
            continue
        yield Part("when", (_more(builder, one, laid.trail, taken),), condition)


def _told_apart(builder: Building, listed: Json, taken: frozenset[str]) -> list[tuple[Json, Json]] | None:
    """Alternatives that are told apart by a field that is drawn already: each with the condition that means it."""
    found: list[tuple[Json, Json]] = []
    for one in listed if isinstance(listed, list) else ():
        properties = lay(builder.schema, one).properties
        tells = {
            key: inner
            for key, inner in properties.items()
            if key in taken and isinstance(inner, dict) and ("const" in inner or "enum" in inner)
        }
        if not tells:
            return None
        found.append(({"properties": tells, "required": list(tells)}, one))
    return found or None


def _choices(builder: Building, laid: Layers, taken: frozenset[str]) -> Iterator[Part]:
    """Alternatives that add to an object; those that only demand some of its fields draw nothing."""
    for keyword in ("oneOf", "anyOf"):
        for listed in laid.all_of(keyword):
            told = _told_apart(builder, listed, taken)
            if told:
                for tells, option in told:
                    yield Part("when", (_more(builder, option, laid.trail, taken),), Condition(tells))
                continue
            children = tuple(
                _more(builder, one, laid.trail, taken, builder.name_of(one, number))
                for number, one in enumerate(listed if isinstance(listed, list) else (), 1)
            )
            if any(_adds(child) for child in children):
                yield Part("choice", children, keyword=keyword, places=tuple(range(len(children))))


def _adds(child: Child) -> bool:
    node = child.node
    return isinstance(node, Group) and bool(node.fields or node.parts or node.others)


def _others(builder: Building, laid: Layers) -> tuple[Child | None, str]:
    """The schema of keys that people add themselves, where the author speaks of such keys; and words on them."""
    named = [(pattern, one) for layer in laid.all_of("patternProperties") for pattern, one in layer.items()]
    rest = laid.word("additionalProperties", laid.word("unevaluatedProperties"))
    if rest is True or isinstance(rest, dict):
        named.append(("", rest))
    named = [(pattern, one) for pattern, one in named if one is not False]
    if not named:
        return None, ""
    patterns = [pattern for pattern, _ in named if pattern]
    words = f"Keys like {' or '.join(patterns[:3])}" if patterns and len(patterns) == len(named) else ""
    if len(named) == 1:
        return builder.child("", named[0][1], laid.trail, required=True, label="Value"), words
    options = tuple(
        builder.child("", one, laid.trail, required=True, label=f"Keys like {pattern}" if pattern else "Other keys")
        for pattern, one in named
    )
    return Child("", "Value", True, False, lambda: Alternatives(options=options)), words
