"""Jobs in stages for tests of pages: of any number of tasks, in all states, written by a few statements."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.models.functions import Now

from jobs.models import Host, Job, JobStage
from jobs.states import Stage
from portal.people.models import User
from tests.factories import make_host
from tests.jobs.bundles import partitioned, submit

# Of a hundred tasks: 90 succeeded, 2 failed, 3 run, 5 wait. Durations and memory differ, so that sorting shows.
STATES = """
UPDATE jobs_task SET state = CASE WHEN "index" %% 100 < 90 THEN 'succeeded' WHEN "index" %% 100 < 92 THEN 'failed'
    WHEN "index" %% 100 < 95 THEN 'running' ELSE 'ready' END,
  attempt_number = CASE WHEN "index" %% 100 < 95 THEN 1 ELSE 0 END,
  host_id = CASE WHEN "index" %% 100 BETWEEN 92 AND 94 THEN %(host)s END,
  failure_class = CASE WHEN "index" %% 100 BETWEEN 90 AND 91 THEN 'user' ELSE '' END,
  reason = CASE WHEN "index" %% 100 BETWEEN 90 AND 91 THEN 'The program ended with exit code 3.' ELSE '' END
WHERE job_id = %(job)s AND stage = 'run'
"""
ATTEMPTS = """
INSERT INTO jobs_attempt (task_id, number, name, state, host_id, tended_by, slot, walltime_s, claimed_at, started_at,
  ended_at, stop_reason, exit_code, failure_class, reason, log_state, log_bytes, log_cut_at, log_cut_bytes, log_file,
  memory_peak_bytes, published)
SELECT id, 1, 'page-test-' || id, CASE WHEN state = 'running' THEN 'running' ELSE 'exited' END, %(host)s,
  gen_random_uuid(), 0, 60, now() - interval '1 h', now() - interval '1 h',
  CASE WHEN state <> 'running' THEN now() - interval '1 h' + ("index" * 37 %% 1009) * interval '10 ms' END, '',
  CASE state WHEN 'succeeded' THEN 0 WHEN 'failed' THEN 3 END, failure_class, reason, 'rows', 0, 0, 0, '',
  CASE WHEN state <> 'running' THEN 1048576 + ("index"::bigint * 7919 %% 10007) * 4096 END, '[]'
FROM jobs_task WHERE job_id = %(job)s AND stage = 'run' AND state <> 'ready'
"""
COUNT = """
UPDATE jobs_jobstage SET succeeded = n.s, failed = n.f, busy_s = 1000 FROM (
  SELECT count(*) FILTER (WHERE state = 'succeeded') s, count(*) FILTER (WHERE state = 'failed') f
  FROM jobs_task WHERE job_id = %(job)s AND stage = 'run') n
WHERE job_id = %(job)s AND stage = 'run'
"""


def job_of(owner: User, tasks: int, **over: Any) -> Job:
    """A running job whose tasks are in all states."""
    over.setdefault("config", {"max_failed_tasks": 1000})
    host = Host.objects.first() or make_host("one", serves={"n1": 2})
    job = submit(owner, **over)
    partitioned(job, tasks)
    names = {"job": job.number, "host": host.pk}
    with connection.cursor() as cursor:
        for statement in (STATES, ATTEMPTS, COUNT):
            cursor.execute(statement, names)
    run = JobStage.objects.get(job=job, stage=Stage.RUN)
    Job.objects.filter(pk=job.pk).update(tasks_done=1 + run.succeeded + run.failed, started_at=Now())
    job.refresh_from_db()
    return job
