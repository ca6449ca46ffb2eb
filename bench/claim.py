"""The claim with many ready tasks of many owners, in two orders: owners taking turns, and one owner's tasks after another's.

Owners may run twenty jobs each (the default), so that the second order meets limits all the time. Beside the claims, once a second, what
is over the limits is held, as every worker's watcher does.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from bench import installation
from bench.figures import milliseconds

ROWS = """
INSERT INTO jobs_job (owner_id, version_id, command, parameters, machine_type_id, vault_readonly, label, priority,
  walltime_s, notify, rerun_safe, plan, plan_digest, state, failure_class, reason, tasks_total, tasks_done, created_at,
  nodes, code, project, price_per_hour, identity, description, source, destination, config, in_stages, stop_class, stop_reason)
SELECT %(first)s + {owner}, %(version)s, 'go', '{{}}', %(machine)s, false, '', 0, 3600, false, false, '{{}}', '', 'queued',
  '', '', 1, 0, now(), 1, 'BENCH', '', 0, '{{}}', '', '{{}}', '{{}}', '{{}}', false, '', ''
FROM generate_series(0, %(tasks)s - 1) n
"""
TASKS = """
INSERT INTO jobs_task (job_id, stage, index, state, machine_type_id, owner_id, priority, attempt_number, retries,
  infra_retries, chunk, failure_class, reason)
SELECT number, 'run', 0, 'ready', machine_type_id, owner_id, 0, 0, 0, 0, '', '', '' FROM jobs_job
"""
ORDERS = {"owners in turn": "n %% %(owners)s", "owner after owner": "n / (%(tasks)s / %(owners)s)"}


def fill(version: Any, machine: Any, tasks: int, owners: int, order: str) -> None:
    from django.db import connection

    from jobs.models import OwnerLoad
    from portal.people.models import User

    installation.forget_jobs()
    people = User.objects.filter(username__startswith="owner")
    if not people.exists():
        User.objects.bulk_create(User(username=f"owner{n}") for n in range(owners))
    first = people.order_by("pk").values_list("pk", flat=True)[0]
    OwnerLoad.objects.bulk_create(
        OwnerLoad(owner_id=first + n, queued=tasks // owners, running_max=20) for n in range(owners)
    )
    names: dict[str, Any] = {
        "first": first,
        "version": version.pk,
        "machine": machine.pk,
        "tasks": tasks,
        "owners": owners,
    }
    with connection.cursor() as cursor:
        cursor.execute(ROWS.format(owner=ORDERS[order]), names)
        cursor.execute(TASKS)
        cursor.execute("ANALYZE jobs_task")


def measure(site: installation.Installation, tasks: int, owners: int, claims: int) -> list[str]:
    from django.db import connection

    from jobs import limits
    from jobs.claim import claim
    from jobs.models import Host

    version = installation.app("claim")
    machine = installation.machine("n1")
    host = Host.objects.create(name="bench-claim", serves={"n1": 1})
    lines = []
    for order in ORDERS:
        fill(version, machine, tasks, owners, order)
        taken: list[float] = []
        looked = time.perf_counter()
        for _ in range(claims):
            if time.perf_counter() - looked > 1:  # what every worker's watcher does once a second
                limits.put_right()
                looked = time.perf_counter()
            begun = time.perf_counter()
            found = claim(
                host=host, incarnation=host.incarnation, machine_id=machine.pk, slot=0, prefix="slipway-bench"
            )
            connection.close()
            taken.append(time.perf_counter() - begun)
            if found is None:
                raise SystemExit("Nothing was left to claim.")
        lines.append(
            f"claim, {tasks:,} ready tasks of {owners:,} owners, {order}: {milliseconds(taken)} ms "
            f"(median / p95 / p99 of {claims})"
        )
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--owners", type=int, default=1_000)
    parser.add_argument("--claims", type=int, default=1_000)
    options = parser.parse_args()
    with installation.prepare() as prepared:
        print("\n".join(measure(prepared, options.tasks, options.owners, options.claims)))
