"""The story of one attempt, from its folder to its result. Blocks on the engine's own events; holds no connection while it waits.

Every step may be repeated: a process that takes over after a crash runs the same story from the top, and finds what is done.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections, connection, transaction
from django.db.models.functions import Now
from tenacity import (
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_exponential,
)

from apps_catalog.launch.binding import bind
from apps_catalog.launch.spec import RunPlan
from jobs import care, connecting, folders, logs, stages
from jobs.events import record
from jobs.job_values import values_of
from jobs.models import Attempt
from jobs.models.jobs import LostRace
from jobs.nodes import Nodes, hosts
from jobs.outcomes import Outcome
from jobs.preface import preface
from jobs.registry_logins import login_of
from jobs.runtimes.base import Exited, Handle, Missing, RuntimeFault
from jobs.stage_work import Ends
from jobs.states import AttemptState, FailureClass
from jobs.tended import Here, Left, Tended, patiently
from jobs.terminals import programs
from jobs.works import work_of
from portal.errors import PortalError

logger = logging.getLogger(__name__)
LONG_LOG_BYTES = 8 * 2**20
LOG_STALLS_S = 60.0
STOPPED = (137, 143)  # how an engine without live-restore leaves containers: killed, or told to end
T = TypeVar("T")


def execute(attempt: Attempt, here: Here, gpu_indexes: tuple[int, ...] = ()) -> None:
    """Run one attempt to its end. Never raises for what the job did; a process that leaves just ends in the middle."""
    rows = here.rows.of(attempt.task)
    folder = folders.Folder.of(attempt, here.host.name)
    work = work_of(attempt, rows, folder, here.host.name, keeps=here.runtime.keeps)
    tended = Tended(attempt, rows.job, work, Nodes(attempt.name, work.plan.nodes if work.plan else 1))
    tended.stopping, tended.stop_message = attempt.stop_reason, attempt.reason
    here.tend(tended)
    try:
        if _settle(tended, _run(tended, here, gpu_indexes), here):
            here.desk.close(attempt, over=True)
            _tidy(tended, here)
    except (Left, care.Leaving):
        logger.info("Leaving %s to the next process, in the middle of a step.", attempt.name)
    finally:
        here.desk.close(attempt, over=False)
        here.release(tended)
        connection.close()


def _run(tended: Tended, here: Here, gpu_indexes: tuple[int, ...]) -> Outcome:
    """Start, follow, wait, collect. What the engine or the disk refuses becomes an outcome too."""
    ended: Exited | Missing | None = None
    try:
        if tended.work.plan is None:
            return _alone(tended, here)
        handle = _start(tended, here, tended.work.plan, gpu_indexes)
        follower = _in_thread("follow", handle, lambda: _follow(tended, handle, here))
        _in_thread("usage", handle, lambda: _measure(tended, handle, here))
        _serve_terminals(tended, handle, here)
        connection.close()
        ended = patiently(tended, here, lambda: here.runtime.wait(handle))
        _await_log(tended, follower)
        if tended.engine_went:  # an engine that stops can end the stream quietly: read once more what it kept
            _follow(tended, handle, here)
        _close_nodes(tended, here)
        outcome = _outcome(tended, ended)
        here.desk.finish(tended.attempt, outcome.exit_code, outcome.reason)
        return tended.work.take(_care(tended, here), outcome, exited=isinstance(ended, Exited))
    except Ends as end:
        return Outcome(FailureClass(tended.stopping), tended.stop_message) if tended.stopping else end.outcome
    except RuntimeFault as fault:
        if tended.stopping:
            return Outcome(FailureClass(tended.stopping), tended.stop_message)
        failure = FailureClass.USER if fault.code == "image_unfit" else FailureClass.INFRA
        return Outcome(failure, str(fault), retry=fault.retry)
    except (PortalError, OSError) as fault:
        code = ended.code if isinstance(ended, Exited) else None
        return Outcome(FailureClass.INFRA, f"Host {here.host.name}: {fault}", code, retry=ended is None)


def _alone(tended: Tended, here: Here) -> Outcome:
    """A stage in which no container runs."""
    _begin_log(tended)
    if tended.attempt.state != AttemptState.RUNNING:
        _say_running(tended, here)
    return tended.work.alone(_care(tended, here))


def _begin_log(tended: Tended) -> None:
    writer = logs.LogWriter(tended.attempt)
    writer.begin(preface(tended.job, tended.work.plan, tended.work.machine))
    tended.writer, tended.terminal = writer, programs.has_terminal(tended.job)
    if not tended.attempt.fresh:
        tended.meter.resume(tended.attempt)


def _say_running(tended: Tended, here: Here, **more: Any) -> None:
    attempt, job = tended.attempt, tended.job
    if stages.one_of_many(attempt.task):
        attempt.move(AttemptState.RUNNING, started_at=Now(), **more)
        return
    with transaction.atomic():
        attempt.move(AttemptState.RUNNING, started_at=Now(), **more)
        record(job.number, "started", f"Running on {here.host.name}.", task_id=attempt.task_id)


def _start(tended: Tended, here: Here, plan: RunPlan, gpu_indexes: tuple[int, ...]) -> Handle:
    attempt, job = tended.attempt, tended.job
    _begin_log(tended)
    if tended.work.begun:
        tended.handle = tended.work.handle
        if attempt.state != AttemptState.RUNNING:
            _say_running(tended, here)
        return tended.handle
    connection.close()
    users = _with_image(tended, here, plan.image, lambda: here.texts.users(here.runtime, plan))
    plan = connecting.with_image_url(
        job,
        plan,
        lambda path: _with_image(tended, here, plan.image, lambda: here.texts.text(here.runtime, plan.image, path)),
    )
    endpoint = connecting.declare(attempt, plan)
    addresses = connecting.addresses(endpoint, plan, here.host)
    bound = bind(plan, values_of(job, plan, users=users, hosts=hosts(plan.nodes), addresses=addresses))
    connecting.keep_path(endpoint, bound)
    patiently(tended, here, lambda: tended.work.make_ready(here.runtime))
    tended.folder.prepare(bound)
    given = tended.work.bring(_care(tended, here))
    spec = folders.container(
        attempt=attempt,
        job=job,
        plan=bound,
        folder=tended.folder,
        labels=here.labels,
        gpu_indexes=gpu_indexes,
        given=given,
    )
    spec = dataclasses.replace(spec, public=connecting.public_ports(bound, addresses.public_ip))
    if tended.terminal:
        spec = programs.with_terminal(spec)
    connection.close()
    master, slaves = tended.nodes.share(spec, bound, tended.folder.root / "keys")
    master = tended.work.fit(master)

    def begin() -> Handle:
        tended.nodes.open(here.runtime, slaves, here.labels)
        return here.runtime.start(master)

    handle = _with_image(tended, here, plan.image, begin)
    tended.handle, tended.paused = handle, None if handle.adopted else False
    ports = patiently(tended, here, lambda: here.runtime.published(handle)) if master.public else ()
    _say_running(tended, here, published=connecting.published(ports))
    return handle


def _close_nodes(tended: Tended, here: Here) -> None:
    """Before the results are taken, for all nodes write into one folder. The master's end is the job's, whatever they do."""
    for said in patiently(tended, here, lambda: tended.nodes.close(here.runtime)):
        record(tended.job.number, "node", said, task_id=tended.attempt.task_id)


def _with_image(tended: Tended, here: Here, image: str, act: Callable[[], T]) -> T:
    """Do it, once more after fetching the image where it is missing."""
    try:
        return patiently(tended, here, act)
    except RuntimeFault as fault:
        if fault.code != "image_missing":
            raise
    login = login_of(tended.work.version)
    connection.close()
    patiently(tended, here, lambda: here.runtime.image(image, pull=True, login=login))
    return patiently(tended, here, act)


def _care(tended: Tended, here: Here) -> care.Care:
    return care.Care(tended.attempt, tended.job, tended.folder.root, lambda: tended.stopping, here.leaving)


def _in_thread(what: str, handle: Handle, act: Callable[[], None]) -> threading.Thread:
    def run() -> None:
        try:
            act()
        except Left:
            logger.info("No more to %s of %s: this process leaves.", what, handle.name)
        except Exception:
            logger.exception("To %s %s failed.", what, handle.name)
        finally:
            connection.close()

    thread = threading.Thread(target=run, name=f"{what}-{handle.name}", daemon=True)
    thread.start()
    return thread


def _serve_terminals(tended: Tended, handle: Handle, here: Here) -> None:
    def serve() -> None:
        here.desk.serve(tended.attempt, handle, program=tended.terminal)

    if tended.terminal or handle.adopted:  # it may have to wait for the engine
        _in_thread("serve terminals", handle, serve)
    else:
        serve()


def _follow(tended: Tended, handle: Handle, here: Here) -> None:
    """Read the container's output until it ends; the process's flusher writes the rows.

    The stream of a long log may end before the log does, where the engine has begun a new file: so it is asked again.
    """
    writer = tended.writer or logs.LogWriter(tended.attempt)

    def read() -> None:
        writer.resume()
        for line in here.runtime.follow(handle, since=writer.since):
            if writer.add(line):
                connection.close()

    before = writer.total
    patiently(tended, here, read)
    while writer.total >= LONG_LOG_BYTES and writer.total > before:
        before = writer.total
        patiently(tended, here, read)


def _await_log(tended: Tended, follower: threading.Thread) -> None:
    """Wait for the rest of the output, as long as more of it comes."""
    while follower.is_alive():
        before = tended.writer.total if tended.writer else 0
        follower.join(LOG_STALLS_S)
        if tended.writer is None or tended.writer.total == before:
            return


def _measure(tended: Tended, handle: Handle, here: Here) -> None:
    try:
        for sample in here.runtime.usage(handle):
            tended.meter.add(sample)
    except RuntimeFault as fault:
        logger.info("No more samples of %s: %s", handle.name, fault)


def _outcome(tended: Tended, ended: Exited | Missing) -> Outcome:
    """The class of an end, and a sentence about it."""
    if isinstance(ended, Exited) and ended.used is not None:
        tended.meter.close(ended.used)
    cpu_s, peak = tended.meter.totals()
    safe = stages.may_run_again(tended.attempt.task)
    if isinstance(ended, Missing):
        return Outcome(FailureClass.INFRA, "The container is gone: it was removed outside Slipway.", retry=safe)
    code = ended.code
    failure: FailureClass | None = FailureClass.USER
    retry = False
    if tended.stopping:
        failure, said = FailureClass(tended.stopping), tended.stop_message
        retry = safe and failure == FailureClass.INFRA
    elif ended.oom and code != 0:
        limit = tended.work.plan.limits.memory_mib if tended.work.plan else 0
        failure = FailureClass.OOM
        said = f"It ran out of memory: the limit is {limit} MiB. Pick a machine type with more."
    elif code == 0:
        failure = None
        said = "Finished, though a process in it was stopped for lack of memory." if ended.oom else "Finished."
    elif code in STOPPED and tended.engine_went:
        failure, retry = FailureClass.INFRA, safe
        said = "The engine was restarted and took the container with it."
    else:
        signal = f" (signal {code - 128})" if 128 < code < 160 else ""
        said = f"The program ended with exit code {code}{signal}. {ended.reason}".strip()
    return Outcome(failure, said, code, retry=retry, cpu_s=cpu_s, memory_peak_bytes=peak)


def _close_log(tended: Tended) -> None:
    if tended.writer is not None:
        tended.writer.finish()
    tended.meter.write(tended.attempt, tended.job.number)
    try:
        logs.close(tended.attempt, tended.writer)
    except (PortalError, OSError):
        logger.exception("The log of %s stays in rows: the store did not take it.", tended.attempt.name)


def _settle(tended: Tended, outcome: Outcome, here: Here) -> bool:
    """Write the end, however long the database is away: no exit code is lost. An old attempt's end is refused.

    False when another process tends the attempt now: its container and folder are not ours to tidy.
    """

    def write() -> None:
        close_old_connections()
        _close_log(tended)
        stages.settle(tended.attempt, outcome)

    try:
        Retrying(
            retry=retry_if_exception_type((OperationalError, InterfaceError)),
            wait=wait_exponential(multiplier=0.2, max=5),
            sleep=sleep_using_event(here.leaving),
            stop=stop_when_event_set(here.leaving),
            reraise=True,
        )(write)
    except LostRace:
        logger.warning("%s is not in force any more; its end is refused.", tended.attempt.name)
        return Attempt.objects.filter(pk=tended.attempt.pk, tended_by=tended.attempt.tended_by).exists()
    return True


def _tidy(tended: Tended, here: Here) -> None:
    handle = tended.handle
    if tended.work.shared and here.leaving.is_set():
        return  # the next process may be at it already, and begins by tidying it
    if handle is not None:
        patiently(tended, here, lambda: here.runtime.remove(handle))
    patiently(tended, here, lambda: tended.nodes.remove(here.runtime))
    tended.work.clear()
