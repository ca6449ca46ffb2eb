"""Which machine types satisfy what a bundle asks of one: the cheapest that does, or why none does, in plain words."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from apps_catalog.launch.spec import Requirements

SHOWN_MAX = 6
GPU_TAG = "gpu="
_PLAIN = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Offer:
    """A machine type as it is offered. `tags` are key=value words; `gpu=a100` names the model of its GPUs.

    `served`: a host that is up takes work of it now. `order` is the operators', for what costs the same.
    """

    name: str
    cores: int
    ram_mib: int
    gpus: int = 0
    tags: Collection[str] = ()
    price: Decimal = Decimal(0)
    served: bool = True
    order: int = 0

    @property
    def models(self) -> frozenset[str]:
        return frozenset(plain(tag[len(GPU_TAG) :]) for tag in self.tags if tag.lower().startswith(GPU_TAG))


def plain(model: str) -> str:
    """A GPU model as it is compared: "Tesla T4", "tesla-t4" and "TESLA_T4" are one."""
    return _PLAIN.sub("", model.casefold())


def satisfies(offer: Offer, wanted: Requirements) -> bool:
    if offer.cores < wanted.min_cpu or offer.ram_mib < wanted.min_memory_gib * 1024:
        return False
    return not wanted.gpus or (offer.gpus > 0 and bool(offer.models & {plain(model) for model in wanted.gpus}))


def cheapest(wanted: Requirements, offers: Iterable[Offer]) -> Offer | None:
    """The cheapest that satisfies, of those that can start at once where there are any; GPUs that nobody asked for last."""
    fit = [offer for offer in offers if satisfies(offer, wanted)]
    return min(
        fit, key=lambda o: (not o.served, o.price, o.gpus > 0, o.order, o.cores, o.ram_mib, o.name), default=None
    )


def words(wanted: Requirements) -> str:
    """ "4 vCPUs, 16 GiB and one of these GPUs: A100, H100" """
    said = f"{wanted.min_cpu} vCPU{'s' if wanted.min_cpu != 1 else ''}"
    memory = f"{wanted.min_memory_gib:g} GiB"
    if not wanted.gpus:
        return f"{said} and {memory}"
    one = "a GPU" if len(wanted.gpus) == 1 else "one of these GPUs"
    return f"{said}, {memory} and {one}: {', '.join(wanted.gpus)}"


def offer_words(offer: Offer) -> str:
    """ "n1 has 1 vCPU, 1 GiB and no GPU" """
    gpu = "no GPU"
    if offer.gpus:
        models = ", ".join(tag[len(GPU_TAG) :] for tag in sorted(offer.tags) if tag.lower().startswith(GPU_TAG))
        gpu = f"{offer.gpus} GPU{'s' if offer.gpus != 1 else ''}{f' ({models})' if models else ' of no named model'}"
    return (
        f"{offer.name} has {offer.cores} vCPU{'s' if offer.cores != 1 else ''}, {offer.ram_mib / 1024:g} GiB and {gpu}"
    )


def why_none(name: str, wanted: Requirements, offers: Sequence[Offer]) -> str:
    """What a bundle needs, and what there is instead."""
    if not offers:
        return f"'{name}' needs {words(wanted)}. No machine type is switched on here. Ask an operator to add one."
    there = "; ".join(offer_words(offer) for offer in offers[:SHOWN_MAX])
    more = f"; and {len(offers) - SHOWN_MAX} more" if len(offers) > SHOWN_MAX else ""
    return f"'{name}' needs {words(wanted)}. No machine type here has that: {there}{more}. Ask an operator to add one."


def why_not(name: str, wanted: Requirements, offer: Offer) -> str:
    """Why the machine type that was asked for will not do."""
    return f"'{name}' needs {words(wanted)}, and {offer_words(offer)}. Take another, or leave the choice empty."
