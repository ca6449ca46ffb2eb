"""Object vaults in a job: what it may read is brought to its host before it starts, what it wrote is put back when it has ended.

Both steps may be repeated: a process that takes over after a crash runs them again and finds what is done. Files are
never removed from the bucket. A service that is away is waited for; cancel and a leaving process end the wait.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import BinaryIO, TypeVar

from django.conf import settings
from django.db import connection
from tenacity import RetryCallState, Retrying, retry_if_exception_type, sleep_using_event, wait_exponential

from apps_catalog.launch.parameters import File
from apps_catalog.launch.parameters.files import in_bytes
from apps_catalog.services import spec_of
from jobs import safe_paths, staged, vault_levels, vault_s3
from jobs.collect import SKIPPED
from jobs.events import record
from jobs.listing import printable
from jobs.models import Attempt, Job, Task, Vault
from jobs.runtimes.base import RuntimeFault
from jobs.safe_paths import PathRefused
from jobs.staged import Known, Staged
from jobs.stages import Outcome
from jobs.states import FailureClass, TaskState
from jobs.vault_s3 import ObjectsAway
from jobs.vault_transfer import Reader, Writer
from jobs.vault_usage import stale
from portal.errors import NotFound, PortalError

BRING_PATIENCE_S = 60.0  # then the attempt fails as infra, and the task is tried again later
PUT_PATIENCE_S = 900.0  # then the files go to the results
FILES_MAX = 100_000
AT_ONCE = 8
SHOWN = 5
KEPT_FREE_BYTES = 256 * 2**20
NOT_PUT_BACK = "not-put-back"
UNFIT = {**SKIPPED, "deep": f"more than {safe_paths.DEPTH_MAX} folders deep"}
T = TypeVar("T")


def _rest() -> None:
    """Give the connection back before a long wait; in a caller's transaction it is not ours to give."""
    if not connection.in_atomic_block:
        connection.close()


class Leaving(Exception):
    """Raised where this process is told to leave in the middle: the next one repeats the step."""


@dataclass(frozen=True)
class Care:
    """The attempt that is staged for, and who may end the wait: `stopping` says why it is being stopped, or ""."""

    attempt: Attempt
    job: Job
    root: Path
    stopping: Callable[[], str]
    leaving: Event

    @property
    def vault(self) -> Vault | None:
        vault = self.job.vault
        return vault if vault is not None and vault.type == Vault.Type.OBJECT else None

    @property
    def staged(self) -> Staged:
        return Staged(self.root, self.job.plan["uid"], self.job.plan["gid"])

    def tell(self, message: str) -> None:
        record(self.job.number, "storage", message, task_id=self.attempt.task_id)
        _rest()


class _Stopped(Exception):
    """Raised in the middle of a step where the attempt is being stopped."""


@dataclass
class _Steady:
    """Repeats what a service that is away did not do, as long as there is patience. `stopped` ends it, in all threads."""

    care: Care
    patience_s: float
    stopped: Callable[[], bool]
    told: bool = False
    failed: bool = False

    def check(self) -> None:
        if self.care.leaving.is_set():
            raise Leaving
        if self.failed or self.stopped():
            raise _Stopped

    def do(self, act: Callable[[], T]) -> T:
        def look(state: RetryCallState) -> None:
            self.check()
            if not self.told:
                self.told = True
                self.care.tell(f"{state.outcome.exception() if state.outcome else 'No answer.'} It is tried again.")

        self.check()
        return Retrying(
            retry=retry_if_exception_type(ObjectsAway),
            wait=wait_exponential(multiplier=0.5, max=2),
            sleep=sleep_using_event(self.care.leaving),
            stop=lambda state: (state.seconds_since_start or 0) > self.patience_s,
            before_sleep=look,
            reraise=True,
        )(act)


# Before: from the bucket to the host


