"""Medians, percentiles and the machine they were taken on."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of all are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def milliseconds(values: Sequence[float]) -> str:
    """median / p95 / p99, of seconds."""
    parts = (statistics.median(values), percentile(values, 95), percentile(values, 99))
    return " / ".join(f"{1000 * part:.1f}" for part in parts)


def machine() -> str:
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in ("Django", "dramatiq", "psycopg", "docker", "uvicorn"))
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {os.cpu_count()} cores ({model}), {memory_gib:.0f} GiB, load at the "
        f"start {os.getloadavg()[0]:.1f}; {platform.system()} {platform.release()}, Python {platform.python_version()}, {packages}"
    )
