"""manage.py createvault: make a vault of a person or a team, row and folder."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs import vaults
from portal.errors import PortalError
from portal.people.models import Team, User


class Command(BaseCommand):
    help = "Make a vault of a person or a team."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("--owner", help="A person's user name.")
        whose.add_argument("--team", help="A team's slug.")
        parser.add_argument("--quota-mib", type=int, help="Default: VAULT_QUOTA_MIB.")

    def handle(self, *args: Any, **options: Any) -> None:
        owner = User.objects.filter(username=options["owner"]).first() if options["owner"] else None
        team = Team.objects.filter(slug=options["team"]).first() if options["team"] else None
        if owner is None and team is None:
            raise CommandError(f"There is no {'person' if options['owner'] else 'team'} of that name.")
        try:
            vault = vaults.create_vault(name=options["name"], owner=owner, team=team, quota_mib=options["quota_mib"])
        except PortalError as refused:
            raise CommandError(str(refused)) from refused
        self.stdout.write(f"{vault.name}: {vaults.root_of(vault)}")
