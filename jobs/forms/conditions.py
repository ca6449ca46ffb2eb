"""Which parameters take part at these settings of the switches (`if`, `ifnot`): the form shows those, and sends only those."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from apps_catalog.launch.conditions import flags_of, present
from apps_catalog.launch.parameters import Flag
from apps_catalog.launch.spec import Command, Json, LaunchSpec, Submission
from jobs.forms.fields import When
from jobs.forms.inputs import Input
from jobs.forms.widgets import PREFIX


@dataclass(frozen=True)
class Silent:
    """A switch that other parameters ask about and that the form does not show: its author or curator has set it."""

    name: str
    on: bool
    when: When | None


def absent(command: Command, values: Mapping[str, Json]) -> frozenset[str]:
    """The keys that don't take part."""
    return frozenset(command.parameters) - present(command, values)


def as_sent(spec: LaunchSpec, submission: Submission) -> Submission:
    """The submission without the values of what does not take part."""
    command = spec.commands.get(submission.command)
    if command is None:
        return submission
    hidden = absent(command, submission.parameters)
    if not hidden:
        return submission
    return replace(
        submission, parameters={key: value for key, value in submission.parameters.items() if key not in hidden}
    )


def when(command: Command, key: str) -> When | None:
    """When a parameter takes part; None where it always does."""
    parameters = command.parameters
    if_, ifnot = flags_of(parameters, parameters[key].if_), flags_of(parameters, parameters[key].ifnot)
    if not if_ and not ifnot:
        return None

    parts = [
        f"{_listed([parameters[name].label for name in names])} {'is' if len(names) == 1 else 'are'} {word}"
        for names, word in ((if_, "on"), (ifnot, "off"))
        if names
    ]
    on, off = (tuple(PREFIX + name for name in names) for names in (if_, ifnot))
    return When(on, off, f"Only when {' and '.join(parts)}.")


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def silent(command: Command, inputs: Sequence[Input]) -> tuple[Silent, ...]:
    """The switches that rule others and are not among the inputs, as they are set."""
    shown = {asked.key for asked in inputs}
    ruling = {name for parameter in command.parameters.values() for name in (*parameter.if_, *parameter.ifnot)}
    flags = (p for p in command.parameters.values() if isinstance(p, Flag) and p.key in ruling - shown)
    return tuple(Silent(PREFIX + flag.key, flag.default is True, when(command, flag.key)) for flag in flags)
