"""From a schema to the tree that draws it. Where nothing better fits there is a box for JSON, never a blank."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from apps_catalog.launch.findings import Json
from apps_catalog.launch.json_schema.absent import ABSENT
from apps_catalog.launch.json_schema.documents import Schema
from apps_catalog.launch.json_schema.grouping import about_of, group_of
from apps_catalog.launch.json_schema.layers import Layers, lay, refers_to_false
from apps_catalog.launch.json_schema.nodes import (
    LABELS,
    About,
    Alternatives,
    AnyJson,
    Child,
    Choice,
    Fixed,
    Many,
    Never,
    Node,
    Number,
    Option,
    Row,
    Switch,
    Text,
    TextWidget,
)

RADIO_UP_TO = 4
SEARCH_FROM = 12
MANY_UP_TO = 30
LONG_FROM = 200
FORMATS: dict[str, TextWidget] = {
    "date": "date",
    "time": "time",
    "date-time": "datetime",
    "email": "email",
    "idn-email": "email",
    "uri": "url",
    "iri": "url",
    "url": "url",
    "color": "color",
    "password": "password",
    "textarea": "longtext",
    "multiline": "longtext",
    "markdown": "longtext",
    "file-path": "path",
    "directory-path": "path",
    "path": "path",
    "file-path-pattern": "path",
}


def tree_of(schema: Schema) -> Child:
    """The whole form. The root must be there: it is required."""
    return Builder(schema).child("", schema.root, frozenset(), required=True, root=schema.demands_object)


class Builder:
    """Makes nodes of one schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

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
    ) -> Child:
        laid = lay(self.schema, one, trail, under)
        title = label or laid.text("title") or key
        return Child(key, title, required, laid.recursive, lambda: self.node(one, laid, root=root))

    def node(self, one: Json, laid: Layers, *, root: bool = False) -> Node:
        if refers_to_false(self.schema, one):
            return Never()
        about = about_of(laid)
        options = self._plain_options(laid)
        if options is not None:
            fitting, nullable = options
            return _choice(fitting, about, nullable, laid)
        found = self._alternatives(laid, about)
        if found is not None:
            return found
        return self._by_type(laid, about, ("object",) if root and not laid.types else laid.types)

    def _plain_options(self, laid: Layers) -> tuple[list[Option], bool] | None:
        """The values that alone fit, where they are listed: enum, const, or alternatives that are one value each."""
        if laid.all_of("const"):
            return [Option(laid.word("const"), "")], False
        enums = [listed for listed in laid.all_of("enum") if isinstance(listed, list)]
        if enums:
            texts = [{json.dumps(value, sort_keys=True) for value in listed} for listed in enums[1:]]
            values = [v for v in enums[0] if all(json.dumps(v, sort_keys=True) in one for one in texts)]
            names = laid.word("enumNames")
            labels = names if isinstance(names, list) and len(names) == len(values) else [""] * len(values)
            return [Option(v, str(label)) for v, label in zip(values, labels, strict=True)], False
        for keyword in ("oneOf", "anyOf"):
            for listed in laid.all_of(keyword):
                found = self._single_values(listed)
                if found is not None:
                    return found
        return None

    def _single_values(self, listed: Json) -> tuple[list[Option], bool] | None:
        options: list[Option] = []
        nullable = False
        for one in listed if isinstance(listed, list) else ():
            laid = lay(self.schema, one)
            if laid.types == ("null",) and not laid.all_of("const"):
                nullable = True
                continue
            values = [laid.word("const")] if laid.all_of("const") else laid.word("enum")
            if not isinstance(values, list) or any(layer.get("properties") for layer in laid.each):
                return None
            title = laid.text("title") or laid.text("description")
            options += [Option(value, title if len(values) == 1 else "") for value in values]
        return (options, nullable) if options else None

    def _alternatives(self, laid: Layers, about: About) -> Node | None:
        """Alternatives of the whole value; those of an object that has more than them are parts of its group."""
        for keyword in ("oneOf", "anyOf"):
            for listed in laid.all_of(keyword):
                options = [(at, one) for at, one in enumerate(listed) if not self._is_null(one)]
                nullable = len(options) < len(listed)
                if not options or (self._object_like(laid) and not nullable):
                    continue
                if all(isinstance(one, dict) and not set(one) - {"required", "not", "title"} for _, one in options):
                    continue
                base = tuple(_without(layer, keyword, listed) for layer in laid.each)
                if len(options) == 1:
                    inner = lay(self.schema, options[0][1], laid.trail, base)
                    node = self.node(options[0][1], inner)
                    return replace(node, nullable=node.nullable or nullable, about=_over(about, node.about))
                children = tuple(
                    self.child("", one, laid.trail, label=self.name_of(one, number), under=base)
                    for number, (_, one) in enumerate(options, 1)
                )
                places = tuple(at for at, _ in options)
                return Alternatives(about=about, nullable=nullable, options=children, keyword=keyword, places=places)
        return None

    def _is_null(self, one: Json) -> bool:
        laid = lay(self.schema, one)
        return laid.types == ("null",) or (laid.all_of("const") == [None]) or laid.all_of("enum") == [[None]]

    def _object_like(self, laid: Layers) -> bool:
        return laid.types == ("object",) or bool(laid.sections)

    def name_of(self, one: Json, number: int) -> str:
        """What an alternative is called: its title, its kind with what it holds, or its number."""
        laid = lay(self.schema, one)
        if laid.text("title"):
            return laid.text("title")
        for inner in laid.properties.values():
            # A property with one value only is what tells such alternatives apart.
            values = lay(self.schema, inner)
            if values.all_of("const") or len(values.word("enum") or ()) == 1:
                return _label(values.word("const") if values.all_of("const") else values.word("enum")[0])
        if laid.types == ("object",) and laid.properties:
            return "With " + ", ".join(list(laid.required or laid.properties)[:3])
        if len(laid.types) == 1 and laid.types != ("object",):
            return f"{LABELS.get(laid.types[0], laid.types[0])}{self._items_words(laid)}"
        return laid.text("description")[:60] or f"Alternative {number}"

    def _items_words(self, laid: Layers) -> str:
        inner = lay(self.schema, laid.word("items")).types if laid.types == ("array",) else ()
        return f" of {LABELS.get(inner[0], inner[0]).lower()}s" if len(inner) == 1 else ""

    def _by_type(self, laid: Layers, about: About, types: Sequence[str]) -> Node:
        nullable = "null" in types
        kinds = [kind for kind in types if kind != "null"]
        if "number" in kinds:
            kinds = [kind for kind in kinds if kind != "integer"]
        if not kinds:
            if nullable:
                return Fixed(about=about, value=None)
            return group_of(self, laid, about) if laid.sections else AnyJson(about=about)
        if len(kinds) > 1:
            base = tuple({k: v for k, v in layer.items() if k != "type"} for layer in laid.each)
            children = tuple(
                self.child("", {"type": kind}, laid.trail, label=LABELS.get(kind, kind), under=base) for kind in kinds
            )
            return Alternatives(about=about, nullable=nullable, options=children)
        match kinds[0]:
            case "object":
                node: Node = group_of(self, laid, about)
            case "array":
                node = self._list(laid, about)
            case "boolean":
                node = Switch(about=about)
            case "integer" | "number":
                node = _number(laid, about, integer=kinds[0] == "integer")
            case "string":
                node = _text(laid, about)
            case _:
                node = AnyJson(about=about)
        return replace(node, nullable=nullable)

    def _list(self, laid: Layers, about: About) -> Node:
        items, rest = laid.word("items"), laid.word("additionalItems")
        first = laid.word("prefixItems")
        if isinstance(items, list):
            first, items = items, rest
        least, most = laid.number("minItems", max), laid.number("maxItems", min)
        unique = laid.says("uniqueItems")
        firsts = tuple(
            self.child("", one, laid.trail, required=number < (least or 0), label=self._item_label(one, number + 1))
            for number, one in enumerate(first if isinstance(first, list) else ())
        )
        if unique and not firsts and isinstance(items, dict):
            options = self._plain_options(lay(self.schema, items))
            if options is not None and not options[1] and len(options[0]) <= MANY_UP_TO:
                return Many(about=about, options=_labelled(options[0]), least=int(least or 0), most=most)
        item = None
        if items is not False:
            item = self.child("", {} if items is None else items, laid.trail, required=True, label="Item")
            item = replace(item, label=lay(self.schema, items).text("title") or "Item")
        return Row(about=about, item=item, first=firsts, least=int(least or 0), most=most, unique=unique)

    def _item_label(self, one: Json, number: int) -> str:
        return lay(self.schema, one).text("title") or f"Item {number}"


