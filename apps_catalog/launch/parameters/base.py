"""What every parameter type has: its generic keys, and the questions that each type answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self, TypedDict

from apps_catalog.launch.document import text_fault
from apps_catalog.launch.environment import name_fault
from apps_catalog.launch.findings import Json
from apps_catalog.launch.reading import Section, shortened

Widget = Literal[
    "range", "select", "radio", "searchselect", "switch", "file", "upload", "integer", "float", "text", "longtext"
]

# Names in one `if` or `ifnot`.
MAX_NAMES = 200
GENERIC_KEYS = frozenset({"name", "description", "type", "required", "positional", "variable", "if", "ifnot"})

# The kernel takes at most 128 KiB for one word of a command line, its closing NUL included.
MAX_WORD_BYTES = 131_071


class UnfitError(ValueError):
    """Raised by `clean`: why a value can't be taken, in words for the person who gave it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Option:
    """One choice of a selection. `index` identifies it: labels may repeat. `value` is what is passed on."""

    index: int
    label: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Hint:
    """What a form must know to draw one parameter. `limits` is the text for the label ("1 to 64, step 2").

    `default` is JSON, None where blank; for a selection it is the index of the option.
    `accept` and `size` (bytes) are of UPLOAD, `filters` (shell patterns) of FILE. `note` is a caution to show.
    `if_` and `ifnot` are keys of BOOLs: it is drawn when all of `if_` are drawn and on, and none of `ifnot` is.
    `group` is the title under which a curator wants it shown with others; neighbours of one group belong together.
    """

    key: str
    widget: Widget
    label: str
    help: str
    required: bool
    default: Json = None
    limits: str = ""
    note: str = ""
    options: tuple[Option, ...] = ()
    minimum: Json = None
    maximum: Json = None
    step: int | None = None
    precision: int | None = None
    accept: str = ""
    size: int | None = None
    filters: tuple[str, ...] = ()
    if_: tuple[str, ...] = ()
    ifnot: tuple[str, ...] = ()
    group: str = ""


class Generic(TypedDict):
    """The fields that all types have, as keyword arguments."""

    key: str
    name: str
    description: str
    required: bool
    positional: bool
    positional_given: bool | None
    variable: bool
    if_: tuple[str, ...]
    ifnot: tuple[str, ...]
    extra: Mapping[str, Json]


@dataclass(frozen=True, kw_only=True)
class Parameter(ABC):
    """One typed input of a command. Subclasses are the nine types of the AppDef reference.

    `positional` is resolved: as given, else by the shape of the key. `default` is a clean value, None where blank.
    `group` and `locked` are a curator's: a locked one passes its default, like any value of its type, and is not asked for.
    """

    kind: ClassVar[str]
    own_keys: ClassVar[frozenset[str]]

    key: str
    name: str = ""
    description: str = ""
    required: bool = False
    positional: bool = True
    positional_given: bool | None = None
    variable: bool = False
    if_: tuple[str, ...] = ()
    ifnot: tuple[str, ...] = ()
    extra: Mapping[str, Json] = field(default_factory=dict)
    default: Json = None
    group: str = ""
    locked: bool = False

    @classmethod
    @abstractmethod
    def parse(cls, section: Section, generic: Generic) -> Self | None:
        """The parameter that an author's object describes; None where it can't be one (an error is noted)."""

    @abstractmethod
    def value_schema(self) -> dict[str, Any]:
        """JSON Schema 2020-12 of one value, without title, description and default."""

    @abstractmethod
    def hint(self) -> Hint:
        """How a form draws it."""

    def schema(self) -> dict[str, Any]:
        """JSON Schema 2020-12 of one value."""
        schema: dict[str, Any] = {"title": self.label, **self.value_schema()}
        if self.description:
            schema["description"] = self.description
        if self.default is not None:
            schema["default"] = self.default
        return schema

    @property
    def label(self) -> str:
        return self.name or self.key

    @property
    def fixed(self) -> bool:
        """Nobody who launches is asked for it: its value is its default."""
        return self.locked

    @property
    def must_be_given(self) -> bool:
        """A blank default with `required`: somebody has to fill it in."""
        return self.required and self.default is None and not self.fixed

    def is_blank(self, raw: Json) -> bool:
        """Whether a submitted value says "nothing here"."""
        return raw is None or raw == ""

    def coerce(self, raw: Json) -> Json:
        """The typed value that a form's text stands for; anything else unchanged, for the schema to judge."""
        return raw

    def clean(self, value: Json) -> Json:
        """The clean value of one that fits the schema; raises UnfitError for what JSON Schema can't say."""
        return value

    def text(self, value: Json) -> str:
        """A clean value as the one text that a program gets."""
        return str(value)

    def words(self, value: Json) -> tuple[str, ...]:
        """The command-line words of a clean value; none where it is empty or goes to jobenv.sh instead."""
        text = "" if value is None or self.variable else self.text(value)
        if not text:
            return ()
        return (text,) if self.positional else (self.key, text)

    def _hint(self, widget: Widget, **more: Any) -> Hint:
        more.setdefault("default", self.default)
        if self.variable and name_fault(self.key):
            more["note"] = f"The program does not get this value: {self.key} {name_fault(self.key)}."
        return Hint(
            key=self.key,
            widget=widget,
            label=self.label,
            help=self.description,
            required=self.required,
            if_=self.if_,
            ifnot=self.ifnot,
            group=self.group,
            **more,
        )


def checked_text(value: str) -> str:
    """A text that a program can be given; raises UnfitError otherwise."""
    fault = text_fault(value)
    if fault:
        raise UnfitError("text", fault)
    if len(value.encode()) > MAX_WORD_BYTES:
        raise UnfitError("too-long", f"is too long; at most {MAX_WORD_BYTES} bytes can be passed to a program")
    return value


def read_generic(key: str, section: Section, *, implied_required: bool) -> Generic:
    """The generic keys of a parameter. Without `positional`, a key like a flag is passed before its value."""
    given = section.flag("positional") if section.get("positional") is not None else None
    positional = given if given is not None else not key.startswith(("-", "+"))
    return Generic(
        key=key,
        name=section.prose("name"),
        description=section.prose("description"),
        required=section.flag("required", implied_required),
        positional=positional,
        positional_given=given,
        variable=section.flag("variable"),
        if_=read_condition(section, "if"),
        ifnot=read_condition(section, "ifnot"),
        extra=section.extra,
    )


def read_condition(section: Section, key: str) -> tuple[str, ...]:
    """The names in `if` or `ifnot`. Too many are an error: read in part, a condition would say something else."""
    raw = section.get(key)
    if isinstance(raw, str) and raw:
        message = f"{key!r} should be a list of names of BOOLs; {shortened(raw)!r} is read as one name."
        section.notes.warn("condition-text", message, section.at(key))
    names = (raw,) if isinstance(raw, str) else section.texts(key) or ()
    names = tuple(dict.fromkeys(name for name in names if name))
    if len(names) > MAX_NAMES:
        message = f"{key!r} names {len(names)} BOOLs; at most {MAX_NAMES} are read."
        section.notes.error("condition-too-long", message, section.at(key))
        return ()
    return names
