"""The rows of the machine table: the machine types that a command may run on, and how they stand now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from apps_catalog.launch.machines import fits
from apps_catalog.launch.spec import Command, LaunchSpec
from jobs.models import MachineType
from jobs.placement import MachineState
from jobs.prices import FREE, price

NO_ADDRESS = "this app asks for a public address, and jobs on it get none"
STATE_WORDS = {"unfit": "No address", "free": "Free now", "busy": "Some slots free", "full": "Full", "none": "No host"}


@dataclass(frozen=True)
class MachineRow:
    """One machine type. A job for one that is full or has no host waits, so every row can be chosen; a launch on one that
    is unfit is refused, in words.

    `ram_mib` and `gpus` are of the first node; the slave figures of each other one. `nodes_offered` is how many
    nodes one job may take there, `nodes_most` how many one of this command may; `why_most` says who limits it.
    """

    id: str
    name: str
    aliases: tuple[str, ...]
    description: str
    cores: int
    ram_mib: int
    gpus: int
    slave_ram_mib: int
    slave_gpus: int
    price_per_hour: Decimal
    nodes_offered: int
    nodes_most: int
    why_most: str
    tags: tuple[str, ...]
    state: str
    state_words: str
    reason: str
    chosen: bool

    @property
    def price(self) -> str:
        return price(self.price_per_hour)

    @property
    def free(self) -> bool:
        return self.price == FREE

    @property
    def unequal(self) -> bool:
        """Whether the other nodes of a job differ from its first."""
        return self.nodes_most > 1 and (self.slave_ram_mib, self.slave_gpus) != (self.ram_mib, self.gpus)

    @property
    def consequence(self) -> str:
        """What choosing it means, where it means waiting."""
        match self.state:
            case "full":
                return "Your job will wait for a free slot."
            case "unfit":
                return "Pick another."
            case "none":
                return "Your job will wait until such a host is up."
            case _:
                return ""


def fitting(spec: LaunchSpec, command: Command, states: Iterable[MachineState]) -> list[MachineState]:
    """The machine types whose name, or one of its aliases, matches a pattern of the command's (or else the app's)."""
    globs = spec.machines_of(command)
    return [state for state in states if fits(globs, (state.machine.name, *state.machine.aliases))]


def named(states: Iterable[MachineState], name: str) -> str:
    """The name proper of the machine type that is called so; the name as it is where there is none."""
    states = list(states)
    if any(state.machine.name == name for state in states):
        return name
    return next((state.machine.name for state in states if name in state.machine.aliases), name)


def preferred(states: Iterable[MachineState], *, public: bool = False) -> str:
    """The machine type that is chosen where nobody chose one: the first with a free slot, else the first.

    `public`: the command asks for a public address, so those that grant none come last.
    """

    def rank(state: MachineState) -> tuple[bool, int]:
        return public and not state.machine.public_ports, ("free", "busy", "full", "none").index(state.state)

    ranked = sorted(states, key=rank)
    return ranked[0].machine.name if ranked else ""


def nodes_word(count: int) -> str:
    return f"{count} node{'' if count == 1 else 's'}"


def _most(machine: MachineType, scale_max: int | None) -> tuple[int, str]:
    """How many nodes a job may take, and why no more."""
    if scale_max is not None and scale_max < machine.nodes_max:
        return scale_max, f"at most {nodes_word(scale_max)}: the app says so"
    return machine.nodes_max, f"at most {nodes_word(machine.nodes_max)} of {machine.name}"


def rows(
    states: Iterable[MachineState], chosen: str, scale_max: int | None = None, *, public: bool = False
) -> tuple[MachineRow, ...]:
    """`scale_max` is how many nodes the app runs on at most; None: as many as there are. `public`: it asks for an address."""
    found = []
    for number, state in enumerate(states):
        machine = state.machine
        most, why = _most(machine, scale_max)
        found.append(
            MachineRow(
                id=f"machine-{number}",
                name=machine.name,
                aliases=tuple(machine.aliases),
                description=machine.description,
                cores=machine.cores,
                ram_mib=machine.ram_mib,
                gpus=machine.gpus,
                slave_ram_mib=machine.ram_mib if machine.slave_ram_mib is None else machine.slave_ram_mib,
                slave_gpus=machine.gpus if machine.slave_gpus is None else machine.slave_gpus,
                price_per_hour=machine.price_per_hour,
                nodes_offered=machine.nodes_max,
                nodes_most=most,
                why_most=why,
                tags=tuple(machine.requires),
                state="unfit" if public and not machine.public_ports else state.state,
                state_words=STATE_WORDS["unfit" if public and not machine.public_ports else state.state],
                reason=NO_ADDRESS if public and not machine.public_ports else state.reason,
                chosen=machine.name == chosen,
            )
        )
    return tuple(found)
