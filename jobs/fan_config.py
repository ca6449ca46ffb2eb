"""The settings of a job in stages: time limits, retries, a trial with three chunks, how many tasks may fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

from apps_catalog.launch.positions import join
from apps_catalog.launch.reading import closest
from apps_catalog.launch.spec import Fault, Json

RETRIES_MAX = 10
FAILED_MAX = 10_000  # the list of their chunks is a variable of the assembler, and those have a size
TRIAL_CHUNKS = 3
KEYS = ("taskTimeout", "jobTimeout", "maxTaskRetries", "isTestJob", "max_failed_tasks")


@dataclass(frozen=True)
class Config:
    """Clean settings. `job_timeout_s` None: no limit but those of its tasks."""

    task_timeout_s: int
    job_timeout_s: int | None = None
    retries: int = 0
    trial: bool = False
    failed_max: int = 0

    @classmethod
    def of(cls, raw: Mapping[str, Json]) -> Config:
        """Of a job that was accepted: what is missing or would be refused today is as if left out."""
        return _read(raw, [])


def faults_of(raw: Json) -> list[Fault]:
    """Everything that is wrong with settings as they were sent."""
    if not isinstance(raw, Mapping):
        return [Fault("/config", "type", "must be an object")]
    faults: list[Fault] = []
    _read(raw, faults)
    for key in raw:
        if key not in KEYS:
            near = closest(str(key), KEYS)
            advice = f"Did you mean {near}?" if near else f"Known are: {', '.join(KEYS)}."
            faults.append(Fault(join("/config", str(key)[:100]), "unknown", f"is not a setting of a job. {advice}"))
    return faults


def _read(raw: Mapping[str, Json], faults: list[Fault]) -> Config:
    longest = int(settings.WALLTIME_MAX_HOURS) * 3600
    usual = min(settings.WALLTIME_DEFAULT_HOURS, settings.WALLTIME_MAX_HOURS) * 3600
    hours = f" ({settings.WALLTIME_MAX_HOURS} hours)"
    trial = raw.get("isTestJob")
    if trial is not None and not isinstance(trial, bool):
        faults.append(Fault("/config/isTestJob", "type", "must be true or false"))
    return Config(
        task_timeout_s=_whole(raw, "taskTimeout", 1, longest, faults, hours) or usual,
        job_timeout_s=_whole(raw, "jobTimeout", 1, longest, faults, hours),
        retries=_whole(raw, "maxTaskRetries", 0, RETRIES_MAX, faults) or 0,
        trial=trial is True,
        failed_max=_whole(raw, "max_failed_tasks", 0, FAILED_MAX, faults) or 0,
    )


def _whole(raw: Mapping[str, Json], key: str, least: int, most: int, faults: list[Fault], said: str = "") -> int | None:
    value = raw.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        faults.append(Fault(join("/config", key), "type", "must be a whole number"))
        return None
    if not least <= value <= most:
        faults.append(Fault(join("/config", key), "range", f"must be from {least} to {most}{said}"))
        return None
    return value
