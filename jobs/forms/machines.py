"""The rows of the machine table: the machine types that a command may run on, and how they stand now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from apps_catalog.launch.machines import fits
from apps_catalog.launch.spec import Command, LaunchSpec
from jobs.placement import MachineState

STATE_WORDS = {"free": "Free now", "busy": "Some slots free", "full": "Full", "none": "No host"}


@dataclass(frozen=True)
class MachineRow:
    """One machine type. A job for one that is full or has no host waits, so every row can be chosen."""

    id: str
    name: str
    description: str
    cores: int
    ram_mib: int
    gpus: int
    price: str
    tags: tuple[str, ...]
    state: str
    state_words: str
    reason: str
    chosen: bool

    @property
    def consequence(self) -> str:
        """What choosing it means, where it means waiting."""
        match self.state:
            case "full":
                return "Your job will wait for a free slot."
            case "none":
                return "Your job will wait until such a host is up."
            case _:
                return ""


def fitting(spec: LaunchSpec, command: Command, states: Iterable[MachineState]) -> list[MachineState]:
    """The machine types whose name, or one of its aliases, matches a pattern of the command's (or else the app's)."""
    globs = spec.machines_of(command)
    return [state for state in states if fits(globs, (state.machine.name, *state.machine.aliases))]


def preferred(states: Iterable[MachineState]) -> str:
    """The machine type that is chosen where nobody chose one: the first with a free slot, else the first."""
    ranked = sorted(states, key=lambda state: ("free", "busy", "full", "none").index(state.state))
    return ranked[0].machine.name if ranked else ""


def price(per_hour: Decimal) -> str:
    """ "0.50", "0.0125" or "free"."""
    if not per_hour:
        return "free"
    plain = f"{per_hour.normalize():f}"
    return plain if len(plain.partition(".")[2]) > 2 else f"{per_hour:.2f}"


def rows(states: Iterable[MachineState], chosen: str) -> tuple[MachineRow, ...]:
    return tuple(
        MachineRow(
            id=f"machine-{number}",
            name=state.machine.name,
            description=state.machine.description,
            cores=state.machine.cores,
            ram_mib=state.machine.ram_mib,
            gpus=state.machine.gpus,
            price=price(state.machine.price_per_hour),
            tags=tuple(state.machine.requires),
            state=state.state,
            state_words=STATE_WORDS[state.state],
            reason=state.reason,
            chosen=state.machine.name == chosen,
        )
        for number, state in enumerate(states)
    )
