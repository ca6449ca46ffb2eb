"""The one judge of submissions, whatever door they come through: all faults at once, in words for people."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from threading import Lock
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from referencing import Registry

from apps_catalog.launch.conditions import present_parameters
from apps_catalog.launch.document import text_fault
from apps_catalog.launch.json_schema.asking import Judge
from apps_catalog.launch.json_schema.instances import judged_instance
from apps_catalog.launch.machines import fits
from apps_catalog.launch.parameters import Parameter, Selection, UnfitError
from apps_catalog.launch.positions import join
from apps_catalog.launch.reading import closest
from apps_catalog.launch.spec import Command, Fault, Json, Launch, LaunchSpec, Submission
from apps_catalog.launch.walltime import MAX_WALLTIME_S

MAX_LABEL = 200
MAX_MACHINE = 200
# Linux gives a new program 2 MiB for its words and environment together; this leaves room for the image's own.
MAX_WORDS_BYTES = 1_500_000
NOUNS = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
}


def validate(spec: LaunchSpec, submission: Submission, judge: Judge | None = None) -> Launch | list[Fault]:
    """The launch that a submission asks for, or everything that is wrong with it.

    `judge` judges parameters that an author's schema describes; a command that has one can't be validated without.
    """
    # What a person or client sent has any JSON type, whatever the fields of Submission promise.
    asked: Json = submission.command
    command = spec.commands.get(asked) if isinstance(asked, str) else None
    if command is None:
        return [_unknown_command(spec, asked)]
    faults: list[Fault] = []
    if command.schema is not None:
        values = judged_instance(command.schema, submission, judge, faults)
    else:
        values = _values(spec, command, submission.parameters, faults)
    faults += _machine_faults(spec, command, submission)
    faults += _setting_faults(submission)
    if not faults:
        faults += _size_faults(command, values)
    if faults:
        return faults
    return Launch(
        spec=spec,
        command=command,
        values=values,
        machine=submission.machine,
        nodes=submission.nodes,
        label=submission.label.strip(),
        walltime_s=submission.walltime_s,
    )


def _unknown_command(spec: LaunchSpec, given: Json) -> Fault:
    near = closest(given, spec.commands) if isinstance(given, str) else None
    advice = f"Did you mean {near}?" if near else f"Choose one of: {', '.join(list(spec.commands)[:8])}."
    return Fault("/command", "unknown-command", f"{_shown(given)} is not a command of this app. {advice}")


def _shown(value: Json) -> str:
    """A value inside a sentence: short, and safe to encode."""
    text = str(value) if isinstance(value, (str, int, float, bool)) else type(value).__name__
    return "'" + text[:80].encode("utf-8", "replace").decode() + "'"


def _values(spec: LaunchSpec, command: Command, given: Json, faults: list[Fault]) -> dict[str, Json]:
    """Clean values in the author's order; the faults are added in that order too, unknown keys last.

    What `if` or `ifnot` hides is neither demanded nor judged, and what was sent for it is left out.
    """
    if not isinstance(given, Mapping):
        faults.append(Fault("/parameters", "type", "must be an object: parameter keys and their values"))
        return {}
    asked = present_parameters(command, given)
    typed = {
        key: parameter.coerce(given[key])
        for key, parameter in asked.items()
        if key in given and not parameter.fixed and not parameter.is_blank(given[key])
    }
    complaints = _schema_complaints(spec, command, typed)
    values: dict[str, Json] = {}
    for key, parameter in asked.items():
        try:
            if parameter.fixed:
                _check_fixed(parameter, given)
            elif key in complaints:
                raise complaints[key]
            else:
                _fill(values, parameter, given, typed)
        except UnfitError as fault:
            faults.append(Fault(join("/parameters", key), fault.code, fault.message))
    faults += _unknown_parameters(command, given)
    return values


def _check_fixed(parameter: Parameter, given: Mapping[str, Json]) -> None:
    raw = given.get(parameter.key)
    if raw not in (None, "", parameter.default) and parameter.coerce(raw) != parameter.default:
        whose = "a curator" if parameter.locked else "the author"
        raise UnfitError("fixed", f"is set by {whose} and can't be changed")


def _fill(values: dict[str, Json], parameter: Parameter, given: Mapping[str, Json], typed: Mapping[str, Json]) -> None:
    """Absent is the default; blank is nothing, and stays blank where a default would come back otherwise."""
    key = parameter.key
    if key in typed:
        values[key] = parameter.clean(typed[key])
    elif parameter.required and (key in given or parameter.default is None):
        raise UnfitError("required", "must be filled in")
    elif parameter.default is not None:
        values[key] = "" if key in given else parameter.default


def _unknown_parameters(command: Command, given: Mapping[Json, Json]) -> Iterable[Fault]:
    for number, key in enumerate(key for key in given if key not in command.parameters):
        if number >= 20:
            yield Fault("/parameters", "unknown-parameter", "has more keys that this command does not know")
            return
        near = closest(key, command.parameters) if isinstance(key, str) else None
        advice = f". Did you mean {near}?" if near else ""
        pointer = join("/parameters", key).encode("utf-8", "replace").decode()
        yield Fault(pointer, "unknown-parameter", f"is not a parameter of this command{advice}")


Validators = Mapping[str, Validator]


class _Prepared:
    """Validators of each value by definition and command, the latest used kept. A changed command is prepared anew."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.kept: OrderedDict[tuple[str, str], tuple[Command, Validators]] = OrderedDict()
        self.lock = Lock()

    def get(self, digest: str, command: Command) -> Validators:
        name = (digest, command.key)
        with self.lock:
            found = self.kept.get(name)
            if found is not None and (found[0] is command or found[0] == command):
                self.kept.move_to_end(name)
                return found[1]
        validators = _prepare(command)
        with self.lock:
            self.kept[name] = (command, validators)
            while len(self.kept) > self.room:
                self.kept.popitem(last=False)
        return validators


