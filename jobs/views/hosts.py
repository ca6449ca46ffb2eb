"""Hosts and machine types, for operators: what is up, what is busy, what is missing; drain and undrain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST, require_safe

from jobs.models import Chore, Host, MachineType, Task
from jobs.placement import machine_states, unfit, wake
from jobs.states import TaskState
from portal.errors import Forbidden, NotFound
from portal.people import signed_in
from portal.people.audit import audit
from portal.people.models import User


@dataclass(frozen=True)
class Slots:
    """A machine type as one host serves it. `fault` says why it can't be used there now."""

    machine: str
    slots: int
    busy: int
    fault: str


@dataclass(frozen=True)
class HostRow:
    host: Host
    state: str  # up, draining, faulty, down
    slots: tuple[Slots, ...]


def _operator(request: HttpRequest) -> User:
    user = signed_in(request)
    if not user.operates:
        raise Forbidden("Hosts are for operators. Ask an administrator if you need that role.")
    return user


@require_safe
def hosts(request: HttpRequest) -> HttpResponse:
    _operator(request)
    rows = _rows()
    shown = {
        "rows": rows,
        "states": [(state, _servers(state.machine, rows)) for state in machine_states()],
        "disabled": MachineType.objects.filter(enabled=False),
        "kept": Chore.objects.filter(name="keep").first(),
    }
    return render(request, "jobs/hosts.html", shown)


def _rows() -> list[HostRow]:
    """Every host with its slots: four queries, whatever their number."""
    alive = set(Host.objects.alive().values_list("pk", flat=True))
    machines = {machine.name: machine for machine in MachineType.objects.all()}
    counted = Task.objects.filter(state=TaskState.RUNNING).order_by().values_list("host_id", "machine_type__name")
    busy = {(host, name): n for host, name, n in counted.annotate(n=Count("id"))}
    found = []
    for host in Host.objects.all():
        slots = tuple(
            Slots(name, int(n), busy.get((host.pk, name), 0), _fault(machines.get(name), name, host))
            for name, n in sorted(host.serves.items())
        )
        found.append(HostRow(host, _state(host, alive), slots))
    return found


def _state(host: Host, alive: set[int]) -> str:
    if host.pk not in alive:
        return "down"
    if host.engine_fault:
        return "faulty"
    return "draining" if host.draining else "up"


def _fault(machine: MachineType | None, name: str, host: Host) -> str:
    if machine is None:
        return f"there is no machine type {name}"
    if not machine.enabled:
        return f"{name} is switched off"
    return unfit(machine, host)


def _servers(machine: MachineType, rows: list[HostRow]) -> list[str]:
    """The names of the hosts that are up and serve it."""
    return [row.host.name for row in rows if row.state == "up" and not unfit(machine, row.host)]


@require_POST
def drain(request: HttpRequest, name: str) -> HttpResponse:
    """The host takes nothing new; what runs there goes on."""
    return _set_draining(request, name, True)


@require_POST
def undrain(request: HttpRequest, name: str) -> HttpResponse:
    return _set_draining(request, name, False)


def _set_draining(request: HttpRequest, name: str, draining: bool) -> HttpResponse:
    user = _operator(request)
    host = Host.objects.filter(name=name).first()
    if host is None:
        raise NotFound(f"There is no host {name}.")
    Host.objects.filter(pk=host.pk).update(draining=draining)
    audit("host.drain" if draining else "host.undrain", request=request, actor=user, target=name)
    if draining:
        messages.success(request, f"{name} takes nothing new. What runs there goes on.")
    else:
        names: Mapping[str, int] = host.serves
        wake(set(names))
        messages.success(request, f"{name} takes work again.")
    return redirect("jobs:hosts")


urls: list[URLPattern] = [
    path("hosts/", hosts, name="hosts"),
    path("hosts/<str:name>/drain/", drain, name="host-drain"),
    path("hosts/<str:name>/undrain/", undrain, name="host-undrain"),
]
