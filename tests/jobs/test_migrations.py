"""Data that migrations change."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection

from jobs.models import MachineType
from jobs.states import JobState
from portal.people.models import User
from tests.factories import make_job, make_machine

pytestmark = pytest.mark.django_db


def test_the_way_out_is_renamed_for_machine_types_and_for_what_is_to_run_yet(owner: User) -> None:
    migration = importlib.import_module("jobs.migrations.0006_outgoing_network")
    make_machine("n1")
    machine = make_machine("n2", network="bridge")
    plan = {"limits": {"network": "bridge", "cores": 2}, "argv": ["a"]}
    waiting, ended = make_job(owner, plan=plan), make_job(owner, state=JobState.SUCCEEDED, plan=plan)
    closed = make_job(owner, plan={"limits": {"network": "none"}})
    editor = SimpleNamespace(connection=connection)
    migration.forwards(apps, editor)
    for job in (waiting, ended, closed):
        job.refresh_from_db()
    assert dict(MachineType.objects.values_list("name", "network")) == {"n1": "none", "n2": "outgoing"}
    assert waiting.plan == {"limits": {"network": "outgoing", "cores": 2}, "argv": ["a"]}
    assert (ended.plan, closed.plan) == (plan, {"limits": {"network": "none"}})
    migration.backwards(apps, editor)
    waiting.refresh_from_db()
    machine.refresh_from_db()
    assert (waiting.plan, machine.network) == (plan, "bridge")