def _prepare(command: Command) -> Validators:
    """The rules of each value alone: what is demanded, hidden or unknown `_values` knows itself.

    One validator a value, for one of the whole object makes these anew with every submission.
    """
    registry: Registry[Any] = Registry()
    empty = Draft202012Validator({}, registry=registry)
    return {key: empty.evolve(schema=one.value_schema()) for key, one in command.parameters.items() if not one.fixed}


PREPARED = _Prepared(room=128)


def _schema_complaints(spec: LaunchSpec, command: Command, typed: Mapping[str, Json]) -> dict[str, UnfitError]:
    """The first complaint of the schema about each value, in plain words."""
    validators = PREPARED.get(spec.digest, command)
    complaints: dict[str, UnfitError] = {}
    for key, value in typed.items():
        for error in validators[key].iter_errors(float(value) if isinstance(value, Decimal) else value):
            # `clean` knows the steps of a RANGE better: it names the nearest allowed values.
            if error.validator != "multipleOf":
                complaints.setdefault(key, in_plain_words(error, command.parameters.get(key)))
    return complaints


def in_plain_words(error: ValidationError, parameter: Parameter | None = None) -> UnfitError:
    """A fault of JSON Schema as people say it."""
    limit: Any = error.validator_value
    rule, value = str(error.validator), error.instance
    match rule:
        case "type":
            kinds = [limit] if isinstance(limit, str) else list(limit)
            return UnfitError("type", f"must be {' or '.join(NOUNS.get(kind, kind) for kind in kinds)}")
        case "minimum":
            return UnfitError(rule, f"must be at least {limit}")
        case "maximum":
            return UnfitError(rule, f"must be at most {limit}")
        case "enum" if isinstance(parameter, Selection):
            return _unfit_choice(parameter, value)
        case "minLength":
            return UnfitError("required", "must be filled in")
        case "maxLength":
            return UnfitError("too-long", f"must have at most {limit} characters")
        case "anyOf":
            return UnfitError("type", 'must be base64 text or {"upload": "<id of an uploaded file>"}')
        case _:
            return UnfitError(rule, f"does not fit the rule {rule} of this parameter")


def _unfit_choice(parameter: Selection, value: Json) -> UnfitError:
    try:
        parameter.clean(value)
    except UnfitError as fault:
        return fault
    return UnfitError("enum", parameter.choices(value))


def _machine_faults(spec: LaunchSpec, command: Command, submission: Submission) -> Iterable[Fault]:
    machine: Json = submission.machine
    nodes: Json = submission.nodes
    globs = spec.machines_of(command)
    if not isinstance(machine, str) or not machine:
        yield Fault("/machine", "required", "choose a machine type")
    elif len(machine) > MAX_MACHINE or not fits(globs, (machine, *submission.machine_aliases)):
        allowed = ", ".join(globs[:8])
        message = f"the machine type {_shown(machine)} is not allowed for this command; allowed are: {allowed}"
        yield Fault("/machine", "machine", message)
    most = spec.scale_max if command.scale_max is None else command.scale_max
    if not isinstance(nodes, int) or isinstance(nodes, bool):
        yield Fault("/nodes", "type", "must be a whole number")
    elif nodes < 1:
        yield Fault("/nodes", "minimum", "must be at least 1")
    elif most is not None and nodes > most:
        yield Fault("/nodes", "maximum", f"must be at most {most}; the app does not run on more nodes")


def _setting_faults(submission: Submission) -> Iterable[Fault]:
    label: Json = submission.label
    walltime: Json = submission.walltime_s
    if not isinstance(label, str):
        yield Fault("/label", "type", "must be a text")
    elif len(label) > MAX_LABEL:
        yield Fault("/label", "too-long", f"must have at most {MAX_LABEL} characters")
    elif text_fault(label):
        yield Fault("/label", "text", text_fault(label))
    if walltime is None:
        return
    if not isinstance(walltime, int) or isinstance(walltime, bool):
        yield Fault("/walltime_s", "type", "must be a whole number of seconds")
    elif not 0 < walltime <= MAX_WALLTIME_S:
        yield Fault("/walltime_s", "range", f"must be from 1 to {MAX_WALLTIME_S} seconds")


def _size_faults(command: Command, values: Mapping[str, Json]) -> Iterable[Fault]:
    words = (word for key, parameter in command.parameters.items() for word in parameter.words(values.get(key)))
    total = sum(len(word.encode("utf-8", "surrogatepass")) + 9 for word in words)
    if total > MAX_WORDS_BYTES:
        message = f"are {total} bytes together; a program can be given at most {MAX_WORDS_BYTES}"
        yield Fault("/parameters", "too-long", message)
