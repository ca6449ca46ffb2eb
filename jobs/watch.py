"""One watcher per worker process: one query a second tells all its attempts of cancel, walltime, disk and lost leases.

It also renews the host's heartbeat, writes what the log writers and meters hold, and looks round for work whose
doorbell got lost.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

from django.conf import settings
from django.db import Error, connection
from django.db.models.functions import Now

from jobs import claim, collect, idle, limits, placement, stage_counting, vault_locks
from jobs.logs import FLUSH_S
from jobs.models import Attempt, Host
from jobs.readiness import Ears, Readiness
from jobs.runtimes.base import Handle, Runtime, RuntimeFault
from jobs.states import ATTEMPT_OPEN, FailureClass
from jobs.tended import Tended
from portal.errors import PortalError

logger = logging.getLogger(__name__)
LOOK_S = 1.0
ENGINE_S = 5.0
STOPS_AT_ONCE = 32
ANSWER_S = 15.0  # a look that the database answers has come back by then, also one after the machine has slept
DISK_S = 5.0
PORTS_S = 1.0
IDLE_S = 15.0

LOOK = """
SELECT attempt.id, task.attempt_number = attempt.number AND task.state = 'running',
       job.cancel_requested_at IS NOT NULL,
       attempt.started_at IS NOT NULL AND now() > attempt.started_at + make_interval(secs => attempt.walltime_s),
       job.pause_requested_at IS NOT NULL, job.stop_class <> ''
