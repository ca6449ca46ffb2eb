"""One way of a job's files in or out: who may end it, what it may bring, how far it is, and how long it is tried again."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from django.conf import settings
from django.db import connection
from tenacity import RetryCallState, Retrying, retry_if_exception, sleep_using_event, wait_exponential

from apps_catalog.launch.parameters.files import in_bytes
from jobs.care import Care, Leaving, Stopped, counted, rest
from jobs.events import notify
from jobs.models import JobStage
from portal.disk import disk_faults
from portal.errors import PortalError, TooLarge

PIECE_BYTES = 2**18
TOLD_EVERY_S = 2.0
PATIENCE_S = 120.0
LOOK_EVERY_S, GRACE_S = 0.5, 5.0
FETCH, DELIVER = "fetch", "deliver"
T = TypeVar("T")


@dataclass
class Passage:
    """Safe to share among threads. `tell` is given {doing, bytes, bytes_total, files, files_total} every few seconds."""

    job_number: int
    check: Callable[[], None]  # raises Stopped or Leaving where the way is to end
    sleep: Callable[[float], None]
    tell: Callable[[dict[str, object]], None]
    say: Callable[[str], None]
    doing: str
    bytes_max: int
    files_max: int
    patience_s: float = PATIENCE_S
    failed: bool = False  # one of several files failed: the others end
    size: int = 0
    files: int = 0
    size_total: int | None = None
    files_total: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _told_at: float = 0.0
    _moved_at: float = field(default_factory=time.monotonic)
    _said_away: bool = False

    @classmethod
    def of(cls, care: Care, stage: JobStage, doing: str) -> Passage:
        """The way in (FETCH) or out (DELIVER) of a stage; what a person may bring in is bounded. How far it is stands in the stage's row."""

        def check() -> None:
            if care.leaving.is_set():
                raise Leaving
            if care.stopping():
                raise Stopped

        def tell(progress: dict[str, object]) -> None:
            JobStage.objects.filter(pk=stage.pk).update(progress=progress)
            notify(care.job.number, "state")
            rest()

        return cls(
            job_number=care.job.number,
            check=check,
            sleep=sleep_using_event(care.leaving),
            tell=tell,
            say=care.tell,
            doing=doing,
            bytes_max=settings.CHUNKS_LIMIT_MIB * 2**20 if doing == FETCH else sys.maxsize,
            files_max=settings.CHUNKS_MAX if doing == FETCH else sys.maxsize,
        )

    def expect(self, files: int, size: int | None) -> None:
        """What is to come, as far as it is known. Raises TooLarge where that is too much."""
        self.files_total, self.size_total = files, size
        self._limit_files(files)
        self._limit(size or 0)
        self._report(now=True)

    def gather(self, found: Iterable[T]) -> list[T]:
        """The files that are to come. Raises TooLarge where they are too many, however many more there are."""
        kept = []
        for one in found:
            self.going()
            kept.append(one)
            self._limit_files(len(kept))
        return kept

    def count(self, size: int) -> None:
        """So many bytes more have come. Raises TooLarge, Stopped, Leaving."""
        with self._lock:
            self.size += size
            self._moved_at = time.monotonic()
        self._limit(self.size)
        self.going()
        self._report()

    def uncount(self, size: int) -> None:
        """So many bytes are to go, or to come, anew."""
        with self._lock:
            self.size -= size

    @contextmanager
    def anew(self) -> Iterator[None]:
        """What is counted within comes anew where it fails. For files that come one after another."""
        before = self.size
        try:
            yield
        except BaseException:
            self.uncount(self.size - before)
            raise

    def arrived(self) -> None:
        """One file more is whole."""
        with self._lock:
            self.files += 1
            self._moved_at = time.monotonic()
        self._report()

    def going(self) -> None:
        self.check()
        if self.failed:
            raise Stopped

    def done(self) -> str:
        """Say how far it is a last time; and in words what came."""
        self._report(now=True)
        return f"{counted(self.files)}, {in_bytes(self.size)}"

    def save(self, place: Path, pieces: Iterable[bytes], *, append: bool = False) -> None:
        """Write a file as it comes. Raises Full, and what `count` raises."""
        with disk_faults(), place.open("ab" if append else "wb") as file:
            for piece in pieces:
                self.count(len(piece))
                file.write(piece)

    def pieces(self, place: Path) -> Iterator[bytes]:
        """A file to be sent, counted as it goes."""
        with place.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                self.count(len(piece))
                yield piece

    def steady(self, act: Callable[[], T]) -> T:
        """Do it, again where the other side is away (status 503), until nothing has moved for as long as there is patience."""

        def tried() -> T:
            self.going()
            return act()

        def look(state: RetryCallState) -> None:
            self.going()
            if not self._said_away:
                self._said_away = True
                self.say(f"{state.outcome.exception() if state.outcome else 'No answer.'} It is tried again.")

        return Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, PortalError) and error.status == 503),
            wait=wait_exponential(multiplier=0.25, max=4),
            sleep=self.sleep,
            stop=lambda _: time.monotonic() - self._moved_at > self.patience_s,
            before_sleep=look,
            reraise=True,
        )(tried)

    def watched(self, act: Callable[[], T]) -> T:
        """Do it in a thread of its own, which is left behind if it does not end though it is to: a service may say one byte a minute."""
        done: list[T] = []
        failed: list[BaseException] = []

        def run() -> None:
            try:
                done.append(act())
            except BaseException as error:  # noqa: BLE001 - raised anew where it is waited for
                failed.append(error)
            finally:
                connection.close()

        thread = threading.Thread(target=run, name=f"{self.doing}-{self.job_number}", daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(LOOK_EVERY_S)
            try:
                self.check()
            except (Stopped, Leaving):
                thread.join(GRACE_S)
                if thread.is_alive():
                    raise
        if failed:
            raise failed[0]
        return done[0]

    def _limit_files(self, files: int) -> None:
        if files > self.files_max:
            raise TooLarge(f"The source has too many files: a job takes at most {self.files_max:,}. Use fewer.")

    def _limit(self, size: int) -> None:
        if size > self.bytes_max:
            said = f"There is more than {in_bytes(self.bytes_max)}, which is the most that a job takes here."
            raise TooLarge(f"{said} Use less, or ask an operator (CHUNKS_LIMIT_MIB).")

    def _report(self, *, now: bool = False) -> None:
        with self._lock:
            due = now or time.monotonic() - self._told_at > TOLD_EVERY_S
            if not due:
                return
            self._told_at = time.monotonic()
        self.tell(
            {
                "doing": self.doing,
                "bytes": self.size,
                "bytes_total": self.size_total,
                "files": self.files,
                "files_total": self.files_total,
            }
        )
