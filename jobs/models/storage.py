"""Vaults and uploads: whose files they are. Bytes lie on disk; paths are handled by jobs.vaults alone."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now
from django.urls import reverse

from jobs.object_words import OF_A_VAULT, ObjectWords

if TYPE_CHECKING:
    from portal.people.models import User

VAULT_NAME = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,59}\Z", "Use letters, digits, dot, dash and underscore, at most 60."
)

# Also hosts without a dot, as services call each other in one compose file.
ENDPOINT = RegexValidator(
    r"\Ahttps?://(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/-]*)?\Z",
    "Write it like https://s3.example.org or http://minio:9000.",
)


class VaultQuerySet(models.QuerySet["Vault"]):
    def visible_to(self, user: User) -> VaultQuerySet:
        """A person's own vaults and those of the teams they are in."""
        return self.filter(models.Q(owner=user) | models.Q(team__members=user)).distinct()


class Vault(models.Model):
    """Named storage of a person or a team, seen by a job as /data.

    FILE lies in `folder` (relative to VAULT_ROOT, made by us) or at `location` (an absolute path of an operator's).
    BLOCK and BLOCK_ARRAY are FILE vaults that one job has at a time: `held_by`. OBJECT is a bucket of an S3 service.
    """

    class Type(models.TextChoices):
        NONE = "NONE", "None"
        FILE = "FILE", "Files"
        OBJECT = "OBJECT", "Object storage (S3)"
        BLOCK = "BLOCK", "Block device (one job at a time)"
        BLOCK_ARRAY = "BLOCK_ARRAY", "Block array (one job at a time)"

    id: int
    name = models.CharField(max_length=60, unique=True, validators=[VAULT_NAME])
    type = models.CharField(max_length=12, choices=Type, default=Type.FILE)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="vaults"
    )
    team = models.ForeignKey("portal.Team", null=True, blank=True, on_delete=models.CASCADE, related_name="vaults")
    folder = models.CharField(max_length=120, unique=True, editable=False)
    location = models.CharField(max_length=500, blank=True, help_text="An absolute path, the same on all hosts.")
    bucket = models.CharField(max_length=100, blank=True)
    prefix = models.CharField(max_length=300, blank=True, help_text="Only objects below this are seen.")
    endpoint = models.CharField(max_length=300, blank=True, validators=[ENDPOINT], help_text="Empty: Amazon S3.")
    region = models.CharField(max_length=60, blank=True)
    access_key = models.CharField(max_length=200, blank=True)
    sealed_secret = models.TextField(blank=True, editable=False)  # portal.people.sealing opens it
    held_by = models.ForeignKey(
        "Job", null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="held_vaults"
    )
    quota_mib = models.PositiveIntegerField(
        null=True, blank=True, help_text="Empty: the installation's VAULT_QUOTA_MIB."
    )
    used_bytes = models.BigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    owner_id: int | None
    team_id: int | None
    held_by_id: int | None
    objects = VaultQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(owner=None, team__isnull=False) | models.Q(owner__isnull=False, team=None),
                name="vault_of_a_person_or_a_team",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("jobs:files", args=[self.name])

    @property
    def exclusive(self) -> bool:
        """Whether one job has it at a time, as a disk that is attached to one machine."""
        return self.type in (self.Type.BLOCK, self.Type.BLOCK_ARRAY)

    # How jobs.vault_s3 reaches its bucket, and speaks of it.
    guarded: ClassVar[bool] = False  # an operator named the endpoint
    words: ClassVar[ObjectWords] = OF_A_VAULT

    @property
    def called(self) -> str:
        return f"the vault '{self.name}'"


class DefaultVault(models.Model):
    """The vault that a person's launches take where nobody says which."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="default_vault"
    )
    vault = models.ForeignKey(Vault, on_delete=models.CASCADE, related_name="+")

    def __str__(self) -> str:
        return str(self.vault)


class UploadQuerySet(models.QuerySet["Upload"]):
    def usable_by(self, user: User) -> UploadQuerySet:
        return self.filter(owner=user, complete=True).filter(
            models.Q(expires_at__gt=Now()) | models.Q(jobs__isnull=False)
        )


class Upload(models.Model):
    """A file sent for an UPLOAD parameter or as a source. It expires unless a job uses it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="uploads")
    name = models.CharField(max_length=255)
    size = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    stored = models.CharField(max_length=300, blank=True)
    awaited_bytes = models.BigIntegerField(null=True, blank=True)  # of one that comes in pieces, where that was said
    complete = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    objects = UploadQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["expires_at"], name="upload_expiry")]

    def __str__(self) -> str:
        return self.name
