"""Where work can run: tags, slots and limits; which hosts to wake; and why a job waits, in plain words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Literal

from django.db import connection
from django.db.models import Count

from jobs import limits, vault_locks
from jobs.models import Host, Job, MachineType, OwnerLoad, Task
from jobs.models.hosts import FIT, queue_of, silent_s
from jobs.states import JobState, TaskState
from portal import doorbell

# The hosts that can take work of these machine types now (what `unfit` has nothing against), and whether a slot is free.
HOSTS_OF = f"""
SELECT machine.name, host.name, (host.serves ->> machine.name)::int > (
  SELECT count(*) FROM jobs_task task
  WHERE task.state = 'running' AND task.host_id = host.id AND task.machine_type_id = machine.id)
FROM jobs_machinetype machine JOIN jobs_host host ON {FIT}
WHERE machine.name = ANY(%(names)s) ORDER BY machine.name, host.name
"""  # noqa: S608 - of constants alone


@dataclass(frozen=True)
class MachineState:
    """A machine type as it stands now. `slots` counts hosts that are up, not draining, and whose engine answers."""

    machine: MachineType
    slots: int
    busy: int
    state: Literal["free", "busy", "full", "none"]
    reason: str

    @property
    def free(self) -> int:
        return max(self.slots - self.busy, 0)


def machine_states() -> list[MachineState]:
    """Every enabled machine type with its slots and how busy they are: three queries, whatever their number."""
    hosts = list(Host.objects.alive())
    running = _busy()
    waiting = Counter(
        dict(Task.objects.filter(state=TaskState.READY).order_by().values_list("machine_type").annotate(n=Count("id")))
    )
    return [_state(machine, hosts, running, waiting) for machine in MachineType.objects.filter(enabled=True)]


def _busy() -> Counter[tuple[int, int]]:
    """Running tasks by (host id, machine type id)."""
    rows = Task.objects.filter(state=TaskState.RUNNING).order_by().values_list("host", "machine_type")
    return Counter({(host, machine): n for host, machine, n in rows.annotate(n=Count("id"))})


def _state(
    machine: MachineType, hosts: list[Host], running: Counter[tuple[int, int]], waiting: Counter[int]
) -> MachineState:
    slots = busy = 0
    for host in hosts:
        if not unfit(machine, host):
            slots += host.serves[machine.name]
            busy += running[host.pk, machine.pk]
    queued = waiting[machine.pk]
    if not slots:
        return MachineState(machine, 0, 0, "none", no_host(machine, hosts))
    if busy < slots:
        word: Literal["free", "busy"] = "free" if busy == 0 else "busy"
        return MachineState(machine, slots, busy, word, f"{slots - busy} of {slots} slots free")
    line = f"; {queued} waiting" if queued else ""
    return MachineState(machine, slots, busy, "full", f"all {slots} slots busy{line}")


def unfit(machine: MachineType, host: Host) -> str:
    """Why this host can't take work of this machine type now, or "" when it can."""
    lacking = [tag for tag in machine.requires if tag not in host.tags]
    if machine.name not in host.serves:
        return f"host {host.name} does not serve {machine.name}"
    if lacking:
        return f"host {host.name} lacks the tag {', '.join(lacking)} that {machine.name} requires"
    if host.draining:
        return f"host {host.name} is draining"
    if host.engine_fault:
        return f"host {host.name}: {host.engine_fault}"
    return ""


def no_host(machine: MachineType, hosts: list[Host]) -> str:
    """Why no host can take this machine type: the best-fitting reason, with the missing tag or host named."""
    reasons = [reason for host in hosts if machine.name in host.serves and (reason := unfit(machine, host))]
    if reasons:
        return "; ".join(reasons)
    if machine.requires:
        tags = ", ".join(machine.requires)
        if not any(set(machine.requires) <= set(host.tags) for host in hosts):
            return f"no host that is up has the tag {tags}"
    return f"no host that serves {machine.name} is up"


def wake(machine_names: set[str], *, hosts_max: int | None = 3) -> None:
    """After the commit, ring at the hosts that serve these machine types and have a free slot (all of them, if none has).

    Once a host: the slot that wakes wakes the next. `hosts_max` None: at all, for there is work for all.
    """
    if not machine_names:
        return
    with connection.cursor() as cursor:
        cursor.execute(HOSTS_OF, {"names": list(machine_names), "silent_s": silent_s()})
        found = cursor.fetchall()
    for machine, rows in groupby(found, key=itemgetter(0)):
        fit = [(queue_of(host), free) for _, host, free in rows]
        queues = [queue for queue, free in fit if free] or [queue for queue, _ in fit]
        doorbell.ring(queues[:hosts_max], machine)


def why_waiting(job: Job) -> str:
    """A sentence for a queued job: which tag or host is missing, how busy the slots are, how many are ahead. "" if it isn't.

    A job in stages may wait in the middle too, where nothing of the stage that is at work can run.
    """
    if job.in_stages and job.state == JobState.RUNNING:
        return _why_stage_waits(job)
    if job.state != JobState.QUEUED:
        return ""
    if vault := vault_locks.why_waiting(job):
        return vault
    task = job.tasks.filter(state__in=(TaskState.READY, TaskState.HELD)).order_by("id").first()
    machine = task.machine_type if task is not None else job.machine_type
    load = OwnerLoad.objects.filter(owner_id=job.owner_id).first()
    if load is not None and not limits.has_room(load):
        return (
            f"Waiting: {load.running} of your jobs are running, which is your limit. It starts when one of them ends."
        )
    if not machine.enabled:
        return f"Waiting: {machine.name} is switched off. Ask an operator, or launch on another machine type."
    hosts = list(Host.objects.alive())
    state = _state(machine, hosts, _busy(), Counter())
    if state.state == "none":
        others = "Ask an operator, or launch on another machine type."
        return f"Waiting: {state.reason}. {others}"
    if task is None or task.state != TaskState.READY:
        return "Waiting to be placed."
    ahead = (
        Task.objects.filter(machine_type=machine, state=TaskState.READY, priority__gte=task.priority)
        .exclude(job=job)
        .exclude(priority=task.priority, job__gt=job)
        .count()
    )
    if task.reason:
        return f"Waiting: {task.reason}"
    if state.busy >= state.slots:
        place = f"{ahead} ahead of you" if ahead else "you are next in line"
        slots = (
            f"all {state.slots} slots of {machine.name} are" if state.slots > 1 else f"the slot of {machine.name} is"
        )
        return f"Waiting: {slots} busy; {place}."
    return "Waiting: about to start."


def _why_stage_waits(job: Job) -> str:
    """Where tasks are ready and none runs: what is missing, or that others are before them."""
    if job.tasks.filter(state=TaskState.RUNNING).exists():
        return ""
    task = job.tasks.filter(state=TaskState.READY).select_related("machine_type").order_by("id").first()
    if task is None:
        return ""
    machine = task.machine_type
    if not machine.enabled:
        return f"Waiting: {machine.name} is switched off. Ask an operator."
    state = _state(machine, list(Host.objects.alive()), _busy(), Counter())
    if state.state == "none":
        return f"Waiting: {state.reason}. Ask an operator."
    if state.busy >= state.slots:
        return f"Waiting: all slots of {machine.name} are busy."
    return f"Waiting: {task.reason}" if task.reason else ""
