"""The form of one command, whole: sections of fields, the machine table, and what is still wrong, each linked to its field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from apps_catalog.launch.hints import wishes
from apps_catalog.launch.json_schema.drawn import Drawn
from apps_catalog.launch.positions import Positions, join
from apps_catalog.launch.spec import Command, Fault, LaunchSpec
from jobs.forms.conditions import Silent, absent, silent, when
from jobs.forms.drafts import Draft
from jobs.forms.fields import ChoiceField, Field, Option, SwitchField, TextField
from jobs.forms.inputs import Input, inputs_of
from jobs.forms.machines import MachineRow
from jobs.forms.scale import Scale, scale_of
from jobs.forms.schemas import drawn, filled_in, schema_form
from jobs.forms.widgets import Spot, widget_of

SEARCHABLE_FROM = 13
ALWAYS_OPEN_UP_TO = 6


@dataclass(frozen=True)
class Problem:
    """One thing to fix: what it is about, in words, and the id of the field (or "" where there is none)."""

    id: str
    label: str
    message: str
    name: str = ""


@dataclass(frozen=True)
class Settings:
    """What the page offers beside the parameters: (value, label) of vaults and teams; "" stands for none of them."""

    vaults: Sequence[tuple[str, str]] = ()
    teams: Sequence[tuple[str, str]] = ()
    mail: str = ""  # what the person may be told by mail, "when it has finished"; "" where no mail is sent
    uploads: Mapping[str, str] = field(default_factory=dict)
    walltime_hint: str = ""


@dataclass(frozen=True)
class LaunchForm:
    command: Command
    required: tuple[Field, ...]
    optional: tuple[Field, ...]
    machines: tuple[MachineRow, ...]
    storage: tuple[Field, ...]
    settings: tuple[Field, ...]
    problems: tuple[Problem, ...]
    globs: str
    prefix: str = ""
    silent: tuple[Silent, ...] = ()
    scale: Scale | None = None
    whole: Drawn | None = None  # the form of an author's schema, in place of `required` and `optional`

    @property
    def optional_open(self) -> bool:
        """Folded, unless something in it differs from its default, is wrong, or is all there is."""
        alone = not self.required and len(self.optional) <= ALWAYS_OPEN_UP_TO
        return alone or any(one.changed or one.errors for one in self.optional if not one.absent)

    @property
    def optional_present(self) -> int:
        return sum(not one.absent for one in self.optional)

    @property
    def optional_changed(self) -> int:
        return sum(one.changed and not one.absent for one in self.optional)

    @property
    def settings_open(self) -> bool:
        return any(one.value or one.errors for one in self.settings)

    @property
    def searchable(self) -> bool:
        return len(self.optional) >= SEARCHABLE_FROM

    @property
    def machine_errors(self) -> list[str]:
        return [problem.message for problem in self.problems if problem.name == "machine"]


class Complaints:
    """Faults by the field that they belong to. The first field that has one gets the focus."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.by_pointer: dict[str, list[str]] = {}
        for fault in faults:
            self.by_pointer.setdefault(fault.pointer, []).append(sentence(fault.message))
        self.focused = False

    def spot(self, pointer: str, id_: str, uploads: Mapping[str, str] | None = None) -> Spot:
        errors = tuple(self.by_pointer.get(pointer, ()))
        focus = bool(errors) and not self.focused
        self.focused = self.focused or focus
        return Spot(id_, errors, focus, uploads or {})


def sentence(message: str) -> str:
    """The words of a fault as a sentence of their own."""
    text = message[:1].upper() + message[1:]
    return text if text.endswith((".", "?", "!")) else text + "."


