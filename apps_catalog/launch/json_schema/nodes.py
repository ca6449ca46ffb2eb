"""How a form draws a schema: a tree of frozen nodes. What lies below a Child is made when it is asked for, level by level."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from apps_catalog.launch.findings import Json
from apps_catalog.launch.json_schema.absent import ABSENT, State

TextWidget = Literal["text", "longtext", "password", "email", "url", "date", "time", "datetime", "color", "path"]


@dataclass(frozen=True)
class About:
    """The author's words. `help` is Markdown of theirs, not to be trusted. `default` is ABSENT where there is none."""

    title: str = ""
    description: str = ""
    help: str = ""
    default: State = ABSENT
    examples: tuple[Json, ...] = ()
    hidden: bool = False
    readonly: bool = False
    secret: bool = False
    deprecated: bool = False


@dataclass(frozen=True, kw_only=True)
class Node:
    """`nullable`: null is a value of its own here."""

    about: About = field(default_factory=About)
    nullable: bool = False


@dataclass(frozen=True, kw_only=True)
class Text(Node):
    widget: TextWidget = "text"
    pattern: str = ""
    min_length: int | None = None
    max_length: int | None = None
    mimetype: str = ""


@dataclass(frozen=True, kw_only=True)
class Number(Node):
    """`low` and `high` with their edges: `open_low` means that the limit itself does not belong to it."""

    integer: bool
    low: int | float | None = None
    high: int | float | None = None
    open_low: bool = False
    open_high: bool = False
    step: int | float | None = None


@dataclass(frozen=True, kw_only=True)
class Switch(Node):
    pass


@dataclass(frozen=True)
class Option:
    value: Json
    label: str


@dataclass(frozen=True, kw_only=True)
class Choice(Node):
    options: tuple[Option, ...]
    widget: Literal["radio", "select", "searchselect"] = "select"


@dataclass(frozen=True, kw_only=True)
class Fixed(Node):
    """One value alone fits."""

    value: Json


@dataclass(frozen=True, kw_only=True)
class Many(Node):
    """Several of a few, each at most once: boxes to tick."""

    options: tuple[Option, ...]
    least: int = 0
    most: int | None = None


@dataclass(frozen=True, kw_only=True)
class Row(Node):
    """A list. The first items may have schemas of their own (`first`); `item` is that of all others, None for none."""

    item: Child | None
    first: tuple[Child, ...] = ()
    least: int = 0
    most: int | None = None
    unique: bool = False


@dataclass(frozen=True)
class Condition:
    """A schema that the value of the group must fit (or, `negated`, must not fit) for a part to count."""

    schema: Json
    negated: bool = False


@dataclass(frozen=True)
class Part:
    """More of the same object. A section always counts; `when` only under conditions; of a choice one alternative does.

    `keyword` and `places` say where a choice stands in the schema: places are the indexes in `oneOf` or `anyOf`.
    """

    kind: Literal["section", "when", "choice"]
    groups: tuple[Child, ...]
    condition: Condition | None = None
    keyword: str = ""
    places: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Group(Node):
    """`others` is the schema of keys that people may add, `taken` the keys that are drawn already."""

    fields: tuple[Child, ...]
    parts: tuple[Part, ...] = ()
    others: Child | None = None
    key_words: str = ""
    required: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Alternatives(Node):
    """One of several schemas. `keyword` is "" where they are the types of a `type` list."""

    options: tuple[Child, ...]
    keyword: str = ""
    places: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AnyJson(Node):
    """Whatever fits: a box for JSON."""


@dataclass(frozen=True, kw_only=True)
class Never(Node):
    """Nothing fits (`false`)."""


@dataclass(frozen=True)
class Child:
    """Something to draw below a node; `node` is made when it is first asked for. `recursive`: one of its own kind is above it."""

    key: str
    label: str
    required: bool
    recursive: bool
    make: Callable[[], Node] = field(repr=False, compare=False)

    @cached_property
    def node(self) -> Node:
        return self.make()


LABELS: Mapping[str, str] = {
    "string": "Text",
    "number": "Number",
    "integer": "Whole number",
    "boolean": "Yes or no",
    "object": "Object",
    "array": "List",
    "null": "Nothing (null)",
}
