"""Programs that have a terminal: those of commands whose author asks for one with `webshell`."""

from __future__ import annotations

from dataclasses import replace

from jobs.models import Job
from jobs.runtimes.base import ContainerSpec

TERM = "xterm-256color"  # what the terminal in the browser understands


def has_terminal(job: Job) -> bool:
    """By its plan, as with all that people connect to: with `noconnect` a `webshell` has none."""
    connect = job.plan.get("connect") if isinstance(job.plan, dict) else None
    return isinstance(connect, dict) and connect.get("kind") == "terminal"


def with_terminal(spec: ContainerSpec) -> ContainerSpec:
    return replace(spec, terminal=True, env={**spec.env, "TERM": TERM})
