"""Slots over the fake runtime and real PostgreSQL: whole jobs, from ready row to settled row."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models.functions import Now

from jobs import execute, services, stages, watch
from jobs import slots as slots_module
from jobs.models import Attempt, Host, Job, MachineType
from jobs.runtimes.base import RuntimeFault
from jobs.runtimes.fake import FakeProgram, FakeRuntime
from jobs.states import AttemptState, FailureClass, JobState
from portal.people.models import User
from tests.factories import make_machine, make_version
from tests.jobs.outputs import program_output
from tests.jobs.workers import Start, ended, launch, program, running

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_job_runs_without_any_broker(owner: User, start: Start) -> None:
    start(FakeRuntime(program=program(lines=(b"hello\n",))))
    job = ended(launch(owner))
    assert (job.state, job.exit_code) == (JobState.SUCCEEDED, 0)
    attempt = Attempt.objects.get(task__job=job)
    assert program_output(attempt) == b"hello\n"
    assert [e.kind for e in job.events.all()] == ["submitted", "claimed", "started", "succeeded"]


def test_a_non_zero_exit_is_the_programs_failure(owner: User, start: Start) -> None:
    start(FakeRuntime(program=program(exit_code=3)))
    job = ended(launch(owner))
    assert (job.state, job.failure_class, job.exit_code) == (JobState.FAILED, FailureClass.USER, 3)


def test_out_of_memory_says_so(owner: User, start: Start) -> None:
    start(FakeRuntime(program=program(exit_code=137, oom=True)))
    job = ended(launch(owner))
    assert job.failure_class == FailureClass.OOM
    assert "ran out of memory" in job.reason


def test_cancel_stops_what_runs(owner: User, start: Start) -> None:
    start(FakeRuntime(program=program(duration_s=60)))
    job = launch(owner)
    running(job)
    services.cancel(job=job, actor=owner)
    assert ended(job).state == JobState.CANCELLED


def test_walltime_ends_a_program_that_ignores_term(owner: User, start: Start) -> None:
    start(FakeRuntime(program=program(duration_s=60, ignores_term=True)))
    job = launch(owner, walltime_s=60)
    Attempt.objects.filter(pk=running(job).pk).update(walltime_s=1)
    assert ended(job).failure_class == FailureClass.TIMEOUT


def test_an_image_that_is_not_there_is_named(owner: User, start: Start) -> None:
    fault = RuntimeFault("There is no image nowhere:1.", code="image_denied", retry=False)
    start(FakeRuntime(program=program(start_fault=fault)))
    job = ended(launch(owner))
    assert (job.state, job.failure_class) == (JobState.FAILED, FailureClass.INFRA)
    assert "nowhere:1" in job.reason


def test_a_next_process_adopts_and_finishes(owner: User, start: Start) -> None:
    runtime = FakeRuntime(program=program(duration_s=3, lines=(b"one\n", b"two\n", b"three\n")))
    first = start(runtime)
    job = launch(owner)
    attempt = running(job)
    first.leave()
    first.watcher.superseded.set()
    Host.objects.update(incarnation="00000000-0000-4000-8000-000000000001")
    Attempt.objects.filter(pk=attempt.pk).update(tended_by="00000000-0000-4000-8000-0000000000ff")
    start(runtime, host=Host.objects.get())
    assert ended(job).state == JobState.SUCCEEDED
    assert [(a.number, a.state, a.reason) for a in Attempt.objects.filter(task__job=job)] == [
        (1, "exited", "Finished.")
    ]
    attempt.refresh_from_db()
    assert program_output(attempt) == b"one\ntwo\nthree\n"


def test_a_process_that_leaves_while_the_engine_is_away_ends_nothing(owner: User, start: Start) -> None:
    runtime = FakeRuntime(program=program(duration_s=4))
    first = start(runtime)
    job = launch(owner)
    attempt = running(job)
    runtime.away()
    until = time.monotonic() + 5
    while not job.events.filter(kind="engine").exists() and time.monotonic() < until:
        time.sleep(0.02)
    first.leave()
    time.sleep(1)
    attempt.refresh_from_db()
    assert attempt.state == AttemptState.RUNNING
    runtime.back()
    first.watcher.superseded.set()
    Host.objects.update(incarnation="00000000-0000-4000-8000-000000000001")
    start(runtime, host=Host.objects.get())
    assert ended(job).state == JobState.SUCCEEDED
    assert Attempt.objects.filter(task__job=job).count() == 1


def test_one_busy_type_never_blocks_another(owner: User, start: Start) -> None:
    start(FakeRuntime(program=lambda s: FakeProgram(duration_s=30 if s.memory_mib == 2048 else 0)), big=1, small=1)
    MachineType.objects.filter(name="big").update(ram_mib=2048)
    MachineType.objects.filter(name="small").update(ram_mib=64)
    any_machine = make_version(definition=None)
    slow, waiting = (launch_on(owner, "big", any_machine) for _ in range(2))
    running(slow)
    quick = launch_on(owner, "small", any_machine)
    assert ended(quick).state == JobState.SUCCEEDED
    waiting.refresh_from_db()
    assert waiting.state == JobState.QUEUED
    for job in (waiting, slow):
        services.cancel(job=job, actor=owner)
    ended(slow)


def launch_on(owner: User, machine: str, version: Any) -> Job:
    version.definition = version.definition.replace('"n*"', '"*"')
    version.digest = type(version).digest_of(version.definition)
    version.save()
    return launch(owner, machine, version=version)


def test_a_disk_limit_stops_what_writes_too_much(owner: User, start: Start, settings: Any) -> None:
    make_machine("n1", disk_mib=1)
    start(FakeRuntime(program=program(duration_s=60)))
    job = launch(owner)
    attempt = running(job)
    folder = settings.WORK_ROOT / attempt.host.name / attempt.name / "home"
    (folder / "big").write_bytes(b"x" * (2 * 2**20))
    job = ended(job)
    assert job.failure_class == FailureClass.USER
    assert "disk limit" in job.reason


def test_a_database_that_goes_away_in_the_middle_is_no_fault_of_the_attempt(
    owner: User, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    outages = [OperationalError("the server closed the connection")] * (slots_module.STUMBLES_MAX + 1)

    def interrupted(*given: Any) -> None:
        if outages:
            raise outages.pop()
        execute.execute(*given)

    monkeypatch.setattr(slots_module, "RETRY_S", 0.05)
    monkeypatch.setattr(slots_module, "execute", interrupted)
    start(FakeRuntime())
    job = ended(launch(owner))
    assert job.state == JobState.SUCCEEDED
    assert Attempt.objects.filter(task__job=job).count() == 1


def test_what_can_not_be_carried_through_is_settled_as_soon_as_the_database_answers(
    owner: User, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    outages = [OperationalError("the server closed the connection")] * 3
    settle = stages.settle

    def interrupted(*given: Any) -> Any:
        if outages:
            raise outages.pop()
        return settle(*given)

    def faulty(*given: Any) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(slots_module, "RETRY_S", 0.05)
    monkeypatch.setattr(slots_module, "execute", faulty)
    monkeypatch.setattr(stages, "settle", interrupted)
    start(FakeRuntime())
    job = ended(launch(owner))
    assert (job.state, job.failure_class) == (JobState.FAILED, FailureClass.INFRA)
    assert "could not carry it through" in job.reason


def test_what_a_slot_began_that_is_not_served_any_more_is_carried_through(
    owner: User, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = FakeRuntime(program=program(duration_s=2))
    first = start(runtime, gone=1)
    job = launch_on(owner, "gone", make_version(definition=None))
    attempt = running(job)
    first.leave()
    first.watcher.superseded.set()
    Host.objects.update(incarnation="00000000-0000-4000-8000-000000000001")
    Attempt.objects.filter(pk=attempt.pk).update(tended_by="00000000-0000-4000-8000-0000000000ff")
    outages = [OperationalError("the server closed the connection")]

    def interrupted(*given: Any) -> None:
        if outages:
            raise outages.pop()
        execute.execute(*given)

    monkeypatch.setattr(slots_module, "RETRY_S", 0.05)
    monkeypatch.setattr(slots_module, "execute", interrupted)
    start(runtime, host=Host.objects.get(), n1=1)
    assert ended(job).state == JobState.SUCCEEDED


def test_a_host_that_lost_touch_with_the_database_stops_what_it_runs_and_it_is_run_again(
    owner: User, start: Start, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "ANSWER_S", 0)
    runtime = FakeRuntime(program=lambda spec: FakeProgram(duration_s=0 if spec.name.endswith("-2") else 60))
    slots = start(runtime)
    job = launch(owner)
    running(job)
    monkeypatch.setattr(slots.watcher, "_seen", lambda: None)  # from now on nothing of it is heard
    settings.LOST_AFTER_S = 30
    until = time.monotonic() + 10
    while not job.events.filter(kind="retry").exists() and time.monotonic() < until:
        time.sleep(0.02)
    settings.LOST_AFTER_S = 300
    job.tasks.update(ready_at=Now())
    assert ended(job).state == JobState.SUCCEEDED
    assert [(a.failure_class, a.reason) for a in Attempt.objects.filter(task__job=job)] == [
        (FailureClass.INFRA, "This host lost touch with the database."),
        ("", "Finished."),
    ]
