"""What is different between two versions of an app, in words: commands and parameters kept, changed, new, dropped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from apps_catalog.launch.findings import Json
from apps_catalog.launch.json_schema.kept import fields_on_top
from apps_catalog.launch.parameters import Const, File, Flag, Float, Integer, Parameter, Range, Selection, Upload
from apps_catalog.launch.parameters.numeric import in_words
from apps_catalog.launch.spec import Command, LaunchSpec

State = Literal["kept", "changed", "new", "dropped"]
SHOWN = 300
AS_THE_APP = "as the app"
FIELD = "of a JSON Schema"


@dataclass(frozen=True)
class Change:
    """One thing that is not as it was. `before` and `after` are words; "" is nothing."""

    what: str
    before: str
    after: str


@dataclass(frozen=True)
class ParameterDifference:
    key: str
    label: str
    kind: str
    state: State
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class CommandDifference:
    key: str
    name: str
    state: State
    changes: tuple[Change, ...] = ()
    parameters: tuple[ParameterDifference, ...] = ()

    def of(self, state: State) -> tuple[ParameterDifference, ...]:
        return tuple(one for one in self.parameters if one.state == state)

    @property
    def kept(self) -> int:
        return len(self.of("kept"))

    @property
    def shown(self) -> tuple[ParameterDifference, ...]:
        """Those that are not as they were: dropped ones first, since they break what names them."""
        return (*self.of("dropped"), *self.of("changed"), *self.of("new"))


@dataclass(frozen=True)
class Difference:
    changes: tuple[Change, ...]
    commands: tuple[CommandDifference, ...]

    @property
    def same(self) -> bool:
        return not self.changes and all(one.state == "kept" for one in self.commands)

    @property
    def summary(self) -> str:
        """ "1 command dropped, 2 parameters changed"; "No difference"."""
        both = [one for one in self.commands if one.state in ("kept", "changed")]
        parts = [
            _counted(sum(one.state == state for one in self.commands), "command", state) for state in ("dropped", "new")
        ]
        parts += [
            _counted(sum(len(one.of(state)) for one in both), "parameter", state)
            for state in ("dropped", "new", "changed")
        ]
        others = len(self.changes) + sum(len(one.changes) for one in both)
        parts.append(_counted(others, "other thing", "changed"))
        return ", ".join(part for part in parts if part) or "No difference"


def _counted(number: int, noun: str, state: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'} {state}" if number else ""


def difference(old: LaunchSpec, new: LaunchSpec, *, images: tuple[str, str] = ("", "")) -> Difference:
    """From one spec to another, in the order of the new one; what was dropped stands first."""
    dropped = [
        CommandDifference(key, one.name, "dropped") for key, one in old.commands.items() if key not in new.commands
    ]
    there = [_command(old, command) for command in new.commands.values()]
    before, after = _of_app(old) | {"Image": images[0]}, _of_app(new) | {"Image": images[1]}
    return Difference(_changes(before, after), (*dropped, *there))


def _command(old: LaunchSpec, command: Command) -> CommandDifference:
    earlier = old.commands.get(command.key)
    if earlier is None:
        return CommandDifference(command.key, command.name, "new")
    changes = list(_changes(_of_command(earlier), _of_command(command)))
    if earlier.schema is None and command.schema is None:
        parameters = tuple(_parameters(earlier, command))
    else:
        parameters = tuple(_fields(earlier, command))
        if earlier.schema != command.schema:
            said = "is new" if earlier.schema is None else "is gone" if command.schema is None else "is another"
            changes.append(Change("JSON Schema of the parameters", "", said))
    if _positions(earlier, command.parameters) != _positions(command, earlier.parameters):
        changes.append(Change("Order of the command line", "", "other parameters come first"))
    same = not changes and all(one.state == "kept" for one in parameters)
    return CommandDifference(command.key, command.name, "kept" if same else "changed", tuple(changes), parameters)


def _positions(command: Command, shared: Mapping[str, Parameter]) -> list[str]:
    """The keys that both have, in the order that the program sees."""
    keys = [one for one in command.parameters.values() if one.key in shared]
    return [one.key for one in keys if not one.positional] + [one.key for one in keys if one.positional]


def _parameters(earlier: Command, command: Command) -> Iterator[ParameterDifference]:
    for key, one in earlier.parameters.items():
        if key not in command.parameters:
            yield ParameterDifference(key, one.label, one.kind, "dropped")
    for key, one in command.parameters.items():
        before = earlier.parameters.get(key)
        if before is None:
            yield ParameterDifference(key, one.label, one.kind, "new", _news(one))
            continue
        changes = _changes(_of_parameter(before), _of_parameter(one))
        yield ParameterDifference(key, one.label, one.kind, "changed" if changes else "kept", changes)


def _fields(earlier: Command, command: Command) -> Iterator[ParameterDifference]:
    """Where an author's schema says what is asked for: what came and went; its rules are told of as a whole."""
    before, after = _labels(earlier), _labels(command)
    for key, label in before.items():
        if key not in after:
            yield ParameterDifference(key, label, FIELD, "dropped")
    for key, label in after.items():
        yield ParameterDifference(key, label, FIELD, "kept" if key in before else "new")


