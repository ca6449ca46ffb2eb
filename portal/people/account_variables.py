"""Account variables: values that operators set for a person or a team, sealed at rest, and opened when a job starts."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from django.db import transaction
from django.http import HttpRequest

from portal.errors import Invalid, NotFound
from portal.people import sealing
from portal.people.audit import audit
from portal.people.models import AccountVariable, Team, User

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")


def name_refusal(name: str) -> str:
    """Why this can't be the name of one; "" where it can."""
    if NAME.fullmatch(name):
        return ""
    return "Use letters, digits and '_' in a name, at most 200 and no digit first, e.g. LICENSE_SERVER."


def value_refusal(value: str) -> str:
    """Why this can't be a value; "" where it can. Never repeats it."""
    if not value:
        return "The value is empty. To take a variable away, delete it."
    fault = sealing.value_fault(value)
    return f"The value {fault}." if fault else ""


def set_variable(
    *, name: str, value: str, user: User | None = None, team: Team | None = None, request: HttpRequest | None = None
) -> AccountVariable:
    """Set a variable of a person or of a team, anew or over what is there. Raises Invalid. The trail never has the value."""
    if (user is None) == (team is None):
        raise Invalid("A variable belongs to a person or to a team: name one of them.")
    if refusal := name_refusal(name) or value_refusal(value):
        raise Invalid(refusal)
    with transaction.atomic():
        row, _ = AccountVariable.objects.update_or_create(
            user=user, team=team, name=name, defaults={"sealed": sealing.seal(value)}
        )
        note("variable.set", row, request=request)
    return row


def unset_variable(
    *, name: str, user: User | None = None, team: Team | None = None, request: HttpRequest | None = None
) -> None:
    """Take it away. Raises NotFound where it is not set."""
    with transaction.atomic():
        row = AccountVariable.objects.filter(user=user, team=team, name=name).first()
        if row is None:
            raise NotFound(f"The variable {name[:200]} is not set there.")
        note("variable.unset", row, request=request)
        row.delete()


def note(action: str, row: AccountVariable, *, request: HttpRequest | None = None) -> None:
    """The audit event of an act: whose variable, and its name."""
    person = row.user.username if row.user else ""
    audit(action, request=request, target=row.name, person=person, team=row.team.slug if row.team else "")


def names_for(person: User, wanted: Collection[str], *, inherited: Collection[str]) -> frozenset[str]:
    """Which of the wanted names have a value for this person: their own, or a team's where it is among `inherited`."""
    return frozenset(_rows(person, wanted, inherited))


def values_for(person: User, wanted: Collection[str], *, inherited: Collection[str]) -> dict[str, str]:
    """The values by name: the person's own first, else of the first of their teams by name. Raises Conflict (another key)."""
    return {name: sealing.unseal(sealed) for name, sealed in _rows(person, wanted, inherited).items()}


def _rows(person: User, wanted: Collection[str], inherited: Collection[str]) -> Mapping[str, str]:
    if not wanted:
        return {}
    of_teams = AccountVariable.objects.filter(team__members=person, name__in=set(wanted) & set(inherited))
    found = dict(of_teams.order_by("-team__name", "-team_id").values_list("name", "sealed"))
    found |= AccountVariable.objects.filter(user=person, name__in=wanted).values_list("name", "sealed")
    return found
