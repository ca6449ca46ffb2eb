"""manage.py createvault: make a vault of a person or a team, row and folder, or its way to a bucket."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, DjangoHelpFormatter

from jobs import vault_locations, vaults
from jobs.identity import run_ids
from jobs.models import Vault
from portal.errors import PortalError
from portal.people.models import Team, User

SECRET_MAX = 4096
EXAMPLES = """
In a folder of the installation:   createvault home --owner ada
On a disk of your own:             createvault data --team crew --location /srv/data
In a bucket:                       createvault cloud --team crew --type OBJECT --bucket results --endpoint https://s3.example.org
                                     --access-key AK --secret-file /run/secrets/s3
For one job at a time:             createvault disk --owner ada --type BLOCK
A location that lost its mark:     createvault data --mark
"""


class _Plain(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Examples keep their lines."""


class Command(BaseCommand):
    help = "Make a vault of a person or a team."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(prog_name, subcommand, epilog=EXAMPLES, formatter_class=_Plain, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        whose = parser.add_mutually_exclusive_group()
        whose.add_argument("--owner", help="A person's user name.")
        whose.add_argument("--team", help="A team's slug.")
        parser.add_argument("--quota-mib", type=int, help="Default: VAULT_QUOTA_MIB; in a bucket: no limit.")
        kinds = [kind for kind in Vault.Type.values if kind != Vault.Type.NONE]
        parser.add_argument("--type", choices=kinds, default=Vault.Type.FILE, help="Default: FILE.")
        parser.add_argument("--location", default="", help="An absolute path that is the same on all hosts.")
        parser.add_argument("--bucket", default="", help="OBJECT: the bucket, which must be there.")
        parser.add_argument("--prefix", default="", help="OBJECT: only what lies below this is seen.")
        parser.add_argument("--endpoint", default="", help="OBJECT: address of the service. Default: Amazon S3.")
        parser.add_argument("--region", default="", help="OBJECT: where the service asks for one.")
        parser.add_argument("--access-key", default="", help="OBJECT: none, where the bucket is open to all.")
        parser.add_argument(
            "--secret-file", default="", help="OBJECT: a file with the secret, or - for standard input."
        )
        parser.add_argument(
            "--unchecked", action="store_true", help="OBJECT: make it though the bucket does not answer."
        )
        parser.add_argument("--mark", action="store_true", help="Mark the location of a vault that exists again.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            vault = self._mark(options["name"]) if options["mark"] else self._make(options)
            place = f"s3://{vault.bucket}/{vault.prefix}" if vault.type == Vault.Type.OBJECT else vaults.root_of(vault)
        except PortalError as refused:
            raise CommandError(str(refused)) from refused
        self.stdout.write(f"{vault.name}: {place}")
        if vault.location and (warning := vault_locations.told_of_owner(vault.location, *run_ids())):
            self.stderr.write(warning)

    def _mark(self, name: str) -> Vault:
        vault = Vault.objects.filter(name=name).exclude(location="").first()
        if vault is None:
            raise CommandError(f"There is no vault '{name}' with a location.")
        vault_locations.check(vault.location, vault=vault)
        vault_locations.mark(vault)
        return vault

    def _make(self, options: dict[str, Any]) -> Vault:
        if not (options["owner"] or options["team"]):
            raise CommandError("Say whose it is: --owner or --team.")
        owner = User.objects.filter(username=options["owner"]).first() if options["owner"] else None
        team = Team.objects.filter(slug=options["team"]).first() if options["team"] else None
        if owner is None and team is None:
            raise CommandError(f"There is no {'person' if options['owner'] else 'team'} of that name.")
        where = {name: options[name] for name in ("location", "bucket", "prefix", "endpoint", "region", "access_key")}
        vault = vaults.create_vault(
            name=options["name"],
            owner=owner,
            team=team,
            quota_mib=options["quota_mib"],
            type=Vault.Type(options["type"]),
            secret=_secret(options["secret_file"]),
            **{name: value for name, value in where.items() if value},
        )
        if vault.type == Vault.Type.OBJECT and not options["unchecked"]:
            try:
                vaults.list_folder(vault, limit=1)
            except PortalError:
                vault.delete()
                raise
        return vault


def _secret(path: str) -> str:
    """The secret in a file, without the line's end. Never an argument: those are seen by all on the machine."""
    if not path:
        return ""
    try:
        text = sys.stdin.read(SECRET_MAX) if path == "-" else Path(path).read_text(encoding="utf-8")[:SECRET_MAX]
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"The secret can't be read from {path}: {error}") from error
    if not text.strip():
        raise CommandError(f"There is no secret in {path}.")
    return text.strip()
