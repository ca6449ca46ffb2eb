"""Machine types, the hosts that serve them, and the installation they belong to."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Now

NAME = RegexValidator(
    r"\A[a-z0-9][a-z0-9._-]{0,39}\Z", "Use small letters, digits, dot, dash and underscore, at most 40."
)
TAG = RegexValidator(r"\A[a-z0-9._-]+=[A-Za-z0-9._-]+\Z", "Write a tag as key=value, e.g. gpu=a100.")


# In SQL: whether `host` can take work of `machine` now. `placement.unfit` says the same of rows, and why not.
FIT = """
host.serves ? machine.name AND machine.requires <@ host.tags AND NOT host.draining AND host.engine_fault = ''
AND host.heartbeat_at > statement_timestamp() - make_interval(secs => %(silent_s)s)
"""


def silent_s() -> int:
    """A host whose last heartbeat is older than this is not up."""
    return 3 * int(settings.HEARTBEAT_S)


def queue_of(host_name: str) -> str:
    """The queue that the worker of this host listens to."""
    return f"host-{host_name}"


class MachineType(models.Model):
    """A named size. `requires` lists the tags (key=value) that a host must carry to serve it.

    `aliases` are other names that definitions and clients may call it by. A job of several nodes has one master of
    this size; the others (slaves) may have less memory and fewer GPUs. `nodes_max` is how many one job may take.
    """

    class Network(models.TextChoices):
        NONE = "none", "None"
        OUTGOING = "outgoing", "Outgoing"

    id: int
    name = models.CharField(max_length=40, unique=True, validators=[NAME])
    description = models.CharField(max_length=200, blank=True)
    cores = models.PositiveIntegerField(default=1, validators=[MinValueValidator(1)])
    ram_mib = models.PositiveIntegerField(default=1024, validators=[MinValueValidator(16)])
    gpus = models.PositiveIntegerField(default=0)
    aliases = ArrayField(models.CharField(max_length=40, validators=[NAME]), default=list, blank=True)
    slave_ram_mib = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(16)], help_text="Empty: as the master."
    )
    slave_gpus = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: as the master.")
    nodes_max = models.PositiveIntegerField(default=1, validators=[MinValueValidator(1)])
    pids = models.PositiveIntegerField(default=1024, validators=[MinValueValidator(8)])
    disk_mib = models.PositiveIntegerField(default=10_240, validators=[MinValueValidator(1)])
    network = models.CharField(max_length=12, choices=Network, default=Network.NONE)
    public_ports = models.BooleanField(
        default=False,
        help_text="Apps that ask for a public address get ports on that of the host. Needs the outgoing network.",
    )
    requires = ArrayField(models.CharField(max_length=80, validators=[TAG]), default=list, blank=True)
    price_per_hour = models.DecimalField(max_digits=10, decimal_places=4, default=0, validators=[MinValueValidator(0)])
    runtime = models.CharField(max_length=20, default="docker")
    enabled = models.BooleanField(default=True)
    order = models.IntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["order", "name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """A name leads to one machine type alone, whether it is its name or an alias. Raises ValidationError."""
        if self.public_ports and self.network != self.Network.OUTGOING:
            said = "Ports are published on the outgoing network alone. Set the network to outgoing, or take this back."
            raise ValidationError({"public_ports": said})
        own = [self.name, *self.aliases]
        if twice := next((name for name in own if own.count(name) > 1), ""):
            raise ValidationError({"aliases": f"{twice} is there twice, or is its own name. Name each alias once."})
        others = MachineType.objects.exclude(pk=self.pk)
        for other in others.filter(models.Q(name__in=own) | models.Q(aliases__overlap=own)):
            for name in own:
                if name in (other.name, *other.aliases):
                    field = "name" if name == self.name else "aliases"
                    raise ValidationError(
                        {field: f"{name} already means the machine type {other.name}. Choose another."}
                    )


class HostQuerySet(models.QuerySet["Host"]):
    def alive(self) -> HostQuerySet:
        """Hosts whose heartbeat is at most three beats old, by the database's clock."""
        return self.filter(heartbeat_at__gt=Now() - timedelta(seconds=silent_s()))

    def serving(self, machine_type: MachineType) -> HostQuerySet:
        return self.filter(serves__has_key=machine_type.name, tags__contains=machine_type.requires)


class Host(models.Model):
    """A computer that serves machine types. `serves` maps machine type name -> slots. One process per host: `incarnation`."""

    id: int
    name = models.CharField(max_length=40, unique=True, validators=[NAME])
    tags = ArrayField(models.CharField(max_length=80), default=list, blank=True)
    serves = models.JSONField(default=dict)
    mounts = models.CharField(max_length=10, default="shared")
    public_address = models.CharField(max_length=45, blank=True)  # where public ports of its jobs are reached
    incarnation = models.UUIDField(default=uuid.uuid4)
    started_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True, db_index=True)
    draining = models.BooleanField(default=False)
    engine = models.CharField(max_length=200, blank=True)
    engine_fault = models.TextField(blank=True)  # empty = the engine answers
    # Where the worker's relay listens ("127.0.0.1:40123"), the certificate it shows (PEM; empty: no TLS), and why it
    # can't serve, where it can't (jobs.relay).
    relay = models.CharField(max_length=120, blank=True)
    relay_certificate = models.TextField(blank=True)
    relay_fault = models.TextField(blank=True)

    objects = HostQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def queue_name(self) -> str:
        return queue_of(self.name)


class Installation(models.Model):
    """One row: who we are. Its id marks the store and the vaults, so that a host can prove that it sees them."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    marked = models.BooleanField(default=False, editable=False)  # the store and the vaults carry our id
    only = models.BooleanField(default=True, unique=True, editable=False)

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(condition=models.Q(only=True), name="one_installation")]

    def __str__(self) -> str:
        return str(self.id)

    @classmethod
    def get(cls) -> Installation:
        return cls.objects.get_or_create(only=True)[0]


class Chore(models.Model):
    """When a periodic chore last succeeded; shown on the health page."""

    name = models.CharField(max_length=40, primary_key=True)
    succeeded_at = models.DateTimeField(null=True)
    detail = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.name
