"""Opening stages: the tasks of one are written in the transaction that settles the one before, and its hosts are rung.

Call everything here with the job's row locked (FOR NO KEY UPDATE: tasks that settle beside it add rows that refer to it).
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection
from django.db.models import F, Max
from django.db.models.functions import Now

from jobs import placement, sources
from jobs.events import record
from jobs.fan_config import TRIAL_CHUNKS, Config
from jobs.flat_names import flat_names
from jobs.models import Job, JobStage, Result, Task
from jobs.outcomes import Chunk
from jobs.states import Stage, StageState, TaskState

GATHERED_MAX = 200_000  # files in the one folder of an assembler

# One statement however many chunks there are. A task stands in line as if its job had been submitted so many jobs later.
OPEN_RUN = """
INSERT INTO jobs_task (job_id, stage, "index", state, machine_type_id, owner_id, priority, behind, chunk, chunk_bytes,
  ready_at, attempt_number, retries, infra_retries, failure_class, reason)
SELECT %(job)s, 'run', made.number - 1, 'ready', %(machine)s, %(owner)s, %(priority)s,
  least(%(behind)s + made.number - 1, 2147483647), made.stored, made.size, statement_timestamp(), 0, 0, 0, '', ''
FROM unnest(%(stored)s::text[], %(sizes)s::bigint[]) WITH ORDINALITY AS made(stored, size, number)
"""
NAME = """
UPDATE jobs_result SET flat_name = named.name
FROM unnest(%s::bigint[], %s::text[]) AS named(id, name) WHERE jobs_result.id = named.id
"""


def stage_of(job: Job, stage: Stage) -> JobStage:
    return JobStage.objects.select_related("machine_type").defer("plan").get(job=job, stage=stage)


def places_behind(job: Job) -> int:
    """How many places behind its job's the first task of a fan-out stands: after everything submitted by now.

    The next job that anyone submits stands behind the first task, the one after behind the second, and so on: whoever
    comes later than a large job waits for about as many of its tasks as jobs came in between, never for all.
    """
    newest = Job.objects.order_by().aggregate(newest=Max("number"))["newest"] or job.number
    return max(int(newest) - job.number, 0)


def open_run(job: Job, chunks: Sequence[Chunk]) -> None:
    """One task a chunk; of a trial the first three alone."""
    config = Config.of(job.config)
    made = len(chunks)
    if config.trial:
        chunks = chunks[:TRIAL_CHUNKS]
    stage = stage_of(job, Stage.RUN)
    with connection.cursor() as cursor:
        cursor.execute(
            OPEN_RUN,
            {
                "job": job.number,
                "machine": stage.machine_type_id,
                "owner": job.owner_id,
                "priority": job.priority,
                "behind": places_behind(job),
                "stored": [chunk.stored for chunk in chunks],
                "sizes": [chunk.size for chunk in chunks],
            },
        )
    _begun(job, stage, len(chunks))
    said = f"{_count(made, 'chunk')}; {_count(len(chunks), 'task')} can begin."
    if len(chunks) < made:
        said = f"{_count(made, 'chunk')}. This is a trial: only the first {len(chunks)} are run."
    record(job.number, "stage", said)


def open_assemble(job: Job) -> bool:
    """The task that assembles, or brings the files where they belong. False: there is nothing to do, it is skipped."""
    stage = stage_of(job, Stage.ASSEMBLE)
    destination = sources.destination_of(job.destination, job.owner)
    if stage.version_id is None and not isinstance(destination, list) and destination.trivial:
        stage.move(StageState.SKIPPED, finished_at=Now())
        return False
    Task.objects.create(
        job=job,
        stage=Stage.ASSEMBLE,
        machine_type_id=stage.machine_type_id,
        owner_id=job.owner_id,
        priority=job.priority,
    )
    _begun(job, stage, 1)
    record(
        job.number, "stage", "The results are being assembled." if stage.version_id else "The files are on their way."
    )
    return True


def _begun(job: Job, stage: JobStage, total: int) -> None:
    stage.move(StageState.RUNNING, total=total, started_at=Now())
    Job.objects.filter(pk=job.pk).update(tasks_total=F("tasks_total") + total)
    placement.wake({stage.machine_type.name}, hosts_max=None)


def gather(job: Job) -> int:
    """Name the files of all tasks that succeeded as one flat list; how many there are (past GATHERED_MAX none is named)."""
    rows = Result.objects.filter(task__job=job, task__stage=Stage.RUN, task__state=TaskState.SUCCEEDED)
    files = list(
        rows.exclude(stored="")
        .order_by("task__index", "path")
        .values_list("pk", "task__index", "path")[: GATHERED_MAX + 1]
    )
    if len(files) > GATHERED_MAX:
        return len(files)
    names = flat_names([(index, path) for _, index, path in files], chunks=stage_of(job, Stage.RUN).total)
    with connection.cursor() as cursor:
        cursor.execute(NAME, ([pk for pk, _, _ in files], names))
    return len(files)


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"
