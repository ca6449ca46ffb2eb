"""Who a worker is: its host's row, the proof that it sees the installation's files, and what it may serve."""

from __future__ import annotations

import ipaddress
import socket
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


def register(
    *, name: str, serve: Mapping[str, int], tags: Sequence[str], mounts: str, public_address: str = ""
) -> Host:
    """Make (or take over) the host's row with a new incarnation. Raises WorkerRefused for what it can't serve."""
    check_serves(serve, tags, public_address)
    mounts_of_all.mark()
    values = {
        "tags": sorted(tags),
        "serves": dict(serve),
        "mounts": mounts,
        "public_address": public_address,
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


def check_address(address: str) -> None:
    """Raises WorkerRefused for what is no address of this host: ports are published on one of its own, and on that alone."""
    try:
        known = ipaddress.ip_address(address)
        with socket.socket(socket.AF_INET6 if known.version == 6 else socket.AF_INET, socket.SOCK_DGRAM) as trial:
            trial.bind((address, 0))
    except (ValueError, OSError):
        known = None
    if known is None or known.is_unspecified:
        raise WorkerRefused(
            f"PUBLIC_ADDRESS is {address[:60]!r}, which is no address of this host. Give the one at which people reach it."
        )


def check_serves(serve: Mapping[str, int], tags: Sequence[str], public_address: str = "") -> None:
    if public_address:
        check_address(public_address)
    machines = {m.name: m for m in MachineType.objects.filter(name__in=serve)}
    for name in serve:
        if name not in machines:
            known = ", ".join(MachineType.objects.values_list("name", flat=True)) or "none yet"
            raise WorkerRefused(
                f"There is no machine type {name}. Known: {known}. Make it in the admin, or with manage.py machinetype."
            )
        if machines[name].public_ports and not public_address:
            raise WorkerRefused(
                f"Jobs on {name} may have public ports, and this host says no address for them. Add --public-address, "
                "or take public ports away from the machine type."
            )
        lacking = [tag for tag in machines[name].requires if tag not in tags]
        if lacking:
            options = " ".join(f"--tag {tag}" for tag in lacking)
            raise WorkerRefused(
                f"{name} requires {', '.join(lacking)}, which this host lacks. Add {options}, or don't serve it."
            )