@dataclass
class _Choice:
    """What is brought. `whole`: all of the vault; else only what the job names. `left_out`: what can't be a file, and why."""

    files: list[vault_s3.Found] = field(default_factory=list)
    folders: set[str] = field(default_factory=set)
    left_out: list[str] = field(default_factory=list)
    bytes: int = 0
    whole: bool = True

    def add(self, found: vault_s3.Found) -> None:
        if fault := vault_s3.key_fault(found.key):
            self.left_out.append(f"{found.key[:200]!r} ({fault})")
        elif found.key.endswith("/"):
            self.folders.add(found.key[:-1])
        else:
            self.files.append(found)
            self.bytes += found.size

    def settle(self) -> None:
        """A disk has no file that is a folder too: the folder stands. All folders above the files come with them."""
        for found in self.files:
            above = found.key.rpartition("/")[0]
            while above and above not in self.folders:
                self.folders.add(above)
                above = above.rpartition("/")[0]
        double = [found for found in self.files if found.key in self.folders]
        self.left_out += [f"{found.key[:200]!r} (a folder has this name)" for found in double]
        if double:
            self.files = [found for found in self.files if found.key not in self.folders]
            self.bytes -= sum(found.size for found in double)


def bring(care: Care) -> None:
    """Bring the vault's files into the attempt's folder, once. Raises RuntimeFault where that fails or makes no sense."""
    vault = care.vault
    if vault is None or care.staged.complete:
        return
    steady = _Steady(care, BRING_PATIENCE_S, lambda: bool(care.stopping()))
    try:
        choice = steady.do(lambda: _choose(vault, care))
        place = care.staged
        place.clear()
        for folder in sorted(choice.folders):
            place.make_folder(folder)
        _rest()
        gone = _fetch(vault, choice.files, place, steady)
    except _Stopped:
        raise RuntimeFault("It was stopped while its files were fetched.", code="stopped", retry=False) from None
    except PortalError as fault:
        retry = isinstance(fault, ObjectsAway)
        raise RuntimeFault(str(fault), code="storage", retry=retry) from fault
    place.note((), complete=True)
    care.tell(_brought(vault, choice, gone))


def _choose(vault: Vault, care: Care) -> _Choice:
    """All below the vault's prefix where that is not too much, else what the job's FILE parameters name."""
    disk = care.job.plan["limits"]["disk_mib"] * 2**20
    limit = min(settings.STAGE_LIMIT_MIB * 2**20, disk)
    choice = _Choice()
    for found in vault_s3.objects(vault, patient=True):
        choice.add(found)
        if choice.bytes > limit or len(choice.files) > FILES_MAX:
            choice = _named(vault, care, limit)
            break
    choice.settle()
    if choice.bytes > limit or len(choice.files) > FILES_MAX:
        said = f"The files that this job names in the vault '{vault.name}' have {in_bytes(choice.bytes)}"
        said = f"{said}; it may be given {in_bytes(limit)} (STAGE_LIMIT_MIB, and the disk of its machine type)."
        raise RuntimeFault(f"{said} Name fewer, or pick a machine type with more disk.", code="storage", retry=False)
    free = shutil.disk_usage(care.root).free - KEPT_FREE_BYTES
    if choice.bytes > free:
        said = f"The disk of this host has no room for {in_bytes(choice.bytes)} of the vault '{vault.name}'."
        raise RuntimeFault(f"{said} Ask an operator to make room.", code="disk_full", retry=True)
    return choice


def _named(vault: Vault, care: Care, limit: int) -> _Choice:
    """The files that parameters name, and all below the folders that they name; not much more than may be brought."""
    choice = _Choice(whole=False)
    for path in sorted(named_paths(care.job)):
        if path and (found := vault_s3.head(vault, path)) is not None:
            choice.add(found)
        for found in vault_s3.objects(vault, f"{path}/" if path else "", patient=True):
            choice.add(found)
            if choice.bytes > limit or len(choice.files) > FILES_MAX:
                return choice
    return choice


