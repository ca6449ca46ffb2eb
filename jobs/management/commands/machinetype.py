"""manage.py machinetype: make or change a machine type."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from jobs.models import MachineType

FIELDS = ("description", "cores", "ram_mib", "gpus", "pids", "disk_mib", "network", "price_per_hour", "order")


class Command(BaseCommand):
    help = "Make a machine type, or change the fields that are given of one that exists."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        for field in FIELDS:
            parser.add_argument(f"--{field.replace('_', '-')}", default=None)
        parser.add_argument(
            "--require", action="append", default=None, metavar="KEY=VALUE", help="A tag hosts must have."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        machine = MachineType.objects.filter(name=options["name"]).first() or MachineType(name=options["name"])
        for field in FIELDS:
            if options[field] is not None:
                setattr(machine, field, options[field])
        if options["require"] is not None:
            machine.requires = options["require"]
        try:
            machine.full_clean()
        except ValidationError as fault:
            lines = [f"{name}: {' '.join(messages)}" for name, messages in fault.message_dict.items()]
            raise CommandError("; ".join(lines)) from fault
        machine.save()
        self.stdout.write(f"{machine.name}: {machine.cores} cores, {machine.ram_mib} MiB, {machine.gpus} GPUs")
