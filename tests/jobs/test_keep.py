"""Keeping house: hosts that fall silent, what they leave running, and what retention removes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from jobs import claim, keep, mounts, stages
from jobs.collect import Item
from jobs.folders import HOST_LABEL, INSTALLATION_LABEL, host_root
from jobs.models import Attempt, Host, Installation, Job, OwnerLoad, Result
from jobs.runtimes.base import ContainerSpec
from jobs.runtimes.fake import FakeProgram, FakeRuntime
from jobs.services import fan_out
from jobs.states import AttemptState, FailureClass, JobState, TaskState
from portal.people.models import ApiToken, User
from tests.factories import make_host, make_job, make_machine, make_result
from tests.jobs.bundles import begin, done, partitioned, submit

pytestmark = pytest.mark.django_db


@pytest.fixture
def host() -> Host:
    return make_host()


def begun(job: Job, host: Host) -> Attempt:
    attempt = claim.claim(
        host=host, incarnation=host.incarnation, machine_id=make_machine().pk, slot=0, prefix="slipway-test"
    )
    assert attempt is not None
    assert attempt.task.job_id == job.number
    return attempt


def silent_for(host: Host, seconds: float) -> None:
    Host.objects.filter(pk=host.pk).update(heartbeat_at=timezone.now() - timedelta(seconds=seconds))


def test_only_a_host_that_is_silent_for_long_has_lost_its_attempts(owner: User, host: Host, settings: Any) -> None:
    job = make_job(owner)
    attempt = begun(job, host)
    silent_for(host, settings.LOST_AFTER_S - 10)
    assert keep.find_lost() == 0
    silent_for(host, settings.LOST_AFTER_S + 10)
    assert keep.find_lost() == 1
    assert keep.find_lost() == 0
    attempt.refresh_from_db()
    assert attempt.state == AttemptState.LOST
    assert job.tasks.get().state == TaskState.READY


def test_a_host_that_is_back_ends_what_it_has_lost_at_once(owner: User, host: Host, folders: Path) -> None:
    runtime = FakeRuntime(program=lambda spec: FakeProgram(duration_s=60))
    labels = {INSTALLATION_LABEL: str(Installation.get().pk), HOST_LABEL: host.name}
    attempts = [begun(job, host) for job in [make_job(owner) for _ in range(3)]]
    for attempt in attempts:
        runtime.start(ContainerSpec(attempt.name, "image", ("sleep", "60"), {}, 505, 505, "/", labels=labels))
        (host_root(host.name) / attempt.name).mkdir(parents=True)
    lost, settled, running = attempts
    stages.lose(lost, "Host one is silent.")
    stages.settle(settled, stages.Outcome(None, "Finished.", 0))
    assert keep.sweep(host, runtime) == 1
    assert {handle.name for handle in runtime.owned(HOST_LABEL, host.name)} == {settled.name, running.name}
    assert {path.name for path in host_root(host.name).iterdir()} == {settled.name, running.name}


def test_slaves_and_networks_go_and_stay_with_their_attempt(owner: User, host: Host) -> None:
    runtime = FakeRuntime(program=lambda spec: FakeProgram(duration_s=60))
    labels = {INSTALLATION_LABEL: str(Installation.get().pk), HOST_LABEL: host.name}
    lost, running = [begun(job, host) for job in [make_job(owner) for _ in range(2)]]
    for attempt in (lost, running):
        runtime.make_network(attempt.name, labels, size=2)
        for name in (attempt.name, f"{attempt.name}-n2"):
            runtime.start(ContainerSpec(name, "image", ("sleep", "60"), {}, 505, 505, "/", labels=labels))
    runtime.make_network("slipway-of-another-host", labels | {HOST_LABEL: "two"}, size=2)
    stages.lose(lost, "Host one is silent.")
    assert keep.sweep(host, runtime) == 2
    left = {handle.name for handle in runtime.owned(HOST_LABEL, host.name)}
    assert left == {running.name, f"{running.name}-n2"}
    assert runtime.owned_networks(HOST_LABEL, host.name) == [running.name]
    assert runtime.owned_networks(HOST_LABEL, "two") == ["slipway-of-another-host"]


def test_retention_takes_files_and_logs_and_leaves_the_job_and_the_counters(
    owner: User, host: Host, settings: Any
) -> None:
    jobs = [make_job(owner) for _ in range(2)]
    for job in jobs:
        stages.settle(begun(job, host), stages.Outcome(None, "Finished.", 0))
        make_result(job)
    waiting = make_job(owner)
    long_ago = timezone.now() - timedelta(days=settings.KEEP_DAYS + 1)
    Job.objects.filter(pk=jobs[0].pk).update(finished_at=long_ago)
    stored = Result.objects.get(job=jobs[0]).stored
    for job in jobs:
        ApiToken.objects.create(user=owner, name="key", prefix="slw_", hash=f"{job.pk:064}", job_number=job.pk)
    assert keep.purge_old_jobs() == 1
    assert keep.purge_old_jobs() == 0
    assert ApiToken.objects.count() == 1
    assert not default_storage.exists(stored)
    assert list(Result.objects.values_list("job", flat=True)) == [jobs[1].pk]
    assert Attempt.objects.get(task__job=jobs[0]).log_state == Attempt.LogState.GONE
    assert Job.objects.get(pk=jobs[0].pk).state == JobState.SUCCEEDED
    load = OwnerLoad.objects.get(owner=owner)
    assert (load.queued, load.running) == (1, 0)
    assert waiting.tasks.get().state == TaskState.READY


def test_a_round_that_was_full_asks_for_another_one_soon(
    owner: User, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep, "BATCH", 2)
    for _ in range(3):
        stages.settle(begun(make_job(owner), host), stages.Outcome(None, "Finished.", 0))
    Job.objects.update(finished_at=timezone.now() - timedelta(days=3650))
    assert keep.keep() is False
    assert keep.keep() is True
    assert not Job.objects.filter(purged_at=None).exists()


def test_files_that_a_retry_has_taken_over_outlast_their_own_job(owner: User, settings: Any) -> None:
    old = submit(owner, assembler=None)
    partitioned(old, 2)
    mounts.mark()
    stored = default_storage.save("results/kept", ContentFile(b"kept"))
    (Path(settings.STORE_ROOT) / f"chunks/{old.number}").mkdir(parents=True)
    done(begin(old), results=(Item("out.txt", 4, stored=stored),))
    done(begin(old), "No.", failure=FailureClass.USER)
    new = fan_out.retry_failed(job=Job.objects.get(pk=old.pk), actor=owner)
    long_ago = timezone.now() - timedelta(days=settings.KEEP_DAYS + 1)
    Job.objects.filter(pk=old.pk).update(finished_at=long_ago)
    assert keep.purge_old_jobs() == 0
    done(begin(new))
    Job.objects.filter(pk=new.pk).update(finished_at=long_ago)
    assert keep.purge_old_jobs() == 1
    assert default_storage.exists(stored)
    assert keep.purge_old_jobs() == 1
    assert not default_storage.exists(stored)
    assert not (Path(settings.STORE_ROOT) / f"chunks/{old.number}").exists()