FROM jobs_attempt attempt JOIN jobs_task task ON task.id = attempt.task_id JOIN jobs_job job ON job.number = task.job_id
WHERE attempt.id = ANY(%s)
"""


class Watcher:
    """Threads of a worker process that look after what its slots tend. `start` once; they end with the process."""

    def __init__(
        self, *, host: Host, runtime: Runtime, machine_ids: Iterable[int], on_work: Callable[[int], None]
    ) -> None:
        self._host, self._runtime = host, runtime
        self._machine_ids, self._on_work = tuple(machine_ids), on_work
        self._tended: dict[int, Tended] = {}
        self._lock = threading.Lock()
        self._stops = ThreadPoolExecutor(max_workers=STOPS_AT_ONCE, thread_name_prefix="stop")
        self._seen()
        self._ears = Ears(runtime)
        self.readiness = Readiness(self._ears)
        self.engine_fault = ""
        self.leaving = threading.Event()
        self.superseded = threading.Event()

    def start(self) -> None:
        loops = {
            "look": (self._look, LOOK_S),
            "lease": (self._stop_before_lost, LOOK_S),
            "flush": (self._flush, FLUSH_S / 2),
            "beat": (self._beat, float(settings.HEARTBEAT_S)),
            "engine": (self._ask_engine, ENGINE_S),
            "disk": (self._measure_disks, DISK_S),
            "ports": (self._look_at_ports, PORTS_S),
            "idle": (self._look_for_idle, IDLE_S),
        }
        for name, (act, every_s) in loops.items():
            threading.Thread(target=self._every, args=(act, every_s), name=f"watch-{name}", daemon=True).start()

    def tend(self, tended: Tended) -> None:
        with self._lock:
            self._tended[tended.attempt.pk] = tended

    def release(self, tended: Tended) -> None:
        with self._lock:
            self._tended.pop(tended.attempt.pk, None)

    def tending(self) -> list[Tended]:
        with self._lock:
            return list(self._tended.values())

    def _every(self, act: Callable[[], None], every_s: float) -> None:
        while not self.superseded.wait(every_s):
            try:
                act()
            except Error as error:
                logger.warning("The database did not answer the watcher: %s", error)
            except Exception:
                logger.exception("The watcher's %s failed.", act.__name__)
            finally:
                connection.close()

    def _look(self) -> None:
        tended = {t.attempt.pk: t for t in self.tending()}
        with connection.cursor() as cursor:
            cursor.execute(LOOK, (list(tended),))
            rows = cursor.fetchall()
        self._seen()
        for pk, in_force, cancelled, over_time, pause, ending in rows:
            attempt = tended[pk]
            if not in_force:
                self._stop(attempt, FailureClass.INFRA, "Another attempt took its place.")
            elif cancelled:
                self._stop(attempt, FailureClass.CANCELLED, "Cancelled.")
            elif ending:
                self._stop(attempt, FailureClass.CANCELLED, "Stopped, because its job ends without it.")
            elif over_time:
                limit = timedelta(seconds=attempt.attempt.walltime_s)
                self._stop(attempt, FailureClass.TIMEOUT, f"It ran into its time limit of {limit}.")
            else:
                self._turn(attempt, pause)
        placement.wake(limits.put_right() | vault_locks.put_right())
        stage_counting.put_right()
        if not self.leaving.is_set() and not self.engine_fault:
            for machine_id in claim.ready_types(self._machine_ids):
                self._on_work(machine_id)

    def _seen(self) -> None:
        """The database has answered now: by the clock that goes on while the machine sleeps, and by the one that doesn't."""
        self._seen_at, self._awake_at = time.clock_gettime(time.CLOCK_BOOTTIME), time.monotonic()

    def _stop_before_lost(self) -> None:
        """Who can't say that it lives is taken for lost: so end one's own containers before others are started elsewhere.

        A loop of its own that asks the database nothing: one that can't be reached may let a query hang, not fail.
        """
        silent_s = time.clock_gettime(time.CLOCK_BOOTTIME) - self._seen_at
        if silent_s > settings.LOST_AFTER_S - 30 and time.monotonic() - self._awake_at > ANSWER_S:
            for tended in self.tending():
                self._send_stop(tended, FailureClass.INFRA, "This host lost touch with the database.")

    def _stop(self, tended: Tended, failure: FailureClass, message: str) -> None:
        """Stop it, and say why in its row: for a successor, should this process end before the container does."""
        first = not tended.stopping
        self._send_stop(tended, failure, message)
        if first:
            with suppress(Error):  # the container is being stopped all the same
                row = Attempt.objects.filter(pk=tended.attempt.pk, state__in=ATTEMPT_OPEN)
                row.update(stop_reason=failure, reason=message)

    def _send_stop(self, tended: Tended, failure: FailureClass, message: str) -> None:
        """Ask the engine to stop it: once, in a thread, for it takes as long as the program's grace."""
        if not tended.stopping:
            tended.stopping, tended.stop_message = str(failure), message
        # Where it has not started yet, or is just being paused, the next look sends it.
        if tended.handle is not None and not tended.stop_sent and not tended.turning:
            tended.stop_sent = True
            self._stops.submit(self._stop_now, tended, tended.handle)

    def _turn(self, tended: Tended, pause: bool) -> None:
        """Let it stand still or go on, as its job says: in a thread, and again at the next look where that failed."""
        if tended.handle is None or tended.stopping or tended.turning or tended.paused == pause:
            return
        tended.turning = True
        self._stops.submit(self._turn_now, tended, tended.handle, pause)

    def _turn_now(self, tended: Tended, master: Handle, pause: bool) -> None:
        act = self._runtime.pause if pause else self._runtime.resume
        try:
            for handle in (master, *tended.nodes.slaves):
                act(handle)
            tended.paused = pause
        except RuntimeFault as fault:
            logger.warning("To %s %s failed, trying again: %s", act.__name__, master.name, fault)
            tended.paused = None
        finally:
            tended.turning = False

    def _stop_now(self, tended: Tended, handle: Handle) -> None:
        try:
            self._runtime.stop(handle, settings.STOP_GRACE_S)
        except RuntimeFault as fault:
            logger.warning("Stopping %s failed, trying again: %s", handle.name, fault)
            tended.stop_sent = False

    def _flush(self) -> None:
        for tended in self.tending():
            if tended.writer is not None:
                tended.writer.flush(force=self.leaving.is_set())

    def _beat(self) -> None:
        if not Host.objects.filter(pk=self._host.pk, incarnation=self._host.incarnation).update(heartbeat_at=Now()):
            logger.error("Another process serves host %s now; this one lets go.", self._host.name)
            self.superseded.set()
        for tended in self.tending():
            tended.meter.write(tended.attempt, tended.job.number)

    def _ask_engine(self) -> None:
        try:
            engine, fault = self._runtime.ping(), ""
        except RuntimeFault as error:
            engine, fault = "", str(error)
        if fault != self.engine_fault or engine:
            Host.objects.filter(pk=self._host.pk).exclude(engine=engine, engine_fault=fault).update(
                engine=engine, engine_fault=fault
            )
        self.engine_fault = fault

    def _look_at_ports(self) -> None:
        tending = self.tending()
        self._ears.keep(tended.attempt.name for tended in tending)
        self.readiness.look(tending)

    def _look_for_idle(self) -> None:
        idle.look(self.tending(), lambda tended, said: self._stop(tended, FailureClass.CANCELLED, said))

    def _measure_disks(self) -> None:
        for tended in self.tending():
            limit = tended.disk_limit_bytes
            try:
                used = sum(collect.measure(folder, limit) for folder in tended.work.written) + self._written(tended)
            except (OSError, PortalError, RuntimeFault):
                continue
            if used > limit:
                said = f"It wrote more than its disk limit of {limit / 2**20:.0f} MiB."
                self._stop(tended, FailureClass.USER, said)

    def _written(self, tended: Tended) -> int:
        """What a job with a writable root has put there: it lies on the engine's disk, not in the folder."""
        handle = tended.handle
        if handle is None or not tended.job.plan.get("writable_root"):
            return 0
        return sum(self._runtime.written(each) for each in (handle, *tended.nodes.slaves))
