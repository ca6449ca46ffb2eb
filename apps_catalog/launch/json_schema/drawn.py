"""What a template needs to draw one place of a form, and nothing it would have to work out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from apps_catalog.launch.findings import Json
from apps_catalog.launch.json_schema import addresses

Kind = Literal[
    "text",
    "number",
    "switch",
    "choice",
    "fixed",
    "many",
    "list",
    "group",
    "alternatives",
    "box",
    "never",
    "unopened",
]


def explained_by(field_id: str, helped: bool) -> str:
    """The ids of what explains a field: its error first, because that is what is read first; then its help, if it has any."""
    return f"{field_id}-error {field_id}-help" if helped else f"{field_id}-error"


@dataclass(frozen=True)
class DrawnOption:
    value: str
    label: str
    selected: bool
    id: str = ""


@dataclass(frozen=True)
class Slider:
    """Numbers as the browser's slider takes them."""

    low: str
    high: str
    step: str
    position: str


@dataclass(kw_only=True)
class DrawnRow:
    """One row of a list or of key-value rows. `fixed` rows have a place of their own and can't be moved or removed."""

    address: str
    number: int
    drawn: Drawn
    fixed: bool = False
    key: str = ""
    first: bool = False
    last: bool = False

    @property
    def key_name(self) -> str:
        return addresses.name(addresses.KEY, self.address)

    @property
    def key_id(self) -> str:
        return f"k{self.address}"


@dataclass(kw_only=True)
class DrawnPart:
    """A part of a group. `active` is None for parts that always count."""

    kind: Literal["section", "when", "choice"]
    address: str
    title: str = ""
    description: str = ""
    help: str = ""
    active: bool | None = None
    members: Members | None = None
    options: tuple[DrawnOption, ...] = ()
    picked: Members | None = None
    picked_address: str = ""

    @property
    def pick_name(self) -> str:
        return addresses.name(addresses.PICK, self.address)

    @property
    def id(self) -> str:
        return f"f{self.address}"

    @property
    def shows(self) -> bool:
        """Whether there is anything in it to look at."""
        return self.kind == "choice" or bool(self.members and self.members.shows)


@dataclass(kw_only=True)
class Members:
    """What a group draws: fields to fill in, those of "Advanced", and its parts."""

    fields: list[Drawn] = field(default_factory=list)
    advanced: list[Drawn] = field(default_factory=list)
    parts: list[DrawnPart] = field(default_factory=list)

    @property
    def shows(self) -> bool:
        return bool(self.fields or self.advanced or any(part.shows for part in self.parts))

    @property
    def advanced_open(self) -> bool:
        return any(one.troubled or one.changed for one in self.advanced)

    @property
    def advanced_changed(self) -> int:
        return sum(one.changed for one in self.advanced)


@dataclass(kw_only=True)
class Drawn:
    """One value. `text` is what the browser would post under `name`; the flags say which marks are set beside it."""

    kind: Kind
    address: str
    pointer: str
    label: str
    key: str = ""
    description: str = ""
    help: str = ""
    note: str = ""
    limits: str = ""
    placeholder: str = ""
    required: bool = False
    required_by: list[str] = field(default_factory=list)
    readonly: bool = False
    deprecated: bool = False
    widget: str = ""
    text: str = ""
    inputmode: str = "text"
    mimetype: str = ""
    examples: tuple[str, ...] = ()
    options: tuple[DrawnOption, ...] = ()
    slider: Slider | None = None
    nullable: bool = False
    null: bool = False
    empty: bool = False
    keep_empty: bool = False
    order: str = ""
    extra: str = ""
    present: bool = False
    changed: bool = False
    removable: bool = False
    rows: list[DrawnRow] = field(default_factory=list)
    addable: bool = False
    key_words: str = ""
    keyed: bool = False
    members: Members = field(default_factory=Members)
    picked: Drawn | None = None
    item_label: str = "Item"
    value: Json = None
    errors: list[str] = field(default_factory=list)
    focus: bool = False

    @property
    def id(self) -> str:
        return f"f{self.address}"

    @property
    def name(self) -> str:
        return addresses.name(addresses.BOX if self.kind == "box" else addresses.VALUE, self.address)

    @property
    def marks(self) -> dict[str, str]:
        """The names of the marks beside the value, by what they are for."""
        codes = {
            "empty": addresses.EMPTY,
            "null": addresses.NULL,
            "group": addresses.GROUP,
            "list": addresses.LIST,
            "rows": addresses.ROWS,
            "pick": addresses.PICK,
            "order": addresses.ORDER,
            "extra": addresses.EXTRA,
        }
        return {word: addresses.name(code, self.address) for word, code in codes.items()}

    @property
    def code(self) -> str:
        return "" if self.key == self.label else self.key

    @property
    def search_text(self) -> str:
        return f"{self.label} {self.key} {self.description}".lower()

    @property
    def described_by(self) -> str:
        return explained_by(self.id, bool(self.description or self.note or self.placeholder))

    @property
    def layout(self) -> str:
        """How the label stands to the control: one label for one control, or a legend over several."""
        if self.kind == "switch" and self.widget == "switch":
            return "inline"
        if self.kind in ("group", "list", "alternatives", "unopened"):
            return "nested"
        several = self.kind in ("many", "never") or (
            self.kind in ("choice", "switch") and self.widget == "radio" and not self.readonly
        )
        return "grouped" if several else "inline" if self.kind == "fixed" else "stacked"

    @property
    def troubled(self) -> bool:
        """Whether something in here is wrong."""
        return bool(self.errors) or any(one.troubled for one in self.inner)

    @property
    def inner(self) -> list[Drawn]:
        found = [row.drawn for row in self.rows]
        if self.picked is not None:
            found.append(self.picked)
        todo = [self.members]
        while todo:
            members = todo.pop()
            found += [*members.fields, *members.advanced]
            for part in members.parts:
                todo += [one for one in (part.members, part.picked) if one is not None]
        return found

    def find(self, address: str) -> Drawn | None:
        """The place in here that has this address (a part has none: its group is found instead)."""
        if self.address == address:
            return self
        return next((found for one in self.inner if (found := one.find(address)) is not None), None)
