"""Set or take away an account variable of a person or a team: the value comes from standard input or a file, never from the words."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.errors import PortalError
from portal.people import sealing
from portal.people.account_variables import set_variable, unset_variable
from portal.people.models import Team, User


class Command(BaseCommand):
    help = "Set an account variable, whose value apps that ask for it find in /etc/JARVICE/jobenv.sh. It is read from standard input."

    def add_arguments(self, parser: ArgumentParser) -> None:
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("--user", metavar="NAME", help="the person it is for")
        whose.add_argument("--team", metavar="SLUG", help="the team whose members inherit it")
        parser.add_argument("name", help="name of the variable, e.g. LICENSE_SERVER")
        parser.add_argument("--value-file", metavar="FILE", help="file with the value, instead of standard input")
        parser.add_argument("--unset", action="store_true", help="take it away")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["user"]).first() if options["user"] else None
        team = Team.objects.filter(slug=options["team"]).first() if options["team"] else None
        if user is None and team is None:
            missing = f"person {options['user']}" if options["user"] else f"team {options['team']}"
            raise CommandError(f"There is no {missing}.")
        name = options["name"]
        try:
            if options["unset"]:
                unset_variable(name=name, user=user, team=team)
            else:
                set_variable(name=name, value=_value(options["value_file"]), user=user, team=team)
        except PortalError as refused:
            raise CommandError(refused.message) from None
        whose = f"team {team.slug}" if team else options["user"]
        self.stdout.write(f"{'Took away' if options['unset'] else 'Set'} {name} of {whose}.")


def _value(file: str | None) -> str:
    """The text without the newline that ends it."""
    try:
        if file:
            with Path(file).open("rb") as opened:
                raw = opened.read(sealing.VALUE_BYTES_MAX + 2)
        elif sys.stdin.isatty():
            raise CommandError("Give the value on standard input or with --value-file; it is not asked for.")
        else:
            raw = (
                sys.stdin.buffer.read(sealing.VALUE_BYTES_MAX + 2)
                if hasattr(sys.stdin, "buffer")
                else sys.stdin.read().encode()
            )
        text = raw.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(
            f"The value can't be read: {error.strerror if isinstance(error, OSError) else 'it is no UTF-8 text'}."
        )
    return text.removesuffix("\n").removesuffix("\r")
