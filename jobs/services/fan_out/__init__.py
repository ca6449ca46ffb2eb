"""Jobs in stages (partition, run, assemble): drafted, changed, judged, run, copied, and retried where they failed.

Drafts may hold anything that can be stored; `check` says everything that is wrong with one, and `run` demands that
nothing is. Faults have pointers: /app, /partitioner, /assembler, /params/<section>/..., /dataSource/...,
/dataDestination/..., /config/..., /machines/<stage>, /name, /description. Sections are partitioner, app and assembler;
stages are partition, run and assemble.
"""

from __future__ import annotations

from jobs.services.fan_out.again import retry_failed
from jobs.services.fan_out.asking import FanOut, fan_out_of, over_template
from jobs.services.fan_out.checking import Judged, check, judge
from jobs.services.fan_out.drafts import change, delete_draft, draft, duplicate
from jobs.services.fan_out.running import run, run_changed, submit

__all__ = [
    "FanOut",
    "Judged",
    "change",
    "check",
    "delete_draft",
    "draft",
    "duplicate",
    "fan_out_of",
    "judge",
    "over_template",
    "retry_failed",
    "run",
    "run_changed",
    "submit",
]
