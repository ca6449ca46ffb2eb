"""A fan-out in containers whose worker is killed three times: each chunk counts once, and what assembles starts once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.db.models import Count
from django.db.models.functions import Now
from django.test import Client

from jobs import keep, services
from jobs.models import Attempt, Host, Job, JobStage, Task
from jobs.results import open_result
from jobs.services import fan_out
from jobs.services.fan_out import FanOut
from jobs.states import AttemptState, JobState, Stage
from tests.faults.site import IMAGE, Site, eventually
from tests.jobs.bundles import make_bundle

pytestmark = [pytest.mark.faults, pytest.mark.docker]
CHUNKS = 400
SLOTS = 6
SPLIT = """
import json, os
for number in range(json.loads(os.environ["PARTITIONER_PARAMS"])["n"]):
    with open(os.path.join(os.environ["CHUNKS_DIR"], "data_%d.bin" % number), "w") as file:
        file.write("%d" % number)
"""
COPY = """
import os
data = open(os.path.join(os.environ["TASK_DIR"], "data.bin")).read()
open(os.path.join(os.environ["TASK_RESULTS_DIR"], "out.txt"), "w").write(data)
"""
JOIN = """
import os
folder = os.environ["TASK_RESULTS_DIR"]
text = ",".join(open(os.path.join(folder, name)).read() for name in sorted(os.listdir(folder)))
open(os.path.join(os.environ["OUTPUT_DIR"], "all.txt"), "w").write(text)
"""
SLEEP = "import time\ntime.sleep(600)\n"


def asked(site: Site, number: int, code: str = COPY) -> FanOut:
    pinned = site.runtime.image(IMAGE, pull=False).pinned
    site.machine("fan")
    return FanOut(
        app=make_bundle(code=code, image_pinned=pinned),
        partitioner=make_bundle("partitioner", SPLIT, image_pinned=pinned),
        assembler=make_bundle("assembler", JOIN, image_pinned=pinned),
        parameters={"partitioner": {"n": number}},
        machines={"partition": "fan", "run": "fan", "assemble": "fan"},
    )


def opened(job: Job) -> bool:
    return JobStage.objects.filter(job=job, stage=Stage.RUN, total__gt=0).exists()


def done(job: Job) -> int:
    return JobStage.objects.get(job=job, stage=Stage.RUN).succeeded


def again(job: Job) -> Iterator[tuple[object, ...]]:
    """All attempts of the tasks that had more than one, as a failed test should tell them."""
    more = Task.objects.filter(job=job).alias(tries=Count("attempts")).filter(tries__gt=1)
    yield from Attempt.objects.filter(task__in=more).values_list(
        "task__index", "number", "state", "exit_code", "reason", "claimed_at", "started_at", "ended_at"
    )


def swept(site: Site) -> None:
    """What a worker had settled and not tidied when it was killed goes with the round that follows its grace."""
    time.sleep(1)
    Attempt.objects.filter(host__name="fan").update(ended_at=Now() - keep.ORPHAN_GRACE)
    keep.sweep(Host.objects.get(name="fan"), site.runtime)


def test_four_hundred_chunks_whose_worker_is_killed_three_times(site: Site) -> None:
    job = fan_out.submit(owner=site.owner, asked=asked(site, CHUNKS)).job
    worker = site.worker("fan", "--serve", f"fan={SLOTS}")
    partition = Attempt.objects.filter(task__job=job, task__stage=Stage.PARTITION)
    eventually(lambda: opened(job), 60, "The opening of the stage")
    client = Client()
    client.force_login(site.owner)
    began = time.monotonic()
    answer = client.get(f"/api/v1/jobs/{job.number}/tasks?limit=200")
    assert (answer.status_code, len(answer.json()["items"])) == (200, 200)
    assert time.monotonic() - began < 30  # no measurement, bench/fanout has that
    for share in (0.1, 0.4, 0.7):
        eventually(lambda share=share: done(job) >= CHUNKS * share, 150, f"{share:.0%} of the tasks")  # type: ignore[misc]
        worker.kill()
        worker = site.worker("fan", "--serve", f"fan={SLOTS}")
    site.ended(job, 150)
    swept(site)
    worker.terminate()
    assert (job.state, job.reason) == (JobState.SUCCEEDED, "Finished.")
    assert partition.count() == 1
    tasks = Task.objects.filter(job=job)
    assert Counter(tasks.values_list("stage", "state")) == {
        (Stage.PARTITION, "succeeded"): 1,
        (Stage.RUN, "succeeded"): CHUNKS,
        (Stage.ASSEMBLE, "succeeded"): 1,
    }
    assert sorted(tasks.filter(stage=Stage.RUN).values_list("index", flat=True)) == list(range(CHUNKS))
    # Whoever took over adopted what ran: nothing was run a second time.
    assert list(again(job)) == []
    assert Attempt.objects.filter(task__job=job).count() == CHUNKS + 2
    row = JobStage.objects.get(job=job, stage=Stage.RUN)
    assert (row.total, row.succeeded, row.failed, row.cancelled) == (CHUNKS, CHUNKS, 0, 0)
    with open_result(job.results.get(task__stage=Stage.ASSEMBLE)) as file:
        assert file.read().decode() == ",".join(map(str, range(CHUNKS)))


def test_a_cancel_ends_all_containers_and_starts_no_more(site: Site) -> None:
    job = fan_out.submit(owner=site.owner, asked=asked(site, 60, SLEEP)).job
    worker = site.worker("fan", "--serve", f"fan={SLOTS}")
    running = Attempt.objects.filter(task__job=job, task__stage=Stage.RUN, state=AttemptState.RUNNING)
    eventually(lambda: running.count() >= SLOTS - 1, 60, "The first tasks")
    job.refresh_from_db()
    began = time.monotonic()
    services.cancel(job=job, actor=site.owner)
    site.ended(job, 60)
    eventually(lambda: not site.containers(), 60 - (time.monotonic() - began), "The end of all containers")
    assert job.state == JobState.CANCELLED
    assert not running.exists()
    time.sleep(1)
    worker.terminate()


def test_fifty_retries_at_once_with_one_key_make_one_job(site: Site) -> None:
    job = fan_out.submit(owner=site.owner, asked=asked(site, 2)).job
    services.cancel(job=job, actor=site.owner)
    job.refresh_from_db()

    def send(number: int) -> int:
        try:
            return fan_out.retry_failed(job=job, actor=site.owner, key="again").number
        finally:
            connection.close()

    with ThreadPoolExecutor(50) as clients:
        numbers = set(clients.map(send, range(50)))
    assert len(numbers) == 1
    services.cancel(job=Job.objects.get(pk=numbers.pop()), actor=site.owner)
