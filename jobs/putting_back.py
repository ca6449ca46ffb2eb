"""Object vaults after a job: what it has written to /data is put back into the bucket, however it ended.

May be repeated: what is there already is not sent again. Files are never removed from the bucket.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from apps_catalog.launch.parameters.files import in_bytes
from jobs import safe_paths, staged, vault_levels, vault_s3
from jobs.care import Care, Steady, Stopped, counted, listed, rest, several
from jobs.collect import SKIPPED
from jobs.listing import printable
from jobs.models import Attempt, Task, Vault
from jobs.outcomes import Outcome
from jobs.safe_paths import PathRefused
from jobs.staged import Known, Staged
from jobs.states import FailureClass, TaskState
from jobs.vault_transfer import Writer
from jobs.vault_usage import stale
from portal.errors import NotFound, PortalError

PUT_PATIENCE_S = 900.0  # then the files go to the results
FILES_MAX = 100_000
NOT_PUT_BACK = "not-put-back"
UNFIT = {**SKIPPED, "deep": f"more than {safe_paths.DEPTH_MAX} folders deep"}


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
        steady = Steady(care, PUT_PATIENCE_S, lambda: care.stopping() in ends)
        put = _Put()
        rest()
        try:
            _upload(vault, place, steady, put)
        except Stopped:
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


def _upload(vault: Vault, place: Staged, steady: Steady, put: _Put) -> None:
    """Send what differs from what the journal knows, several at a time, and note each that is there."""

    def send(one: tuple[str, BinaryIO]) -> Known:
        path, file = one
        with file:
            return steady.do(lambda: _send(vault, path, file, steady))

    with safe_paths.opened(place.data) as top:
        for sent in several(send, _changed(top, place, put), steady):
            place.note([sent])
            put.files += 1
            put.bytes += sent.size


def _send(vault: Vault, path: str, file: BinaryIO, steady: Steady) -> Known:
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
    said = f"Put {counted(put.files)} ({in_bytes(put.bytes)}) back into the vault '{vault.name}'." if put.files else ""
    return f"{said} {listed('not put back', put.skipped)}".strip()


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
    said = f"{counted(moved).capitalize()} could not be put back into the vault '{vault.name}'"
    place.note((), fault=f"{said} and {'is' if moved == 1 else 'are'} among the results, in {NOT_PUT_BACK}. {why}")
