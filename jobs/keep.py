"""Keeping house: retention, lost hosts, orphans. Periodic chores belong to nobody: every worker tries, one at a time does."""

from __future__ import annotations

import logging
import shutil
from datetime import timedelta

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from jobs import stages, uploads, vaults
from jobs.folders import HOST_LABEL, INSTALLATION_LABEL, host_root
from jobs.models import Attempt, Chore, Endpoint, Host, IdempotencyKey, Installation, Job, LogChunk, Result, Visit
from jobs.models.jobs import LostRace
from jobs.nodes import attempt_of
from jobs.runtimes.base import Runtime, RuntimeFault
from jobs.states import ATTEMPT_OPEN, AttemptState
from portal.people.models import ApiToken

logger = logging.getLogger(__name__)
BATCH = 200
IDEMPOTENCY_DAYS = 7
ORPHAN_GRACE = timedelta(minutes=10)


def keep() -> bool:
    """The hourly round, under an advisory lock. Its last success is on the health page.

    False when it is to be tried again soon: another worker is at it, or there is more than one round takes.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('slipway.keep'))")
        if not cursor.fetchone()[0]:
            return False
        done = {
            "uploads": uploads.purge_expired(at_most=BATCH),
            "vaults": vaults.sweep(),
            "jobs": purge_old_jobs(),
            "visits": purge_visits(),
            "keys": IdempotencyKey.objects.filter(created_at__lt=Now() - timedelta(days=IDEMPOTENCY_DAYS)).delete()[0],
        }
        Chore.objects.update_or_create(name="keep", defaults={"succeeded_at": Now(), "detail": done})
    return max(done["uploads"], done["jobs"]) < BATCH


def purge_visits() -> int:
    """Forget tickets that nobody used, and the visits to what has been closed for a day. How many there were."""
    day_ago = Now() - timedelta(days=1)
    unused = Q(entered_at=None, expires_at__lt=day_ago)
    over = Q(endpoint__state=Endpoint.State.CLOSED, endpoint__since__lt=day_ago)
    return Visit.objects.filter(unused | over).delete()[0]


def purge_old_jobs() -> int:
    """Remove logs and results of jobs that ended over KEEP_DAYS ago; the jobs themselves stay. How many were purged."""
    before = Now() - timedelta(days=settings.KEEP_DAYS)
    jobs = list(Job.objects.filter(purged_at=None, finished_at__lt=before).order_by("finished_at")[:BATCH])
    for job in jobs:
        names = [n for n in Result.objects.filter(job=job).values_list("stored", flat=True) if n]
        attempts = Attempt.objects.filter(task__job=job)
        names += [n for n in attempts.values_list("log_file", flat=True) if n]
        for name in names:
            default_storage.delete(name)
        Result.objects.filter(job=job).delete()
        LogChunk.objects.filter(attempt__in=attempts).delete()
        attempts.update(log_state=Attempt.LogState.GONE, log_file="", log_bytes=0, log_cut_bytes=0)
        ApiToken.objects.filter(job_number=job.pk).delete()  # revoked when it ended
        Job.objects.filter(pk=job.pk).update(purged_at=Now())
    return len(jobs)


def find_lost() -> int:
    """Hosts silent for LOST_AFTER_S: their attempts are lost; run again where that is safe. How many were."""
    silent = Host.objects.filter(heartbeat_at__lt=Now() - timedelta(seconds=settings.LOST_AFTER_S))
    lost = 0
    for attempt in Attempt.objects.filter(host__in=silent, state__in=ATTEMPT_OPEN).select_related("host")[:BATCH]:
        minutes = settings.LOST_AFTER_S // 60
        said = f"Host {attempt.host.name} has been silent for over {minutes} min, so this attempt is lost."
        try:
            stages.lose(attempt, said)
            lost += 1
        except LostRace:
            continue
    return lost


def sweep(host: Host, runtime: Runtime) -> int:
    """Remove this host's containers, networks and folders whose attempt has ended (or never was). How many containers.

    A slot has a grace to tidy what it has settled. A lost attempt has nobody, and its task may run elsewhere by now.
    """
    mine = runtime.owned(INSTALLATION_LABEL, str(Installation.get().pk))
    on_host = {h.name for h in runtime.owned(HOST_LABEL, host.name)}
    names = {handle.name for handle in mine if handle.name in on_host}
    networks = set(runtime.owned_networks(INSTALLATION_LABEL, str(Installation.get().pk)))
    networks &= set(runtime.owned_networks(HOST_LABEL, host.name))
    root = host_root(host.name)
    folders = {p.name for p in root.iterdir() if p.name.startswith("slipway-")} if root.is_dir() else set()
    living = Attempt.objects.filter(name__in={attempt_of(name) for name in names | networks | folders})
    spared = set(living.filter(state__in=ATTEMPT_OPEN).values_list("name", flat=True))
    spared |= set(
        living.filter(state=AttemptState.EXITED, ended_at__gt=Now() - ORPHAN_GRACE).values_list("name", flat=True)
    )
    removed = 0
    for handle in mine:
        if handle.name in names and attempt_of(handle.name) not in spared:
            logger.warning("Removing the orphan container %s.", handle.name)
            runtime.stop(handle, 1)
            runtime.remove(handle)
            removed += 1
    for name in networks - spared:
        try:
            runtime.remove_network(name)
        except RuntimeFault as fault:
            logger.warning("The next round tries again: %s", fault)
    for name in folders - spared:
        shutil.rmtree(root / name, ignore_errors=True)
    return removed
