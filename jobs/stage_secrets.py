"""The secrets that a bundle's manifest names: the owner's own, else a team's. Opened when a task starts, never stored with it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection

from django.db.models import Q, QuerySet

from apps_catalog.launch.environment import name_fault
from apps_catalog.launch.spec import Fault, LaunchSpec
from jobs.runtimes.base import RuntimeFault
from portal.errors import Conflict
from portal.people import sealing
from portal.people.models import Secret, User

PAGE = "/account/secrets/"
_UNFIT = re.compile(r"[^A-Za-z0-9_]")


def variable(name: str) -> str:
    """The name of a secret as the name of a variable: what no shell can say becomes an underscore."""
    return _UNFIT.sub("_", name)


def faults_of(spec: LaunchSpec, owner: User, pointer: str) -> list[Fault]:
    """What a launch of this bundle lacks, said before it is launched."""
    faults = []
    found = named(owner, spec.secrets)
    for name in spec.secrets:
        if name_fault(variable(name)):
            said = f"'{spec.name}' asks for a secret '{name[:64]}', which {name_fault(variable(name))}. Ask its author."
            faults.append(Fault(pointer, "secret_name", said))
        elif name not in found:
            said = f"'{spec.name}' needs the secret '{name[:64]}', and neither you nor a team of yours has one. Add it at {PAGE}."
            faults.append(Fault(pointer, "missing_secret", said))
        elif found[name].kind == Secret.Kind.REGISTRY:
            said = f"The secret '{name[:64]}' is the login of a registry, which no program is given. Name another."
            faults.append(Fault(pointer, "secret_kind", said))
    return faults


def variables(owner: User, names: Collection[str]) -> dict[str, str]:
    """The variables of a task. Raises RuntimeFault(start_refused) where one is gone or can't be opened any more."""
    found = named(owner, names)
    given: dict[str, str] = {}
    for name in names:
        row = found.get(name)
        if row is None or row.kind == Secret.Kind.REGISTRY or name_fault(variable(name)):
            said = f"The secret '{name[:64]}' that was there when the job was submitted is gone. Add it at {PAGE}, and run the job again."
            raise RuntimeFault(said, code="start_refused", retry=False)
        try:
            held = json.loads(sealing.unseal(row.sealed))
        except Conflict as refused:
            raise RuntimeFault(str(refused), code="start_refused", retry=False) from refused
        word = variable(name)
        if row.kind == Secret.Kind.KEYS:
            given |= {f"{word}_ACCESS_KEY": str(held["access_key"]), f"{word}_SECRET_KEY": str(held["secret_key"])}
        else:
            given[word] = str(held["value"])
    return given


def usable(owner: User) -> QuerySet[Secret]:
    """A person's own secrets, and those of the teams they are in."""
    return Secret.objects.filter(Q(user=owner) | Q(team__members=owner)).distinct()


def named(owner: User, names: Collection[str]) -> dict[str, Secret]:
    """By name: a person's own before a team's, of teams the first by name."""
    if not names:
        return {}
    rows = usable(owner).filter(name__in=names).select_related("team")
    first = sorted(
        rows, key=lambda row: (row.team is not None, row.team.name if row.team else "", row.team.pk if row.team else 0)
    )
    return {row.name: row for row in reversed(first)}