def named_paths(job: Job) -> set[str]:
    """What the FILE parameters of a job name, as paths in the vault ("" is all of it), none of them below another."""
    command = spec_of(job.version).commands.get(job.command)
    paths = set()
    for key, parameter in (command.parameters if command else {}).items():
        value = job.parameters.get(key, parameter.default)
        if isinstance(parameter, File) and isinstance(value, str) and value:
            paths.add("/".join(safe_paths.parts(value.removeprefix("/data").lstrip("/"))))
    return {""} if "" in paths else {one for one in paths if not any(one.startswith(f"{other}/") for other in paths)}


def _fetch(vault: Vault, files: Sequence[vault_s3.Found], place: Staged, steady: _Steady) -> list[str]:
    """Several at a time, each in pieces. Keys that went meanwhile are given back."""

    def one(found: vault_s3.Found) -> Known | str:
        def act() -> Known:
            with Reader(vault, found, patient=True) as stream:
                return place.write(found.key, _checked(stream, steady), found.changed.timestamp())

        try:
            return steady.do(act)
        except NotFound:
            return found.key

    gone: list[str] = []
    lines: list[Known] = []
    for answer in _several(one, iter(files), steady):
        if isinstance(answer, Known):
            lines.append(answer)
        else:
            gone.append(answer)
    place.note(lines)
    return gone


def _checked(stream: Reader, steady: _Steady) -> Iterator[bytes]:
    while piece := stream.read(staged.PIECE_BYTES):
        steady.check()
        yield piece


A = TypeVar("A")


def _several(act: Callable[[A], T], given: Iterator[A], steady: _Steady) -> Iterator[T]:
    """Do it for each, AT_ONCE at a time and no more begun; the first fault ends those that are under way."""
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="stage") as pool:
        waiting: set[Future[T]] = set()
        try:
            for one in given:
                waiting.add(pool.submit(act, one))
                if len(waiting) >= AT_ONCE:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            for future in waiting:
                yield future.result()
        except BaseException:
            steady.failed = True
            raise


def _brought(vault: Vault, choice: _Choice, gone: Sequence[str]) -> str:
    said = f"Brought {_counted(len(choice.files) - len(gone))} ({in_bytes(choice.bytes)}) of the vault '{vault.name}'."
    if not choice.whole:
        said += " It holds more than a job is given, so only what the parameters name is in /data."
    left_out = [*choice.left_out, *(f"{key[:200]!r} (removed meanwhile)" for key in gone)]
    return f"{said} {_listed('left out', left_out)}".strip()


def _counted(number: int) -> str:
    return "1 file" if number == 1 else f"{number:,} files"


def _listed(what: str, found: Sequence[str]) -> str:
    if not found:
        return ""
    more = f" and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
    return f"{_counted(len(found)).capitalize()} {'was' if len(found) == 1 else 'were'} {what}: {', '.join(found[:SHOWN])}{more}."


# After: from the host to the bucket


@dataclass
class _Put:
    files: int = 0
    bytes: int = 0
    skipped: list[str] = field(default_factory=list)


def put_back(care: Care, outcome: Outcome) -> Outcome:
    """Put what the job has written to /data into the bucket, however it ended. The outcome, with what went wrong in that.

    Call it when nothing of the job runs any more. What the bucket does not take is moved to the results.
    """
    vault, place = care.vault, care.staged
    if vault is None or care.job.vault_readonly or not place.complete or not _in_force(care.attempt):
        return outcome
    if not place.fault:
        begun = care.stopping()
        ends = {FailureClass.CANCELLED, FailureClass.INFRA} - {begun}
        steady = _Steady(care, PUT_PATIENCE_S, lambda: care.stopping() in ends)
        put = _Put()
        _rest()
        try:
            _upload(vault, place, steady, put)
        except _Stopped:
            _give_up(vault, place, care, "It was stopped while its files were put back.")
        except PortalError as fault:
            _give_up(vault, place, care, str(fault))
        if put.files:
            vault_levels.changed(vault)
            stale(vault)
        if put.files or put.skipped:
            care.tell(_put_words(vault, put))
    if not place.fault:
        return outcome
    cancelled = care.stopping() == FailureClass.CANCELLED
    failure = outcome.failure or (FailureClass.CANCELLED if cancelled else FailureClass.INFRA)
    return dataclasses.replace(outcome, failure=failure, retry=False, reason=f"{outcome.reason} {place.fault}".strip())


