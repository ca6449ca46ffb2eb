"""The machine types that are switched on, as bundles see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from apps_catalog.launch.requirements import Offer, cheapest, satisfies
from apps_catalog.launch.spec import Requirements
from jobs.models import Host, MachineType
from jobs.placement import unfit


@dataclass(frozen=True)
class Machines:
    """The enabled machine types, by name, and what they offer."""

    rows: Mapping[str, MachineType]
    offers: tuple[Offer, ...]

    @classmethod
    def here(cls) -> Machines:
        rows = list(MachineType.objects.filter(enabled=True))
        hosts = list(Host.objects.alive())
        return cls(
            {row.name: row for row in rows},
            tuple(
                Offer(
                    name=row.name,
                    cores=row.cores,
                    ram_mib=row.ram_mib,
                    gpus=row.gpus,
                    tags=tuple(row.requires),
                    price=row.price_per_hour,
                    served=any(not unfit(row, host) for host in hosts),
                    order=row.order,
                )
                for row in rows
            ),
        )

    def named(self, name: str) -> MachineType | None:
        return self.rows.get(name) or next((row for row in self.rows.values() if name in row.aliases), None)

    def offer(self, row: MachineType) -> Offer:
        return next(offer for offer in self.offers if offer.name == row.name)

    def fitting(self, wanted: Requirements) -> list[Offer]:
        """Those that satisfy, the one that is taken where nobody chooses first, then by price."""
        best = cheapest(wanted, self.offers)
        fit = [offer for offer in self.offers if satisfies(offer, wanted)]
        return sorted(fit, key=lambda offer: (offer is not best, offer.price, offer.order, offer.name))
