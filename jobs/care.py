"""Care for a step that waits for an object store: for which attempt, who may end it, and how long it is tried again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Protocol, TypeVar

from django.db import connection
from tenacity import RetryCallState, Retrying, retry_if_exception_type, sleep_using_event, wait_exponential

from jobs.events import record
from jobs.models import Attempt, Job, Vault
from jobs.staged import Staged
from jobs.vault_s3 import ObjectsAway

AT_ONCE = 8
SHOWN = 5
A = TypeVar("A")
T = TypeVar("T")


def rest() -> None:
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
        rest()


class Stopped(Exception):
    """Raised in the middle of a step where the attempt is being stopped."""


@dataclass
class Steady:
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
            raise Stopped

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


class Together(Protocol):
    """Several at once: `failed` is said by the first that fails, for the others to end."""

    failed: bool


def several(act: Callable[[A], T], given: Iterator[A], together: Together) -> Iterator[T]:
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
            together.failed = True
            raise


def counted(number: int) -> str:
    return "1 file" if number == 1 else f"{number:,} files"


def listed(what: str, found: Sequence[str]) -> str:
    if not found:
        return ""
    more = f" and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
    return f"{counted(len(found)).capitalize()} {'was' if len(found) == 1 else 'were'} {what}: {', '.join(found[:SHOWN])}{more}."
