"""The slots of a host: threads that each run one attempt at a time, woken by doorbells and by the watcher's look-round."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress

from django.db import Error, InterfaceError, OperationalError, connection

from jobs import claim, endpoints, stages
from jobs.execute import execute
from jobs.folders import HOST_LABEL, INSTALLATION_LABEL
from jobs.models import Attempt, Host, Installation, MachineType
from jobs.models.jobs import LostRace
from jobs.nodes import gpus_of_slot
from jobs.relay.server import Relay
from jobs.relay.targets import Place
from jobs.runtimes.base import Runtime, RuntimeFault
from jobs.states import ATTEMPT_OPEN, FailureClass
from jobs.stints import Stint
from jobs.tended import Here, Tended
from jobs.terminals.desk import Desk
from jobs.warm import Warm
from jobs.watch import Watcher

logger = logging.getLogger(__name__)
RETRY_S = 1.0
LEAVE_S = 3.0  # for slots that have no work to end what they keep
STUMBLES_MAX = 3


class Bell:
    """A count of rings: each ring wakes one waiting slot, and a ring that comes early is not lost."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._rings = 0
        self._changed = threading.Condition()

    def ring(self) -> None:
        with self._changed:
            self._rings = min(self._rings + 1, self._places)
            self._changed.notify()

    def wait(self, timeout_s: float) -> None:
        with self._changed:
            if not self._rings:
                self._changed.wait(timeout_s)
            self._rings = max(self._rings - 1, 0)


