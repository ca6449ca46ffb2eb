"""Where jobs can run, and what waits: machine types, hosts (for operators), the queue."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import BooleanField, Case, Count, Q, Value, When
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api.jobs import shown
from jobs.models import Host, Job, Task
from jobs.placement import MachineState, machine_states
from jobs.serializers import HostRead, MachineStateRead, WaitingRead
from jobs.states import JobState, TaskState
from portal.api.pages import Keyset, listed
from portal.api.views import PortalView, person


class MachinesRead(serializers.Serializer[Any]):
    items = MachineStateRead(many=True)


class Machines(PortalView):
    @extend_schema(tags=["machines"], summary="List machine types and how busy they are", responses=MachinesRead)
    def get(self, request: Request) -> Response:
        return Response({"items": MachineStateRead(machine_states(), many=True).data})


class Hosts(PortalView):
    scopes: ClassVar = {"GET": "operate"}

    @extend_schema(tags=["machines"], summary="List hosts", **listed(HostRead))
    def get(self, request: Request) -> Response:
        alive = Case(When(pk__in=Host.objects.alive(), then=Value(True)), default=False, output_field=BooleanField())
        running = Count("tasks", filter=Q(tasks__state=TaskState.RUNNING))
        pages = Keyset("name")
        found = pages.page(Host.objects.annotate(alive=alive, running=running), request)
        return pages.answer(HostRead(found, many=True).data)


class Queue(PortalView):
    @extend_schema(
        tags=["queue"],
        summary="List waiting jobs, with reasons",
        description="Jobs that you may see and that wait, the oldest first.",
        **listed(WaitingRead),
    )
    def get(self, request: Request) -> Response:
        pages = Keyset("number")
        found: list[Any] = pages.page(
            shown(Job.objects.visible_to(person(request)).filter(state=JobState.QUEUED)), request
        )
        states = {state.machine.pk: state for state in machine_states()}
        numbers = [job.number for job in found]
        held = set(Task.objects.filter(job__in=numbers, state=TaskState.HELD).values_list("job_id", flat=True))
        for job in found:
            job.reason = job.reason or _reason(job, states.get(job.machine_type_id), job.number in held)
        return pages.answer(WaitingRead(found, many=True).data)


def _reason(job: Job, state: MachineState | None, held: bool) -> str:
    """What a list can tell of a waiting job without a query for it; the job's own page also counts who is ahead."""
    if held:
        return f"{job.owner.username} has as many jobs running as the limit allows."
    if state is None:
        return f"{job.machine_type.name} is switched off. Ask an operator, or launch on another machine type."
    if state.free:
        return "About to start."
    return f"{state.reason[:1].upper()}{state.reason[1:]}."
