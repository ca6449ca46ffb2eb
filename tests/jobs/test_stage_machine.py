"""Jobs in stages as their rows tell: what opens what, counters, retries, holes, cancel, time limits, retry of what failed."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from jobs import claim, mounts, services, stage_counting
from jobs.collect import Item
from jobs.models import Attempt, Host, Job, JobStage, MachineType, OwnerLoad, Result, Task
from jobs.outcomes import Chunk
from jobs.placement import why_waiting
from jobs.services import fan_out
from jobs.states import FailureClass, JobState, Stage, StageState, TaskState
from portal.errors import Conflict, Forbidden, Full, Invalid
from portal.people.models import User
from tests.factories import make_job, make_machine
from tests.jobs.bundles import asked, begin, done, figures, partitioned, stage, submit

pytestmark = pytest.mark.django_db


def fail(job: Job, failure: FailureClass = FailureClass.USER, **over: Any) -> None:
    done(begin(job), "The program ended with exit code 3.", failure=failure, exit_code=3, **over)


def file(path: str) -> Item:
    return Item(path, 3, "0" * 64, "text/plain", f"results/{path}")


def test_each_stage_opens_the_next_and_the_last_ends_the_job(owner: User) -> None:
    job = submit(owner)
    assert (job.state, job.tasks.get().stage) == (JobState.QUEUED, Stage.PARTITION)
    partitioned(job, 3)
    assert figures(job, Stage.PARTITION) == (StageState.SUCCEEDED, 1, 1, 0, 0)
    assert figures(job) == (StageState.RUNNING, 3, 0, 0, 0)
    run = Task.objects.filter(job=job, stage=Stage.RUN)
    assert [(t.index, t.chunk, t.chunk_bytes) for t in run] == [(i, f"chunks/{job.number}/{i}", 10) for i in range(3)]
    for _ in range(3):
        done(begin(job), results=(file("out.txt"),))
    assert figures(job) == (StageState.SUCCEEDED, 3, 3, 0, 0)
    assert Task.objects.get(job=job, stage=Stage.ASSEMBLE).state == TaskState.READY
    done(begin(job), "Assembled.")
    job.refresh_from_db()
    assert (job.state, job.reason, job.exit_code, job.tasks_total, job.tasks_done) == (
        "succeeded",
        "Assembled.",
        0,
        5,
        5,
    )
    assert figures(job, Stage.ASSEMBLE) == (StageState.SUCCEEDED, 1, 1, 0, 0)
    load = OwnerLoad.objects.get(owner=owner)
    assert (load.queued, load.running) == (0, 0)


def test_a_passthrough_assembler_is_skipped_and_names_are_flat(owner: User) -> None:
    job = submit(owner, assembler=None)
    partitioned(job, 2)
    for path in ("out.txt", "out.txt"):
        done(begin(job), results=(file(path), file(f"only-{Result.objects.count()}")))
    job.refresh_from_db()
    assert (job.state, stage(job, Stage.ASSEMBLE).state) == (JobState.SUCCEEDED, StageState.SKIPPED)
    names = set(Result.objects.filter(job=job).values_list("flat_name", flat=True))
    assert names == {"0_out.txt", "1_out.txt", "only-0", "only-2"}


def test_a_trial_runs_the_first_three_chunks(owner: User) -> None:
    job = submit(owner, config={"isTestJob": True})
    partitioned(job, 50)
    assert list(Task.objects.filter(job=job, stage=Stage.RUN).values_list("index", flat=True)) == [0, 1, 2]
    assert "trial" in job.events.filter(kind="stage").get().message


def test_a_failed_task_fails_the_job_and_nothing_more_of_it_runs(owner: User) -> None:
    job = submit(owner)
    partitioned(job, 4)
    done(begin(job))
    fail(job)
    job.refresh_from_db()
    assert (job.state, job.failure_class) == (JobState.FAILED, FailureClass.USER)
    assert job.reason.startswith("Task 1 of 4 failed: The program ended with exit code 3.")
    assert "Retry what failed" in job.reason
    assert figures(job) == (StageState.FAILED, 4, 1, 1, 2)
    assert stage(job, Stage.ASSEMBLE).state == StageState.CANCELLED
    assert OwnerLoad.objects.get(owner=owner).running == 0


def test_what_runs_when_a_task_fails_is_stopped_before_the_job_ends(owner: User) -> None:
    job = submit(owner)
    partitioned(job, 3)
    first = begin(job)
    fail(job)
    job.refresh_from_db()
    assert (job.state, job.stop_class) == (JobState.RUNNING, FailureClass.USER)
    done(first, "Stopped.", failure=FailureClass.CANCELLED, exit_code=143)
    job.refresh_from_db()
    assert (job.state, job.failure_class) == (JobState.FAILED, FailureClass.USER)
    assert figures(job) == (StageState.FAILED, 3, 0, 1, 2)


@pytest.mark.parametrize("failure", [FailureClass.USER, FailureClass.OOM, FailureClass.TIMEOUT])
def test_a_tasks_own_retries_are_used_up_before_it_fails(owner: User, failure: FailureClass) -> None:
    job = submit(owner, config={"maxTaskRetries": 2})
    partitioned(job, 1)
    for tries in range(3):
        assert Task.objects.get(job=job, stage=Stage.RUN).retries == tries
        fail(job, failure)
    task = Task.objects.get(job=job, stage=Stage.RUN)
    assert (task.state, task.retries, task.attempt_number) == (TaskState.FAILED, 2, 3)
    assert job.events.filter(kind="retry").count() == 2


def test_what_would_end_the_same_is_not_tried_again(owner: User) -> None:
    job = submit(owner, config={"maxTaskRetries": 2})
    fail(job, lasting=True)
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert job.reason.startswith("The partition failed: ")


def test_infra_failures_never_eat_the_persons_retries(owner: User) -> None:
    job = submit(owner, config={"maxTaskRetries": 1})
    partitioned(job, 1)
    done(begin(job), "No engine.", failure=FailureClass.INFRA, retry=True)
    Task.objects.filter(job=job).update(ready_at=Now())
    task = Task.objects.get(job=job, stage=Stage.RUN)
    assert (task.retries, task.infra_retries, task.state) == (0, 1, TaskState.READY)


def test_holes_that_are_allowed_go_to_the_assembler(owner: User) -> None:
    job = submit(owner, config={"max_failed_tasks": 1})
    partitioned(job, 3)
    fail(job)
    done(begin(job))
    done(begin(job))
    assert figures(job) == (StageState.SUCCEEDED, 3, 2, 1, 0)
    assert Task.objects.get(job=job, stage=Stage.ASSEMBLE).state == TaskState.READY


def test_more_holes_than_allowed_and_no_success_at_all_fail_the_job(owner: User) -> None:
    two = submit(owner, config={"max_failed_tasks": 1})
    partitioned(two, 3)
    fail(two)
    fail(two)
    two.refresh_from_db()
    assert two.state == JobState.FAILED
    assert "2 tasks have failed, more than this job allows" in two.reason
    none = submit(owner, config={"max_failed_tasks": 5})
    partitioned(none, 2)
    fail(none)
    fail(none)
    none.refresh_from_db()
    assert none.state == JobState.FAILED


@pytest.mark.parametrize("chunks", [0, 5])
def test_cancel_ends_what_waits_in_one_statement(owner: User, chunks: int) -> None:
    job = submit(owner)
    if chunks:
        partitioned(job, chunks)
        running = begin(job)
        job = services.cancel(job=job, actor=owner)
        assert job.state == JobState.RUNNING
        assert figures(job) == (StageState.RUNNING, 5, 0, 0, 4)
        done(running, "Cancelled.", failure=FailureClass.CANCELLED, exit_code=143)
    else:
        services.cancel(job=job, actor=owner)
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert set(JobStage.objects.filter(job=job).values_list("state", flat=True)) <= {"cancelled", "succeeded"}
    load = OwnerLoad.objects.get(owner=owner)
    assert (load.queued, load.running) == (0, 0)


def test_a_stage_that_ends_after_a_cancel_opens_nothing(owner: User) -> None:
    job = submit(owner)
    running = begin(job)
    services.cancel(job=job, actor=owner)
    done(running, chunks=(Chunk("chunks/1/0", 1),))
    job.refresh_from_db()
    assert (job.state, Task.objects.filter(job=job).count()) == (JobState.CANCELLED, 1)


def test_a_cancel_that_was_cut_in_the_middle_is_carried_through(owner: User) -> None:
    job = submit(owner)
    partitioned(job, 5)
    Job.objects.filter(pk=job.pk).update(cancel_requested_at=Now())
    stage_counting.put_right()
    job.refresh_from_db()
    assert (job.state, figures(job)[4]) == (JobState.CANCELLED, 5)


def test_a_job_past_its_time_limit_is_stopped_and_fails(owner: User) -> None:
    job = submit(owner, config={"jobTimeout": 60})
    partitioned(job, 3)
    running = begin(job)
    job.refresh_from_db()
    assert job.deadline_at is not None
    stage_counting.put_right()
    assert figures(job)[4] == 0
    Job.objects.filter(pk=job.pk).update(deadline_at=timezone.now() - timedelta(minutes=1))
    stage_counting.put_right()
    done(running, "Stopped.", failure=FailureClass.CANCELLED)
    job.refresh_from_db()
    assert (job.state, job.failure_class) == (JobState.FAILED, FailureClass.TIMEOUT)
    assert "jobTimeout" in job.reason


def test_time_limits_of_tasks_are_the_jobs_and_engines_have_the_usual(owner: User, settings: Any) -> None:
    settings.WALLTIME_DEFAULT_HOURS = 2
    job = submit(owner, config={"taskTimeout": 90})
    first = begin(job)
    assert first.walltime_s == 7200
    done(first, chunks=(Chunk("chunks/1/0", 1),))
    assert begin(job).walltime_s == 90


def test_retry_takes_over_what_has_finished(owner: User) -> None:
    job = submit(owner, assembler=None)
    partitioned(job, 3)
    done(begin(job), results=(file("out.txt"),))
    fail(job)
    again = fan_out.retry_failed(job=Job.objects.get(pk=job.pk), actor=owner)
    assert (again.retry_of_id, again.state, figures(again)) == (job.number, "queued", ("waiting", 3, 1, 0, 0))
    assert figures(again, Stage.PARTITION)[0] == StageState.SUCCEEDED
    tasks = Task.objects.filter(job=again, stage=Stage.RUN).order_by("index")
    assert [t.state for t in tasks] == [TaskState.SUCCEEDED, TaskState.READY, TaskState.READY]
    first = tasks[0]
    assert first.taken_from == Task.objects.get(job=job, stage=Stage.RUN, index=0)
    assert first.results.get().stored == "results/out.txt"
    assert tasks[1].chunk == f"chunks/{job.number}/1"
    for _ in range(2):
        done(begin(again), results=(file("out.txt"),))
    again.refresh_from_db()
    assert again.state == JobState.SUCCEEDED
    assert sorted(Result.objects.filter(job=again).values_list("flat_name", flat=True)) == [
        "0_out.txt",
        "1_out.txt",
        "2_out.txt",
    ]


def test_retry_after_a_failed_assembly_assembles_alone_and_after_no_chunk_runs_all(owner: User) -> None:
    job = submit(owner)
    partitioned(job, 2)
    done(begin(job))
    done(begin(job))
    fail(job)
    again = fan_out.retry_failed(job=Job.objects.get(pk=job.pk), actor=owner)
    attempt = begin(again)
    assert (attempt.task.stage, figures(again)) == (Stage.ASSEMBLE, ("succeeded", 2, 2, 0, 0))
    done(attempt)
    again.refresh_from_db()
    assert again.state == JobState.SUCCEEDED
    with pytest.raises(Conflict, match="Nothing"):
        fan_out.retry_failed(job=again, actor=owner)
    none = submit(owner)
    fail(none)
    anew = fan_out.retry_failed(job=Job.objects.get(pk=none.pk), actor=owner)
    assert (anew.retry_of_id, begin(anew).task.stage) == (none.number, Stage.PARTITION)


def test_running_again_and_retrying_keep_project_priority_and_mail(owner: User, settings: Any) -> None:
    settings.MAIL_ENABLED = True
    make_machine()
    job = fan_out.submit(owner=owner, asked=asked(), project="flow", priority=3, notify=True).job
    fail(job)
    job.refresh_from_db()
    for made in (services.rerun(job=job, actor=owner), fan_out.retry_failed(job=job, actor=owner)):
        assert (made.project, made.priority, made.notify, made.retry_of_id) == ("flow", 3, True, job.number)


def test_only_the_owner_retries_and_only_what_has_ended(owner: User, teammate: User) -> None:
    job = submit(owner)
    with pytest.raises(Conflict, match="not ended"):
        fan_out.retry_failed(job=job, actor=owner)
    with pytest.raises(Forbidden):
        fan_out.retry_failed(job=job, actor=teammate)
    with pytest.raises(Conflict, match="no stages"):
        fan_out.retry_failed(job=make_job(owner, state=JobState.FAILED), actor=owner)


def test_a_job_counts_once_and_is_held_at_the_limit(owner: User) -> None:
    job = submit(owner)
    partitioned(job, 5)
    begin(job)
    begin(job)
    assert OwnerLoad.objects.get(owner=owner).running == 1
    OwnerLoad.objects.filter(owner=owner).update(running_max=1, queued_max=1)
    waits = submit(owner)
    assert waits.tasks.get().state == TaskState.HELD
    with pytest.raises(Full):
        submit(owner)
    services.cancel(job=Job.objects.get(pk=job.pk), actor=owner)


def test_other_peoples_jobs_come_between_the_tasks_of_a_large_one(owner: User, stranger: User) -> None:
    large = submit(owner)
    partitioned(large, 1000)
    small = make_job(stranger)
    begin(large)
    later = make_job(stranger)
    assert [begin_any() for _ in range(4)] == [large.number, small.number, large.number, later.number]


def begin_any() -> int:
    host = Host.objects.get()
    got = claim.claim(host=host, incarnation=host.incarnation, machine_id=make_machine().pk, slot=0, prefix="slipway-t")
    assert got is not None
    return got.task.job_id


def test_the_same_key_gives_the_same_job_at_creation_and_at_run(owner: User) -> None:
    make_machine()
    what = asked()
    first = fan_out.draft(owner=owner, asked=what, key="k", body_digest="d")
    assert fan_out.draft(owner=owner, asked=what, key="k", body_digest="d").pk == first.pk
    with pytest.raises(Invalid, match="another body"):
        fan_out.draft(owner=owner, asked=what, key="k", body_digest="other")
    ran = fan_out.run(job=first, actor=owner, key="r")
    assert fan_out.run(job=first, actor=owner, key="r").pk == ran.pk
    with pytest.raises(Conflict, match="no draft"):
        fan_out.run(job=first, actor=owner)
    assert Task.objects.count() == 1


def test_why_a_stage_waits_is_said(owner: User) -> None:
    job = submit(owner)
    partitioned(job, 2)
    job.refresh_from_db()
    assert why_waiting(job) == ""
    Host.objects.update(serves={"n2": 1})
    assert why_waiting(job) == "Waiting: no host that serves n1 is up. Ask an operator."
    MachineType.objects.update(enabled=False)
    assert why_waiting(job) == "Waiting: n1 is switched off. Ask an operator."


def test_pages_of_a_job_show_its_results_by_their_flat_names(as_owner: Client, owner: User) -> None:
    mounts.mark()
    job = submit(owner, assembler=None)
    partitioned(job, 2)
    for text in ("zero", "one"):
        stored = default_storage.save(f"results/{text}", ContentFile(text.encode()))
        done(begin(job), results=(Item("out.txt", 4, "0" * 64, "text/plain", stored),))
    page = as_owner.get(f"/jobs/{job.number}/results/").content.decode()
    assert "0_out.txt" in page
    assert "1_out.txt" in page
    answer = as_owner.get(f"/jobs/{job.number}/results/get/1_out.txt")
    assert b"".join(answer.streaming_content) == b"one"  # type: ignore[attr-defined]
    assert "1_out.txt" in answer["Content-Disposition"]
    of_task = as_owner.get(f"/jobs/{job.number}/results/get/out.txt?task=0")
    assert b"".join(of_task.streaming_content) == b"zero"  # type: ignore[attr-defined]
    archive = b"".join(as_owner.get(f"/jobs/{job.number}/results.zip").streaming_content)  # type: ignore[attr-defined]
    assert zipfile.ZipFile(io.BytesIO(archive)).namelist() == ["0_out.txt", "1_out.txt"]


@pytest.mark.parametrize("chunks", [None, 0, 2])
def test_every_page_of_a_job_in_stages_opens(as_owner: Client, owner: User, chunks: int | None) -> None:
    make_machine()
    if chunks is None:
        job = fan_out.draft(owner=owner, asked=asked())
    else:
        job = submit(owner)
        if chunks:
            partitioned(job, chunks)
            begin(job)
    number = job.number
    for page in ("", "log/", "metrics/", "inputs/", "results/"):
        assert as_owner.get(f"/jobs/{number}/{page}").status_code == 200, page
    for page in ("/jobs/", f"/api/v1/jobs/{number}", "/api/v1/jobs", "/api/v1/queue", f"/api/v1/jobs/{number}/log"):
        assert as_owner.get(page).status_code == 200, page


def test_a_job_costs_what_its_attempts_took_at_the_price_of_each_stage(owner: User) -> None:
    make_machine("n1", price_per_hour=3600)
    job = submit(owner)
    for _ in range(2):
        attempt = begin(job)
        chunks = (Chunk("chunks/1/0", 1),) if attempt.task.stage == Stage.PARTITION else ()
        Attempt.objects.filter(pk=attempt.pk).update(started_at=timezone.now() - timedelta(seconds=10))
        done(attempt, chunks=chunks)
    cost = Job.objects.get(pk=job.pk).cost(timezone.now())
    assert 19 < cost < 25