class Slots:
    """All slots of one host. GPU indexes are dealt out in the order of `serve`: each slot has its own."""

    def __init__(self, *, host: Host, runtime: Runtime, serve: Mapping[str, int]) -> None:
        machines = {m.name: m for m in MachineType.objects.filter(name__in=serve)}
        installation = str(Installation.get().pk)
        self.host = host
        self.runtime = runtime
        self._serve = {machines[name]: count for name, count in serve.items()}
        self._prefix = f"slipway-{installation[:8]}"
        self._bells = {m.pk: Bell(count) for m, count in self._serve.items()}
        self._names = {m.name: m.pk for m in self._serve}
        self._stumbles: Counter[int] = Counter()
        # Slots that may have an attempt which nobody tends: from an earlier process, or given back by ourselves.
        self._unsure = {(m.pk, slot) for m, count in self._serve.items() for slot in range(count)}
        self._threads: dict[tuple[int, int], threading.Thread] = {}
        self.leaving = threading.Event()
        self.watcher = Watcher(host=host, runtime=runtime, machine_ids=self._bells, on_work=self.wake_id)
        self.desk = Desk(runtime)
        self._here = Here(
            host=host,
            runtime=runtime,
            labels={INSTALLATION_LABEL: installation, HOST_LABEL: host.name},
            tend=self.watcher.tend,
            release=self._release,
            leaving=self.leaving,
            desk=self.desk,
        )
        self.relay = Relay(self._place)

    def start(self) -> None:
        """Begin: first whatever this host had begun, each in its own slot (or one more, if `serve` has shrunk)."""
        left = stages.open_attempts(self.host.pk)
        self.watcher.start()
        gpu = 0
        for machine, count in self._serve.items():
            gpus = gpus_of_slot(machine)
            for slot in range(count):
                indexes = tuple(range(gpu, gpu + gpus))
                gpu += gpus
                thread = self._thread(f"slot-{machine.name}-{slot}", self._serve_slot, machine, slot, indexes)
                self._threads[machine.pk, slot] = thread
        for machine, slot in {(a.task.machine_type, a.slot) for a in left}:
            if slot >= self._serve.get(machine, 0):
                self._thread(f"adopt-{machine.name}-{slot}", self._adopt_only, machine, slot)

    def wake(self, machine_name: str) -> None:
        """A doorbell. Unknown names are passed over: the host may have stopped serving the type since."""
        if machine_name in self._names:
            self.wake_id(self._names[machine_name])

    def wake_id(self, machine_id: int) -> None:
        self._bells[machine_id].ring()

    def leave(self) -> None:
        """Let go: containers go on, what their logs have is written, the next process adopts them."""
        self.leaving.set()
        self.watcher.leaving.set()
        self.relay.stop()
        self.desk.leave()
        for machine, count in self._serve.items():
            for _ in range(count):
                self._bells[machine.pk].ring()
        time.sleep(0.3)
        for tended in self.watcher.tending():
            if tended.writer is not None:
                try:
                    tended.writer.flush(force=True)
                except Error as error:
                    logger.warning("The last lines of %s come with the next process: %s", tended.attempt.name, error)
        until = time.monotonic() + LEAVE_S
        tending = {(t.attempt.task.machine_type_id, t.attempt.slot) for t in self.watcher.tending()}
        for place, thread in self._threads.items():
            if place not in tending:  # it may be ending what it keeps
                thread.join(max(until - time.monotonic(), 0))

    def _place(self, attempt_name: str) -> Place | None:
        """What the relay may reach: an attempt that a slot tends, once its container has started."""
        tended = next((one for one in self.watcher.tending() if one.attempt.name == attempt_name), None)
        if tended is None or tended.handle is None:
            return None
        attempt = tended.attempt
        return Place(attempt, tended.job, self.runtime, tended.handle, lambda: _declared_ports(attempt), self.desk)

    def _release(self, tended: Tended) -> None:
        self.watcher.release(tended)
        self.relay.end(tended.attempt.name)

    def _thread(self, name: str, act: object, *args: object) -> threading.Thread:
        thread = threading.Thread(target=act, args=args, name=name, daemon=True)  # type: ignore[arg-type]
        thread.start()
        return thread

    def _serve_slot(self, machine: MachineType, slot: int, gpu_indexes: tuple[int, ...]) -> None:
        bell, stint = self._bells[machine.pk], Stint()
        while not self.leaving.is_set() and not self.watcher.superseded.is_set():
            attempt = self._next(machine, slot, stint)
            if attempt is not None:
                bell.ring()  # where one task was there may be more: wake a sibling
                self._run(attempt, gpu_indexes)
            else:
                self._unsure.add((machine.pk, slot))  # while nothing is to do, to look costs nothing
                bell.wait(timeout_s=30)
        with suppress(Error):
            self._let_go(machine, slot, None)
        connection.close()

    def _adopt_only(self, machine: MachineType, slot: int) -> None:
        """Carry through what a slot had begun that is not served any more."""
        while not self.leaving.is_set() and not self.watcher.superseded.is_set():
            try:
                attempt = claim.recover(
                    host=self.host, incarnation=self.host.incarnation, machine_id=machine.pk, slot=slot
                )
                self._let_go(machine, slot, attempt)
            except Error as error:
                logger.warning("The database did not answer a slot of %s: %s", machine.name, error)
                self.leaving.wait(RETRY_S)
                continue
            finally:
                connection.close()
            if attempt is None:
                return
            self._run(attempt, ())

    def _next(self, machine: MachineType, slot: int, stint: Stint) -> Attempt | None:
        """What the slot has to do now. Never raises: a slot that ended would still count as one that serves."""
        incarnation = self.host.incarnation
        found: Attempt | None = None
        try:
            if (machine.pk, slot) in self._unsure:
                found = claim.recover(host=self.host, incarnation=incarnation, machine_id=machine.pk, slot=slot)
                if found is None:
                    self._unsure.discard((machine.pk, slot))
            if found is None and not self.watcher.engine_fault:
                found = claim.claim(
                    host=self.host,
                    incarnation=incarnation,
                    machine_id=machine.pk,
                    slot=slot,
                    prefix=self._prefix,
                    after=stint.after(self._warm(machine, slot)),
                )
            stint.took(found)
            self._let_go(machine, slot, found)
            if found is None:
                connection.close()
            return found  # the connection is needed for it at once
        except Error as error:
            logger.warning("The database did not answer a slot of %s: %s", machine.name, error)
        except Exception:
            logger.exception("A slot of %s could not look for work; it tries again.", machine.name)
        if found is not None:  # it is ours by now, and nobody else would ever take it up
            return found
        connection.close()
        self.leaving.wait(RETRY_S)
        return None

    def _warm(self, machine: MachineType, slot: int) -> Warm:
        return Warm.at(self._prefix, self.host, machine.pk, slot)

    def _let_go(self, machine: MachineType, slot: int, found: Attempt | None) -> None:
        """End the container that the slot keeps, unless what it has to do next runs in it. Never one that may be another's."""
        warm = self._warm(machine, slot)
        if not warm.there or (found is not None and warm.serves(found)):
            return
        ours = Host.objects.filter(pk=self.host.pk, incarnation=self.host.incarnation)
        open_here = Attempt.objects.filter(
            host=self.host, slot=slot, task__machine_type_id=machine.pk, state__in=ATTEMPT_OPEN
        )
        if found is None and (open_here.exists() or not ours.exists()):
            return
        try:
            warm.end(self.runtime)
        except RuntimeFault as fault:
            logger.warning("Ending %s failed, trying again: %s", warm.name, fault)

    def _run(self, attempt: Attempt, gpu_indexes: tuple[int, ...]) -> None:
        try:
            execute(attempt, self._here, gpu_indexes)
        except (OperationalError, InterfaceError) as error:
            logger.warning("The database went away while %s ran: %s", attempt.name, error)
            self._give_back(attempt)
        except Exception:
            logger.exception("Running %s stopped in the middle.", attempt.name)
            self._stumbles[attempt.pk] += 1
            self._give_back(attempt)
        finally:
            connection.close()

    def _give_back(self, attempt: Attempt) -> None:
        """Have it adopted again, or after three bugs settled: however long the database is away, for nobody else would."""
        self._unsure.add((attempt.task.machine_type_id, attempt.slot))
        while not self.leaving.wait(RETRY_S):
            try:
                if self._stumbles[attempt.pk] >= STUMBLES_MAX:
                    said = f"Host {self.host.name} could not carry it through; its log says why. Ask an operator."
                    stages.settle(attempt, stages.Outcome(FailureClass.INFRA, said))
                else:
                    Attempt.objects.filter(pk=attempt.pk, tended_by=self.host.incarnation).update(
                        tended_by=uuid.uuid4()
                    )
                return
            except LostRace:
                return  # it has ended, or another process tends it
            except Error as error:
                logger.warning("Giving %s back failed, trying again: %s", attempt.name, error)
            finally:
                connection.close()


def _declared_ports(attempt: Attempt) -> frozenset[int]:
    try:
        return endpoints.ports_of(attempt)
    finally:
        connection.close()
