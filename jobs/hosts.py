"""Who a worker is: its host's row, the proof that it sees the installation's files, and what it may serve."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from jobs.models import Host, Installation, MachineType
from portal.errors import PortalError

MARKER = ".slipway-installation"


class WorkerRefused(PortalError):
    """Raised at a worker's start: what is wrong with its options, and what to do."""

    code = "worker_refused"


def register(*, name: str, serve: Mapping[str, int], tags: Sequence[str], mounts: str) -> Host:
    """Make (or take over) the host's row with a new incarnation. Raises WorkerRefused for what it can't serve."""
    check_serves(serve, tags)
    prove_mounts()
    values = {
        "tags": sorted(tags),
        "serves": dict(serve),
        "mounts": mounts,
        "incarnation": uuid.uuid4(),
        "started_at": Now(),
        "heartbeat_at": Now(),
        "engine_fault": "",
    }
    host, _ = Host.objects.update_or_create(name=name, defaults=values, create_defaults={**values, "draining": False})
    host.refresh_from_db()
    connection.close()
    return host


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


def prove_mounts() -> None:
    """The store and the vaults carry the installation's id: a host that sees other folders at these paths is refused."""
    ours = str(Installation.get().pk)
    for root in (settings.STORE_ROOT, settings.VAULT_ROOT):
        marker = Path(root) / MARKER
        if not marker.exists():
            if root.is_dir() and any(root.iterdir()):
                raise WorkerRefused(f"{root} holds files but no {MARKER}: it is not this installation's folder.")
            root.mkdir(parents=True, exist_ok=True)
            marker.write_text(ours, encoding="ascii")
        if marker.read_text(encoding="ascii").strip() != ours:
            raise WorkerRefused(f"{root} belongs to another installation (its {MARKER} differs). Check the mounts.")
