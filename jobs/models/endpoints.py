"""What of a running job people can connect to, and who has come in."""

from __future__ import annotations

import secrets
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from portal.people.sealing import seal, unseal

LABEL_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
LABEL_RANDOM = 16  # letters of 5 bits each: 80 bits that nobody guesses


def random_label(job_number: int) -> str:
    """`<job>-<random>`: the first label of an endpoint's host name."""
    return f"{job_number}-{''.join(secrets.choice(LABEL_LETTERS) for _ in range(LABEL_RANDOM))}"


class EndpointQuerySet(models.QuerySet["Endpoint"]):
    def live(self) -> EndpointQuerySet:
        return self.exclude(state=Endpoint.State.CLOSED)


class Endpoint(models.Model):
    """One thing that people can connect to while an attempt runs: a port with a web app behind it, or a terminal.

    Made when the attempt starts (`jobs.endpoints.declare`), `waiting` until it answers (`opened`) and when it has fallen silent (`silent`), `closed` with the
    attempt's end, and never open again: the next attempt has another, with another label. `since` is when the state
    began. `label` is the first part of its host name; knowing it opens nothing. `path` is where people are led to, with
    its query (which may hold a password of the app's own): sealed at rest.
    """

    class Kind(models.TextChoices):
        WEB = "web", "Web app"
        TERMINAL = "terminal", "Terminal"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting for it to answer"
        OPEN = "open", "Open"
        CLOSED = "closed", "Closed"

    id: int
    job = models.ForeignKey("Job", on_delete=models.CASCADE, related_name="endpoints")
    attempt = models.ForeignKey("Attempt", on_delete=models.CASCADE, related_name="endpoints")
    kind = models.CharField(max_length=8, choices=Kind)
    label = models.CharField(max_length=60, unique=True)
    port = models.PositiveIntegerField(null=True)  # of the container; none for a terminal
    sealed_path = models.TextField(blank=True)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    since = models.DateTimeField(db_default=Now())
    answered_at = models.DateTimeField(null=True)  # the first time; it waits again where it has fallen silent since
    other_ports = ArrayField(models.PositiveIntegerField(), default=list)  # on which something listens while it waits
    idle_warned_at = models.DateTimeField(null=True)
    mail_due = models.CharField(max_length=8, blank=True)  # ready or idle: what its owner is to be told by mail
    last_traffic_at = models.DateTimeField(null=True)  # written once in TRAFFIC_S at most (jobs.proxy)

    job_id: int
    attempt_id: int
    objects = EndpointQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["attempt", "kind", "port"], name="one_endpoint_a_port"),
            models.CheckConstraint(
                condition=Q(kind="web", port__gte=1, port__lte=65535) | Q(kind="terminal", port=None),
                name="endpoint_web_has_port",
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def path(self) -> str:
        """Begins with "/"; may hold a query."""
        return unseal(self.sealed_path) or "/"

    @path.setter
    def path(self, path: str) -> None:
        self.sealed_path = seal(path)


class Visit(models.Model):
    """One person's way into one endpoint, out of one session of theirs.

    It begins as a ticket (`ticket_hash`, good for 60 s, used once), and becomes a pass (`pass_hash`, the cookie of the
    endpoint's origin). Both are random texts of which only the sha256 is stored. A visit is worth no more than the
    session it came from: jobs.proxy.gate asks again and again whether that is still signed in and may see the job.
    """

    id: int
    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="visits")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    session_key = models.CharField(max_length=40)
    ticket_hash = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()  # of the ticket
    entered_at = models.DateTimeField(null=True)
    pass_hash = models.CharField(max_length=64, unique=True, null=True)
    seen_at = models.DateTimeField(null=True)  # the last time something of it was let through, give or take a minute

    user_id: int
    endpoint_id: int

    class Meta:
        indexes: ClassVar = [models.Index(fields=["expires_at"], name="visit_expiry", condition=Q(entered_at=None))]

    def __str__(self) -> str:
        return f"{self.user_id} at {self.endpoint_id}"