def _in_force(attempt: Attempt) -> bool:
    """What an attempt wrote that another one has taken the place of is not wanted."""
    rows = Task.objects.filter(pk=attempt.task_id, attempt_number=attempt.number, state=TaskState.RUNNING)
    return rows.exists()


def _upload(vault: Vault, place: Staged, steady: _Steady, put: _Put) -> None:
    """Send what differs from what the journal knows, several at a time, and note each that is there."""

    def send(one: tuple[str, BinaryIO]) -> Known:
        path, file = one
        with file:
            return steady.do(lambda: _send(vault, path, file, steady))

    with safe_paths.opened(place.data) as top:
        for sent in _several(send, _changed(top, place, put), steady):
            place.note([sent])
            put.files += 1
            put.bytes += sent.size


def _send(vault: Vault, path: str, file: BinaryIO, steady: _Steady) -> Known:
    file.seek(0)
    digest = hashlib.sha256()

    def pieces() -> Iterator[bytes]:
        while piece := file.read(staged.PIECE_BYTES):
            steady.check()
            digest.update(piece)
            yield piece

    writer = Writer(vault, path, patient=True)
    try:
        writer.send(pieces())
        writer.finish()
    except BaseException:
        writer.abort()
        raise
    return Known.of(path, os.fstat(file.fileno()), digest.hexdigest())


def _changed(top: int, place: Staged, put: _Put) -> Iterator[tuple[str, BinaryIO]]:
    """Each new or changed file, opened. What is no file of its own is never opened, but listed."""
    known = place.known()
    for number, found in enumerate(safe_paths.walk(top)):
        if number > 10 * FILES_MAX or put.files > FILES_MAX:
            put.skipped.append("all after the first hundred thousand")
            return
        if found.kind == "folder":
            continue
        shown = printable(found.path)
        reason = UNFIT.get(found.kind, "device") if found.kind != "file" else ""
        reason = reason or ("name is not UTF-8" if shown != found.path else vault_s3.key_fault(found.path))
        if reason:
            put.skipped.append(f"{shown[:200]!r} ({reason})")
            continue
        try:
            if not staged.unchanged(found, known.get(found.path), lambda found=found: _open(found)):  # type: ignore[misc]
                yield found.path, _open(found)
        except (PathRefused, NotFound) as refused:
            put.skipped.append(f"{shown[:200]!r} ({refused})")


def _open(found: safe_paths.Found) -> BinaryIO:
    return safe_paths.open_file(found.name, within=found.folder)


def _put_words(vault: Vault, put: _Put) -> str:
    said = f"Put {_counted(put.files)} ({in_bytes(put.bytes)}) back into the vault '{vault.name}'." if put.files else ""
    return f"{said} {_listed('not put back', put.skipped)}".strip()


def _give_up(vault: Vault, place: Staged, care: Care, why: str) -> None:
    """Nothing that a job has written is thrown away: what the bucket has not got becomes a result."""
    moved = 0
    with safe_paths.opened(place.data) as top, safe_paths.opened(care.root / "results") as results:
        into = staged.fresh_folder(results, NOT_PUT_BACK)
        known = place.known()
        for found in safe_paths.walk(top):
            if found.kind == "file" and not staged.unchanged(found, known.get(found.path), lambda: _open(found)):  # noqa: B023
                staged.rescue(found, into)
                moved += 1
    said = f"{_counted(moved).capitalize()} could not be put back into the vault '{vault.name}'"
    place.note((), fault=f"{said} and {'is' if moved == 1 else 'are'} among the results, in {NOT_PUT_BACK}. {why}")
