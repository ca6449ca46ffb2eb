"""What can be run, and on what: apps, their definitions, machine types, queues; and whether a definition is valid."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from django.http import HttpResponse

from apps_catalog.launch.walltime import parse_walltime
from apps_catalog.models import App, Version
from apps_catalog.services import read_definition
from jobs.jarvice import appdefs
from jobs.jarvice.answers import JSON, Endpoint
from jobs.jarvice.calls import FIELDS, Call, malformed
from jobs.jarvice.entries import clock, seconds
from jobs.jarvice.names import UNREAD, find_app, visible_apps
from jobs.jarvice.storage import find_vault
from jobs.models import MachineType
from portal.errors import NotFound, PortalError
from portal.people.attempts import room_left
from portal.people.models import User

VALIDATED_A_MINUTE = 60  # by one address: nobody has to log in for it, and reading costs time
ARCHITECTURE = "x86_64"


def apps(call: Call, user: User) -> dict[str, Any]:
    """All, or the one that `name` says; none where there is none."""
    name = call.text("name").strip()
    rows = visible_apps(user).defer(None).defer(*UNREAD)
    if name and name != "all":
        app = find_app(user, name)
        rows = rows.filter(pk=app.pk) if app else rows.none()
    return {app.slug: _app(app) for app in rows.order_by("slug").iterator(chunk_size=50)}


def _app(app: App) -> dict[str, Any]:
    version = _default(app)
    maker = app.created_by
    data = appdefs.strict(version.definition, owner=maker.username if maker else "")
    walltime_s = parse_walltime(data.get("walltime"))
    return {
        "id": app.slug,
        "data": data,
        "price": 0.0,
        "owner": maker.pk if maker else 0,
        "arch": ARCHITECTURE,
        "privs": [],
        "certified": version.certified,
        "checkedout": False,
        "repo": version.image,
        "src": version.image,
        "updated": seconds(version.published_at or version.created_at),
        "walltime": clock(walltime_s) if walltime_s else None,
    }


def _default(app: App) -> Version:
    version = app.default_version
    if version is None:
        raise NotFound("Application not found")
    return version


def appdef(call: Call, user: User) -> HttpResponse:
    """The author's text, to the byte."""
    name = call.text("name").strip()
    if not name:
        raise malformed("Required parameter missing: name.")
    app = find_app(user, name)
    if app is None:
        raise NotFound("Application not found")
    return HttpResponse(_default(app).definition.encode("utf-8", "surrogatepass"), content_type=JSON)


def machines(call: Call, user: User) -> dict[str, Any]:
    """All machine types that are switched on, or those that `name` fits: a name, an alias, or a pattern of the shell."""
    if call.text("vault").strip():
        find_vault(
            user, call.text("vault").strip()
        )  # every machine type here works with every vault that a person sees
    name = call.text("name").strip()
    enabled = MachineType.objects.filter(enabled=True)
    if not name or name == "all":
        return {machine.name: _machine(machine, machine.name) for machine in enabled}
    found = {}
    for machine in enabled:
        fitting = next((known for known in (machine.name, *machine.aliases) if fnmatchcase(known, name)), None)
        if fitting:  # under the word that was asked for: scripts look it up by that
            found[fitting] = _machine(machine, fitting)
    return found


def _machine(machine: MachineType, name: str) -> dict[str, Any]:
    slave_ram_mib = machine.ram_mib if machine.slave_ram_mib is None else machine.slave_ram_mib
    return {
        "mc_name": name,
        "mc_description": machine.description or f"{machine.cores} core, {_gib(machine.ram_mib)}GB RAM",
        "mc_arch": ARCHITECTURE,
        "mc_cores": machine.cores,
        "mc_slots": machine.cores,
        "mc_gpus": machine.gpus,
        "mc_ram": _gib(machine.ram_mib),
        "mc_swap": 0,
        "mc_scratch": _gib(machine.disk_mib),
        "mc_devices": "",
        "mc_properties": "",
        "mc_slave_cores": machine.cores,
        "mc_slave_gpus": machine.gpus if machine.slave_gpus is None else machine.slave_gpus,
        "mc_slave_ram": _gib(slave_ram_mib),
        "mc_slave_properties": "",
        "mc_scale_min": 1,
        "mc_scale_max": machine.nodes_max,
        "mc_scale_select": "",
        "mc_lesser": 1,
        "mc_max_concurrent": 0,
        "mc_price": float(machine.price_per_hour),
        "mc_priority": 0,
        "mc_privs": [],
        "mc_sched_id": 0,
    }


def _gib(mib: int) -> int:
    """Whole GB, as JARVICE counts; at least one."""
    return max(1, round(mib / 1024))


def queues(call: Call, user: User) -> list[str] | dict[str, Any]:
    """Each machine type is a queue of its own, for any app."""
    name = call.text("name").strip()
    enabled = MachineType.objects.filter(enabled=True)
    rows = [machine for machine in enabled if name in ("", "all", machine.name, *machine.aliases)]
    if name not in ("", "all") and not rows:
        raise NotFound("Queue not found")
    if not call.says("info") and not call.says("info", "1"):
        return [machine.name for machine in rows]
    return {
        machine.name: {"name": machine.name, "app": "", "machine": machine.name, "size": machine.nodes_max}
        for machine in rows
    }


def validate(call: Call) -> dict[str, Any]:
    """The definition is the body. What would refuse its import is told; warnings are not."""
    address = call.request.META.get("REMOTE_ADDR", "")
    if not room_left("jarvice-validate", address, most=VALIDATED_A_MINUTE, within_s=60):
        raise PortalError("Too many definitions in a minute. Wait a little, then go on.", code="too_many", status=429)
    if FIELDS.match(call.raw):  # not read as a definition: what is wrong with one is told with its words
        raise malformed("The body must be an AppDef, as JSON. Send no fields with it.")
    reading = read_definition(call.raw)
    if not reading.ok:
        told = [finding for finding in reading.findings if finding.level == "error"]
        raise malformed(" ".join(f"{one.pointer}: {one.message}" if one.pointer else one.message for one in told[:20]))
    return {"valid": True}


ENDPOINTS = (
    Endpoint("apps", apps),
    Endpoint("appdef", appdef),
    Endpoint("machines", machines),
    Endpoint("queues", queues),
    Endpoint("validate", validate, methods=("POST",), open=True, verbatim=True),
)
