"""How many nodes a job takes: the slider's limits and unit, and what so many nodes are together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from jobs.forms.machines import MachineRow, nodes_word
from jobs.prices import price
from portal.templatetags.portal_ui import mib


@dataclass(frozen=True)
class Scale:
    """`value` is the number of nodes as typed, `position` where the slider stands, `most` its end on this machine type.

    `unit`: "cores" or "nodes", as the app's hints say; what is sent is always nodes. `fixed`: there is nothing to choose
    on this machine type. launch-scale.js says `size`, `shares` and `cost` anew when something is chosen.
    """

    unit: str
    value: str
    position: int
    most: int
    why_most: str
    cores_a_node: int
    size: str
    shares: str
    cost: str
    errors: tuple[str, ...] = ()
    focus: bool = False

    @property
    def fixed(self) -> bool:
        return self.most <= 1 and self.value.strip() == "1" and not self.errors

    @property
    def by_cores(self) -> bool:
        return self.unit == "cores"

    @property
    def cores(self) -> int:
        return self.position * self.cores_a_node

    @property
    def cores_most(self) -> int:
        return self.most * self.cores_a_node


def scale_of(
    rows: Sequence[MachineRow], unit: str, value: str, nodes: int, errors: Sequence[str] = (), *, focus: bool = False
) -> Scale | None:
    """The slider for these machine types; None where no job takes more than one node on any of them."""
    chosen = next((row for row in rows if row.chosen), None)
    if not errors and value.strip() == "1" and all(row.nodes_offered == 1 for row in rows):
        return None
    most = chosen.nodes_most if chosen else max((row.nodes_most for row in rows), default=1)
    position = min(max(nodes, 1), max(most, 1))
    return Scale(
        unit=unit,
        value=value,
        position=position,
        most=most,
        why_most=chosen.why_most if chosen else "",
        cores_a_node=chosen.cores if chosen else 1,
        size=size_words(chosen, position) if chosen else "",
        shares=share_words(chosen, position) if chosen else "",
        cost=cost_words(chosen.price_per_hour, position) if chosen else "",
        errors=tuple(errors),
        focus=focus,
    )


def size_words(row: MachineRow, nodes: int) -> str:
    """ "2 nodes, 16 cores, 52 GiB RAM, 1 GPU"."""
    cores = row.cores * nodes
    gpus = row.gpus + row.slave_gpus * (nodes - 1)
    ram = mib(row.ram_mib + row.slave_ram_mib * (nodes - 1))
    return f"{nodes_word(nodes)}, {cores} core{_s(cores)}, {ram} RAM, {gpus} GPU{_s(gpus)}"


def share_words(row: MachineRow, nodes: int) -> str:
    """What each node has, where the first differs from the others."""
    if nodes < 2 or not row.unequal:
        return ""
    first = f"{mib(row.ram_mib)} RAM and {row.gpus} GPU{_s(row.gpus)}"
    others = f"{mib(row.slave_ram_mib)} RAM and {row.slave_gpus} GPU{_s(row.slave_gpus)}"
    return f"The first node has {first}, each other {others}."


def cost_words(per_hour: Decimal, nodes: int) -> str:
    """The price of all nodes."""
    if not per_hour:
        return "free of charge"
    return f"{price(per_hour * nodes)} per hour{' for all nodes' if nodes > 1 else ''}"


def _s(count: int) -> str:
    return "" if count == 1 else "s"