def _labels(command: Command) -> dict[str, str]:
    if command.schema is None:
        return {key: one.label for key, one in command.parameters.items()}
    return {key: one.label for key, one in fields_on_top(command.schema).items()}


def _news(one: Parameter) -> tuple[Change, ...]:
    """What somebody who launches has to know of a parameter that is new."""
    return (Change("Required", "", "has to be filled in"),) if one.must_be_given else ()


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Change, ...]:
    names = dict.fromkeys((*before, *after))
    found = [(name, before.get(name, ""), after.get(name, "")) for name in names]
    return tuple(Change(name, _cut(old), _cut(new)) for name, old, new in found if old != new)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


# Everything as words


def _of_app(spec: LaunchSpec) -> dict[str, str]:
    return {
        "Name": spec.name,
        "Description": spec.description,
        "Author": spec.author,
        "Categories": _listed(spec.categories),
        "Machines": _listed(spec.machines),
        "Storage": _listed(spec.vault_types),
        "Most nodes": _number(spec.scale_max),
        "Licence": "included, or none needed" if spec.licensed else "bring your own",
        "Account variables": _listed(list(spec.variables)),
        "Identity": _pairs(asdict(spec.identity)) if spec.identity else "",
        "Hints": _listed(spec.hints),
    }


def _of_command(command: Command) -> dict[str, str]:
    flags = ("interactive", "publicip", "noconnect", "webshell", "desktop", "verboseinit", "mpirun")
    return {
        "Name": command.name,
        "Description": command.description,
        "Path": " ".join(command.path),
        "Machines": AS_THE_APP if command.machines is None else _listed(command.machines),
        "Most nodes": AS_THE_APP if command.scale_max is None else _number(command.scale_max),
        "Time limit": f"{command.walltime_s} s" if command.walltime_s else "",
        "Script": command.cmdscript,
        "Address": command.url,
        "Ports": _listed(command.ports),
        "Kind": _listed([flag for flag in flags if getattr(command, flag)]),
        "Hints": _listed(command.hints or ()),
        "Account variables": _listed(list(command.variables)),
    }


def _of_parameter(one: Parameter) -> dict[str, str]:
    told = {
        "Type": one.kind,
        "Label": one.label,
        "Help": one.description,
        "Default": _default(one),
        "Required": "required" if one.required and not isinstance(one, Const) else "",
        "How it is passed": _passed(one),
        "Asked for": "no: it is fixed" if one.locked else "",
        "Only when on": _listed(one.if_),
        "Only when off": _listed(one.ifnot),
    }
    match one:
        case Integer() | Float():
            told |= {"Least": _number(one.minimum), "Most": _number(one.maximum)}
            if isinstance(one, Range):
                told["Step"] = str(one.step)
            if isinstance(one, Float):
                told["Decimals"] = _number(one.precision)
        case Selection():
            told["Options"] = _listed(
                [o.label if o.label == o.value else f"{o.label} ({o.value})" for o in one.options]
            )
        case File():
            told["Files"] = _listed(one.filters)
        case Upload():
            told |= {"Target": one.path, "Files": _listed(one.extensions), "Most bytes": _number(one.size)}
    return told


def _default(one: Parameter) -> str:
    if one.default is None:
        return ""
    if isinstance(one, Selection):
        index = one.index_of(one.default)
        return "" if index is None else one.options[index].label
    return ("on" if one.default else "off") if isinstance(one, Flag) else one.text(one.default)


def _passed(one: Parameter) -> str:
    if isinstance(one, Upload):
        return ""
    if one.variable:
        return "as a variable"
    if isinstance(one, Flag):
        return "its key, among the values" if one.positional else "its key"
    return "the value alone" if one.positional else "the key, then the value"


def _listed(items: Sequence[str]) -> str:
    return ", ".join(items)


def _number(value: Json) -> str:
    return "" if value is None else in_words(value)


def _pairs(value: Mapping[str, Json]) -> str:
    return ", ".join(f"{key} {one}" for key, one in value.items() if one is not None)
