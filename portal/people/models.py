"""Users, teams, API tokens and audit events."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

SCOPES = ("read", "launch", "curate", "operate", "jarvice")


class User(AbstractUser):
    """A person. Curators import, edit and publish apps; operators run hosts; staff may do both."""

    is_curator = models.BooleanField(default=False, help_text="May import, edit and publish apps.")
    is_operator = models.BooleanField(default=False, help_text="May run hosts, machine types and limits.")
    id: int

    @property
    def curates(self) -> bool:
        return self.is_active and (self.is_curator or self.is_staff)

    @property
    def operates(self) -> bool:
        return self.is_active and (self.is_operator or self.is_staff)

    @property
    def display_name(self) -> str:
        return self.get_full_name() or self.username

    def team(self, slug: str) -> Team | None:
        """The team of this slug that they are a member of; None for any other text."""
        return self.teams.filter(slug=slug).first() if slug and "\0" not in slug else None


class Team(models.Model):
    """People who may see each other's shared jobs, vaults and restricted apps."""

    id: int
    name = models.CharField(max_length=120, unique=True)
    slug = models.SlugField(max_length=60, unique=True)
    members = models.ManyToManyField(User, through="Membership", related_name="teams")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    is_owner = models.BooleanField(default=False, help_text="May add and remove members.")
    joined_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["team", "user"], name="one_membership_each")]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def live(self) -> ApiTokenQuerySet:
        now = timezone.now()
        return self.filter(revoked_at=None).filter(models.Q(expires_at=None) | models.Q(expires_at__gt=now))

    def presented(self, text: str) -> ApiToken | None:
        """The live token with this text, of an active user; None for anything else."""
        return self.live().select_related("user").filter(hash=ApiToken.hash_of(text), user__is_active=True).first()


class ApiToken(models.Model):
    """A token of a person. Only its sha256 is stored (the text is 256 random bits); the prefix is shown to tell tokens apart."""

    id: int
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=120)
    prefix = models.CharField(max_length=12)
    hash = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=20), default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    job_number = models.BigIntegerField(null=True, editable=False, db_index=True)  # of this job alone; gone at its end

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}...)"

    @staticmethod
    def hash_of(text: str) -> str:
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()

    @classmethod
    def issue(cls, user: User, *, name: str, scopes: list[str], expires_at: Any = None) -> tuple[ApiToken, str]:
        """A new token and its text, which is never to be had again."""
        text = f"slw_{secrets.token_urlsafe(32)}"
        token = cls.objects.create(
            user=user, name=name, prefix=text[:10], hash=cls.hash_of(text), scopes=scopes, expires_at=expires_at
        )
        return token, text


def _of_one(noun: str) -> list[models.BaseConstraint]:
    """Each belongs to a person (`user`) or to a team, which has one of each `name`."""
    return [
        models.CheckConstraint(
            condition=models.Q(user=None, team__isnull=False) | models.Q(user__isnull=False, team=None),
            name=f"{noun}_of_a_person_or_a_team",
        ),
        models.UniqueConstraint(fields=["user", "name"], name=f"one_{noun}_a_person"),
        models.UniqueConstraint(fields=["team", "name"], name=f"one_{noun}_a_team"),
    ]


class AccountVariable(models.Model):
    """A value that operators set for a person or a team, and that definitions may ask for by its name (`variables`)."""

    id: int
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="account_variables")
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.CASCADE, related_name="account_variables")
    name = models.CharField(max_length=200)
    sealed = models.TextField(editable=False)  # portal.people.sealing opens it
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = _of_one("account_variable")

    def __str__(self) -> str:
        return self.name


class Secret(models.Model):
    """Credentials of a person or a team, by name: what a manifest's `secrets` ask for, a bucket's keys, a registry's login.

    `sealed` holds a JSON object: {"value"} | {"access_key", "secret_key"} | {"registry", "username", "password"}.
    """

    class Kind(models.TextChoices):
        VALUE = "value", "One value"
        KEYS = "keys", "Access key and secret key"
        REGISTRY = "registry", "Login of an image registry"

    id: int
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="secrets")
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.CASCADE, related_name="secrets")
    name = models.CharField(max_length=64)
    kind = models.CharField(max_length=10, choices=Kind)
    sealed = models.TextField(editable=False)  # portal.people.sealing opens it
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = _of_one("secret")

    def __str__(self) -> str:
        return self.name


class AuditEvent(models.Model):
    """One security-relevant act. Rows are only ever added: a database trigger refuses update and delete."""

    id: int
    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor = models.ForeignKey(User, on_delete=models.DO_NOTHING, null=True, related_name="+", db_constraint=False)
    actor_name = models.CharField(max_length=150, blank=True)
    action = models.CharField(max_length=60, db_index=True)
    target = models.CharField(max_length=200, blank=True)
    address = models.GenericIPAddressField(null=True)
    detail = models.JSONField(default=dict)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor_name} {self.action} {self.target}"