def draw_inputs(
    command: Command,
    inputs: Sequence[Input],
    draft: Draft,
    complaints: Complaints,
    uploads: Mapping[str, str],
    prefix: str = "",
) -> list[Field]:
    """The fields of these inputs, in their order. Ids count, because a key may hold anything."""
    values = draft.submission.parameters
    hidden = absent(command, values)
    fields = []
    for number, asked in enumerate(inputs):
        spot = complaints.spot(join("/parameters", asked.key), f"{prefix}p{number}", uploads)
        drawn = widget_of(asked).draw(asked, values.get(asked.key, asked.default), spot)
        rule = when(command, asked.key)
        fields.append(replace(drawn, when=rule, absent=asked.key in hidden) if rule else drawn)
    return fields


def gathered(fields: Iterable[Field]) -> tuple[Field, ...]:
    """Those of no group first, then group by group, each where its first field stood."""
    listed = list(fields)
    groups = {"": 0} | {one.group: number for number, one in reversed(list(enumerate(listed, start=1))) if one.group}
    return tuple(sorted(listed, key=lambda one: groups.get(one.group, 0)))


def build(
    spec: LaunchSpec,
    draft: Draft,
    *,
    machines: tuple[MachineRow, ...] = (),
    offers: Settings | None = None,
    faults: Sequence[Fault] = (),
    prefix: str = "",
) -> LaunchForm:
    """The form of the draft's command with these faults marked in it. `prefix` keeps ids apart where several are on a page."""
    offers = offers or Settings()
    command = spec.commands[draft.submission.command]
    complaints = Complaints(faults)
    complaints.focused = any(fault.pointer == "/machine" for fault in faults)
    nodes = complaints.spot("/nodes", "nodes")
    inputs = inputs_of(command)
    fields = draw_inputs(command, inputs, draft, complaints, offers.uploads, prefix)
    return LaunchForm(
        command=command,
        required=gathered(one for one in fields if one.required),
        optional=gathered(one for one in fields if not one.required),
        machines=machines,
        storage=tuple(_storage(draft, offers, complaints)),
        settings=tuple(_settings(draft, offers, complaints)),
        problems=problems(spec, draft, faults, prefix),
        globs=", ".join(spec.machines_of(command)),
        prefix=prefix,
        silent=silent(command, inputs),
        scale=scale_of(
            machines,
            wishes(spec, command).scale_unit,
            draft.nodes_shown,
            draft.submission.nodes,
            nodes.errors,
            focus=nodes.focus,
        ),
        whole=_whole_of(command),
    )


def _whole_of(command: Command) -> Drawn | None:
    """The form of the command's schema, where it has one, as curators look at it: bundles are launched from a page of their own."""
    form = schema_form(command)
    return drawn(form, filled_in(form)) if form is not None else None


def _storage(draft: Draft, offers: Settings, complaints: Complaints) -> Iterable[Field]:
    if len(offers.vaults) > 1 or any(value for value, _ in offers.vaults):
        yield _choice(
            "vault", "Vault", offers.vaults, draft.submission.vault, complaints, help="The job sees it at /data."
        )
        yield _switch(
            "vault_readonly", "Read-only", draft.submission.vault_readonly, complaints, help="The job can't change it."
        )


def _settings(draft: Draft, offers: Settings, complaints: Complaints) -> Iterable[Field]:
    yield _text("label", "Label", draft.submission.label, complaints, help="Tells your runs apart in lists.")
    yield _text(
        "walltime", "Time limit", draft.clock, complaints, "/walltime_s", limits="HH:MM", help=offers.walltime_hint
    )
    if offers.teams:
        who = (("", "Only me"), *offers.teams)
        yield _choice("team", "Share with", who, draft.team, complaints, help="A team sees the job and its results.")
    if offers.mail:
        yield _switch("notify", f"Mail me {offers.mail}", draft.notify, complaints)
    yield _switch(
        "rerun_safe",
        "May be run again by itself",
        draft.rerun_safe,
        complaints,
        help="When its host is lost. Switch it on only if running twice does no harm.",
    )


