"""Secrets of persons and teams: set, replaced and deleted by whom they belong to; sealed at rest, and never shown again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from portal.errors import Conflict, Forbidden, Invalid, NotFound
from portal.people import sealing
from portal.people.audit import audit
from portal.people.models import Secret, Team, User

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
NAME_RULE = "Use letters, digits, '_', '-' and '.' in a name, at most 64 and no digit first, e.g. S3_RESULTS."
SECRETS_MAX = 200
# What a secret of each kind is made of; those of PLAIN are no secret themselves, but nowhere shown either.
PARTS: Mapping[str, Mapping[str, str]] = {
    Secret.Kind.VALUE: {"value": "Value"},
    Secret.Kind.KEYS: {"access_key": "Access key", "secret_key": "Secret key"},
    Secret.Kind.REGISTRY: {"registry": "Registry", "username": "User name", "password": "Password or token"},
}
PLAIN = frozenset({"registry", "username", "access_key"})


class _PartFault:
    """Of one field, for problem+json and forms."""

    def __init__(self, pointer: str, code: str, message: str) -> None:
        self.pointer, self.code, self.message = pointer, code, message


def visible_to(user: User) -> QuerySet[Secret]:
    """A person's own, then those of their teams: names and kinds, for what they hold is for jobs alone."""
    rows = Secret.objects.filter(Q(user=user) | Q(team__members=user)).select_related("user", "team")
    return rows.defer("sealed").order_by("team__name", "name")


def set_secret(
    *,
    name: str,
    kind: str,
    parts: Mapping[str, object],
    user: User | None = None,
    team: Team | None = None,
    actor: User | None = None,
    replace: bool = True,
    request: HttpRequest | None = None,
) -> Secret:
    """Set a secret of a person or a team. `parts` are those of PARTS for its kind. `actor`, where given, must be the person,
    or a member of the team. The trail never has what it holds.

    Raises Invalid with a fault for each field, Forbidden, and Conflict where it is there and `replace` is false.
    """
    if (user is None) == (team is None):
        raise Invalid("A secret belongs to a person or to a team: name one of them.")
    _demand_right(actor, user, team)
    faults = faults_of(name, kind, parts)
    if faults:
        raise Invalid.of(faults)
    held = {key: str(parts[key]) for key in PARTS[kind]}
    with transaction.atomic():
        rows = Secret.objects.select_for_update().filter(user=user, team=team)
        there = rows.filter(name=name).first()
        if there is not None and not replace:
            raise Conflict(f"There is a secret '{name}' already. Replace it, or choose another name.", code="taken")
        if there is None and rows.count() >= SECRETS_MAX:
            raise Conflict(
                f"At most {SECRETS_MAX} secrets are kept. Delete one that is not used any more.", code="full"
            )
        row, _ = Secret.objects.update_or_create(
            user=user, team=team, name=name, defaults={"kind": kind, "sealed": sealing.seal(json.dumps(held))}
        )
        _note("secret.replace" if there else "secret.set", row, actor, request)
    return row


def delete_secret(*, secret: Secret, actor: User, request: HttpRequest | None = None) -> None:
    """Delete it: jobs that need it fail from then on, and say so. Raises Forbidden."""
    _demand_right(actor, secret.user, secret.team)
    with transaction.atomic():
        _note("secret.delete", secret, actor, request)
        secret.delete()


def find(user: User, pk: int) -> Secret:
    """One of `visible_to`. Raises NotFound."""
    row = visible_to(user).filter(pk=pk).first()
    if row is None:
        raise NotFound("There is no such secret, or it is not yours.")
    return row


def open_secret(row: Secret) -> dict[str, str]:
    """What it holds. Only for the moment where it is used. Raises Conflict where the installation's key is another one."""
    return {key: str(value) for key, value in json.loads(sealing.unseal(row.sealed)).items()}


def faults_of(name: object, kind: object, parts: Mapping[str, object]) -> list[_PartFault]:
    """What is wrong with a secret as it was sent. Never repeats what it holds."""
    faults = []
    if not isinstance(name, str) or not NAME.fullmatch(name):
        faults.append(_PartFault("/name", "name", NAME_RULE))
    wanted = PARTS.get(str(kind))
    if wanted is None:
        return [*faults, _PartFault("/kind", "kind", f"is one of: {', '.join(PARTS)}")]
    reasons = {key: sealing.value_fault(parts.get(key)) for key in wanted}
    faults += (_PartFault(f"/{key}", "value", reason) for key, reason in reasons.items() if reason)
    faults += (
        _PartFault(f"/{key}", "unused", f"is no part of a secret of the kind {kind}")
        for key, value in parts.items()
        if key not in wanted and value not in ("", None)
    )
    return faults


def _demand_right(actor: User | None, user: User | None, team: Team | None) -> None:
    if actor is None or actor == user:
        return
    if team is None or not team.memberships.filter(user=actor).exists():
        raise Forbidden("Only a person themselves, and the members of a team, may change its secrets.")


def _note(action: str, row: Secret, actor: User | None, request: HttpRequest | None) -> None:
    person = row.user.username if row.user else ""
    team = row.team.slug if row.team else ""
    audit(action, actor=actor, request=request, target=row.name, kind=row.kind, person=person, team=team)
