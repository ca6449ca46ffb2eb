"""Who a worker is: its host's row, the proof that it sees the installation's files, and what it may serve."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from django.db import connection
from django.db.models.functions import Now

from jobs import mounts as mounts_of_all
from jobs.models import Host, MachineType
from portal.errors import PortalError


class WorkerRefused(PortalError):
    """Raised at a worker's start: what is wrong with its options, and what to do."""

    code = "worker_refused"


def register(*, name: str, serve: Mapping[str, int], tags: Sequence[str], mounts: str) -> Host:
    """Make (or take over) the host's row with a new incarnation. Raises WorkerRefused for what it can't serve."""
    check_serves(serve, tags)
    mounts_of_all.mark()
    values = {
        "tags": sorted(tags),
        "serves": dict(serve),
        "mounts": mounts,
        "incarnation": uuid.uuid4(),
        "started_at": Now(),
        "heartbeat_at": Now(),
        "engine_fault": "",
        **dict.fromkeys(("relay", "relay_certificate", "relay_fault"), ""),  # until this process's relay listens
    }
    host, _ = Host.objects.update_or_create(name=name, defaults=values, create_defaults={**values, "draining": False})
    host.refresh_from_db()
    connection.close()
    return host


def listens(host: Host, *, relay: str, certificate: str, fault: str) -> None:
    """Say where the host's relay is to be found, and what it can't do."""
    rows = Host.objects.filter(pk=host.pk, incarnation=host.incarnation)
    rows.update(relay=relay, relay_certificate=certificate, relay_fault=fault)
    connection.close()


def check_serves(serve: Mapping[str, int], tags: Sequence[str]) -> None:
    machines = {m.name: m for m in MachineType.objects.filter(name__in=serve)}
    for name in serve:
        if name not in machines:
            known = ", ".join(MachineType.objects.values_list("name", flat=True)) or "none yet"
            raise WorkerRefused(
                f"There is no machine type {name}. Known: {known}. Make it in the admin, or with manage.py machinetype."
            )
        lacking = [tag for tag in machines[name].requires if tag not in tags]
        if lacking:
            options = " ".join(f"--tag {tag}" for tag in lacking)
            raise WorkerRefused(
                f"{name} requires {', '.join(lacking)}, which this host lacks. Add {options}, or don't serve it."
            )