def _text(
    name: str,
    label: str,
    value: str,
    complaints: Complaints,
    pointer: str = "",
    *,
    help: str = "",  # noqa: A002 - the name of the field's part
    limits: str = "",
) -> Field:
    spot = complaints.spot(pointer or f"/{name}", name)
    return TextField(
        template="jobs/widgets/text.html",
        id=spot.id,
        name=name,
        key="",
        label=label,
        help=help,
        limits=limits,
        value=value,
        errors=spot.errors,
        focus=spot.focus,
    )


def _switch(name: str, label: str, on: bool, complaints: Complaints, *, help: str = "") -> Field:  # noqa: A002
    spot = complaints.spot(f"/{name}", name)
    return SwitchField(
        template="jobs/widgets/switch.html",
        id=name,
        name=name,
        key="",
        label=label,
        help=help,
        value="on" if on else "",
        errors=spot.errors,
        focus=spot.focus,
    )


def _choice(
    name: str,
    label: str,
    offered: Sequence[tuple[str, str]],
    chosen: str,
    complaints: Complaints,
    *,
    help: str = "",  # noqa: A002
) -> Field:
    spot = complaints.spot(f"/{name}", name)
    known = any(value == chosen for value, _ in offered)
    return ChoiceField(
        template="jobs/widgets/select.html",
        id=name,
        name=name,
        key="",
        label=label,
        help=help,
        value=chosen,
        errors=spot.errors,
        focus=spot.focus,
        options=tuple(Option(value, words, value == chosen) for value, words in offered),
        unknown="" if known else chosen,
    )


SETTING_LABELS = {
    "/command": ("command", "Command"),
    "/machine": ("machine", "Machine"),
    "/nodes": ("scale", "Nodes"),
    "/vault": ("vault", "Vault"),
    "/vault_readonly": ("vault_readonly", "Read-only"),
    "/label": ("label", "Label"),
    "/walltime_s": ("walltime", "Time limit"),
    "/team": ("team", "Share with"),
    "/eula": ("eula", "Licence terms"),
}


# On the form the remedy is at hand; the words of all doors name an address where it is.
SAID_ON_THE_FORM = {"/eula": "Have to be agreed to: tick the box under them."}
LABELS_ELSEWHERE = {"/variables/": "Account variable", "/identity": "User of the container"}


def problems(spec: LaunchSpec, draft: Draft, faults: Iterable[Fault], prefix: str = "") -> tuple[Problem, ...]:
    """Each fault with the label and id of its field; on the JSON side with its line."""
    faults = tuple(faults)
    if not faults:
        return ()
    command = spec.commands.get(draft.submission.command)
    places = dict(SETTING_LABELS)
    names: dict[str, str] = {"/walltime_s": "walltime"}
    for number, asked in enumerate(inputs_of(command) if command else ()):
        pointer = join("/parameters", asked.key)
        places[pointer] = (f"{prefix}p{number}", asked.hint.label)
        names[pointer] = f"p:{asked.key}"
    found = []
    for fault in faults:
        id_, label = places.get(fault.pointer) or ("", _label_elsewhere(fault.pointer))
        name = names.get(fault.pointer, fault.pointer.removeprefix("/"))
        said = SAID_ON_THE_FORM.get(fault.pointer, sentence(fault.message))
        if draft.json_text is not None:
            id_, name, label = "json", "json", _with_line(label, fault.pointer, draft.positions)
            said = sentence(fault.message)
        found.append(Problem(id_, label, said, name))
    return tuple(found)


def _label_elsewhere(pointer: str) -> str:
    """What a fault is about that has no field."""
    kind = next((label for start, label in LABELS_ELSEWHERE.items() if pointer.startswith(start)), None)
    return pointer.removeprefix("/parameters").removeprefix("/") if kind is None else kind


def _with_line(label: str, pointer: str, positions: Positions | None) -> str:
    line, column = positions.of(pointer) if positions else (None, None)
    return f"Line {line}, column {column}: {label}".removesuffix(": ") if line else label