def _over(outer: About, inner: About) -> About:
    """The outer words, the inner ones where it has none."""
    return replace(
        outer,
        title=outer.title or inner.title,
        description=outer.description or inner.description,
        help=outer.help or inner.help,
        default=inner.default if outer.default is ABSENT else outer.default,
        secret=outer.secret or inner.secret,
    )


def _without(layer: Any, keyword: str, listed: Json) -> Json:
    return {
        k: v
        for k, v in layer.items()
        if not (k == keyword and v is listed) and k not in ("title", "description", "default")
    }


def _label(value: Json) -> str:
    if value is None:
        return "Nothing (null)"
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, dict) and isinstance(value.get("name", value.get("title")), str):
        return str(value.get("name", value.get("title")))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _labelled(options: Sequence[Option]) -> tuple[Option, ...]:
    return tuple(Option(one.value, one.label or _label(one.value)) for one in options)


def _choice(options: Sequence[Option], about: About, nullable: bool, laid: Layers) -> Node:
    kinds = laid.types
    if not options:
        return Never(about=about)
    if len(options) == 1 and laid.all_of("const"):
        return Fixed(about=about, value=options[0].value)
    if "null" in kinds and not any(one.value is None for one in options):
        nullable = False  # the enum does not let it through
    shown = _labelled(options)
    short = len(shown) <= RADIO_UP_TO and sum(len(one.label) for one in shown) <= 60
    widget = "radio" if short else "searchselect" if len(shown) >= SEARCH_FROM else "select"
    return Choice(about=about, nullable=nullable, options=shown, widget=widget)  # type: ignore[arg-type]


