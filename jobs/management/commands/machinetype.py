"""manage.py machinetype: make or change a machine type."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from jobs.models import MachineType

FIELDS = (
    "description",
    "cores",
    "ram_mib",
    "gpus",
    "pids",
    "disk_mib",
    "network",
    "public_ports",
    "price_per_hour",
    "order",
    "nodes_max",
)
AS_MASTER = {"slave_ram_mib": "RAM of each node but the first.", "slave_gpus": "GPUs of each node but the first."}


class Command(BaseCommand):
    help = "Make a machine type, or change the fields that are given of one that exists."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        for field in FIELDS:
            parser.add_argument(f"--{field.replace('_', '-')}", default=None)
        for field, words in AS_MASTER.items():
            option = f"--{field.replace('_', '-')}"
            parser.add_argument(option, default=None, help=f'{words} "" is as many as the first has.')
        parser.add_argument(
            "--alias", action="append", default=None, metavar="NAME", help='Another name for it; "" alone removes all.'
        )
        parser.add_argument(
            "--require", action="append", default=None, metavar="KEY=VALUE", help="A tag hosts must have."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        machine = MachineType.objects.filter(name=options["name"]).first() or MachineType(name=options["name"])
        for field in FIELDS:
            if options[field] is not None:
                setattr(machine, field, options[field])
        for field in AS_MASTER:
            if options[field] is not None:
                setattr(machine, field, options[field] or None)
        if options["alias"] is not None:
            machine.aliases = [name for name in options["alias"] if name]
        if options["require"] is not None:
            machine.requires = options["require"]
        try:
            machine.full_clean()
        except ValidationError as fault:
            lines = [f"{name}: {' '.join(messages)}" for name, messages in fault.message_dict.items()]
            raise CommandError("; ".join(lines)) from fault
        machine.save()
        machine.refresh_from_db()
        nodes = f", up to {machine.nodes_max} nodes" if machine.nodes_max > 1 else ""
        self.stdout.write(f"{machine.name}: {machine.cores} cores, {machine.ram_mib} MiB, {machine.gpus} GPUs{nodes}")
