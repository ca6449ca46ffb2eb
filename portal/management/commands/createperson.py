"""Make a person, or with --update change one: the only way in besides the admin, as nobody can sign up."""

from __future__ import annotations

import secrets
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from portal.people.audit import audit
from portal.people.models import Membership, Team, User

ROLES = {"curator": "is_curator", "operator": "is_operator", "staff": "is_staff", "superuser": "is_superuser"}


class Command(BaseCommand):
    help = "Make a person. With --update an existing one is changed instead; what is not named stays."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--email", help="mail address")
        parser.add_argument("--name", help="first and last name")
        parser.add_argument("--password-file", metavar="FILE", help="file with the password; - reads standard input")
        parser.add_argument("--random", action="store_true", help="make a random password and print it, once")
        for role in ROLES:
            parser.add_argument(f"--{role}", action="store_true", help=f"give the role {role}")
        parser.add_argument("--team", action="append", default=[], metavar="SLUG", help="add to this team (repeatable)")
        parser.add_argument("--update", action="store_true", help="change the person if there is one")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        username = options["username"]
        person = User.objects.select_for_update().filter(username=username).first()
        if person and not options["update"]:
            raise CommandError(f"There is a person {username} already. Add --update to change them.")
        made = person is None
        person = person or User(username=username)
        _fill(person, options)
        password = _password(options, person)
        if password is not None:
            person.set_password(password)
        elif made:
            person.set_unusable_password()
        try:
            person.full_clean(exclude=["password"])
        except ValidationError as error:
            raise CommandError(" ".join(error.messages))
        person.save()
        _join(person, options["team"])
        roles = [role for role, field in ROLES.items() if getattr(person, field)]
        audit("person.created" if made else "person.changed", target=username, roles=roles, by="createperson")
        self.stdout.write(f"{'Made' if made else 'Changed'} {username}.")
        if options["random"]:
            self.stdout.write(f"Password: {password}")
        elif made and password is None:
            self.stdout.write("No password is set: use --random or --password-file, or set one in the admin.")


def _fill(person: User, options: dict[str, Any]) -> None:
    if options["email"] is not None:
        address = options["email"].strip()
        if address and User.objects.filter(email__iexact=address).exclude(pk=person.pk).exists():
            raise CommandError(f"Another person has the address {address}.")
        person.email = address
    if options["name"] is not None:
        person.first_name, _, person.last_name = options["name"].strip().partition(" ")
    for role, field in ROLES.items():
        if options[role]:
            setattr(person, field, True)
    if person.is_superuser:
        person.is_staff = True


def _password(options: dict[str, Any], person: User) -> str | None:
    """The new password, or None where none is asked for."""
    if options["random"] and options["password_file"]:
        raise CommandError("--random and --password-file exclude each other. Name one.")
    if options["random"]:
        return secrets.token_urlsafe(12)
    if not options["password_file"]:
        return None
    source = options["password_file"]
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"The password file can't be read: {error}")
    password = text.removesuffix("\n").removesuffix("\r")
    try:
        validate_password(password, person)
    except ValidationError as error:
        raise CommandError("The password is too weak. " + " ".join(error.messages))
    return password


def _join(person: User, slugs: list[str]) -> None:
    for slug in slugs:
        team = Team.objects.filter(slug=slug).first()
        if team is None:
            raise CommandError(f"There is no team {slug}. Make it in the admin first.")
        Membership.objects.get_or_create(team=team, user=person)