def _number(laid: Layers, about: About, *, integer: bool) -> Number:
    low, high = laid.number("minimum", max), laid.number("maximum", min)
    over, below = laid.number("exclusiveMinimum", max), laid.number("exclusiveMaximum", min)
    open_low = (over is not None and (low is None or over >= low)) or laid.says("exclusiveMinimum")
    open_high = (below is not None and (high is None or below <= high)) or laid.says("exclusiveMaximum")
    return Number(
        about=about,
        integer=integer,
        low=over if over is not None and open_low else low,
        high=below if below is not None and open_high else high,
        open_low=open_low,
        open_high=open_high,
        step=laid.number("multipleOf", max),
    )


def _text(laid: Layers, about: About) -> Text:
    most = laid.number("maxLength", min)
    widget: TextWidget = "password" if about.secret else FORMATS.get(laid.text("format"), "text")
    if widget == "text":
        shown = about.default if isinstance(about.default, str) else ""
        media = laid.text("contentMediaType")
        if "\n" in shown or len(shown) > LONG_FROM or media.startswith("text/") or (most or 0) >= LONG_FROM * 2:
            widget = "longtext"
    return Text(
        about=about,
        widget=widget,
        pattern=laid.text("pattern"),
        min_length=laid.number("minLength", max),
        max_length=most,
        mimetype=laid.text("mimetype"),
    )
