"""CPU, memory and process count of an attempt: one point every 5 s, thinned so that any length fits a small chart."""

from __future__ import annotations

import threading
import time

from jobs.events import notify
from jobs.models import Attempt, UsageSeries
from jobs.runtimes.base import Usage

EVERY_S = 5.0
POINTS_MAX = 720


class Meter:
    """Collects samples; `write` stores what is new. Points are [seconds, CPU percent of one core, bytes, processes]."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._points: list[list[float]] = []
        self._every_s = EVERY_S
        self._start = time.monotonic()
        self._last: tuple[float, Usage] | None = None
        self._peak = 0
        self._cpu_s = 0.0
        self._dirty = False

    def add(self, sample: Usage) -> None:
        now = time.monotonic()
        with self._lock:
            self._peak = max(self._peak, sample.memory_peak_bytes, sample.memory_bytes)
            self._cpu_s = max(self._cpu_s, sample.cpu_s)
            if self._last is None:
                self._last = (now, sample)
                self._put(0.0, sample)
                return
            at, before = self._last
            if now - at < self._every_s:
                return
            self._last = (now, sample)
            self._put(100 * max(sample.cpu_s - before.cpu_s, 0) / (now - at), sample)

    def close(self, used: Usage) -> None:
        """The figures of the whole, known at its end: they are no point of the chart."""
        with self._lock:
            self._peak = max(self._peak, used.memory_peak_bytes)
            self._cpu_s = max(self._cpu_s, used.cpu_s)
            self._last = self._last or (time.monotonic(), used)

    def _put(self, cpu_percent: float, sample: Usage) -> None:
        second = round(time.monotonic() - self._start, 1)
        self._points.append([second, round(cpu_percent, 1), sample.memory_bytes, sample.pids])
        if len(self._points) > POINTS_MAX:
            self._points = self._points[::2]
            self._every_s *= 2
        self._dirty = True

    def resume(self, attempt: Attempt) -> None:
        """Go on with what an earlier process has stored."""
        series = UsageSeries.objects.filter(attempt=attempt).first()
        if series and series.points:
            with self._lock:
                self._points = [*series.points, *self._points]
                self._every_s = series.every_s
                self._start = time.monotonic() - series.points[-1][0] - series.every_s

    def totals(self) -> tuple[float | None, int | None]:
        """CPU seconds and peak memory in bytes; None where there was no sample."""
        with self._lock:
            return (self._cpu_s, self._peak) if self._last else (None, None)

    def write(self, attempt: Attempt, job_number: int) -> None:
        with self._lock:
            if not self._dirty:
                return
            points, every_s, self._dirty = list(self._points), self._every_s, False
        UsageSeries.objects.update_or_create(attempt=attempt, defaults={"points": points, "every_s": every_s})
        notify(job_number, "usage")
