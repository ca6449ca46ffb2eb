"""Programs that have a terminal: those of commands whose author asks for one with `webshell`."""

from __future__ import annotations

from dataclasses import replace

from apps_catalog.services import spec_of
from jobs.models import Job
from jobs.runtimes.base import ContainerSpec
from portal.errors import Conflict

TERM = "xterm-256color"  # what the terminal in the browser understands


def has_terminal(job: Job) -> bool:
    """False too where its definition can't be read any more."""
    try:
        command = spec_of(job.version).commands.get(job.command)
    except Conflict:
        return False
    return command is not None and command.webshell


def with_terminal(spec: ContainerSpec) -> ContainerSpec:
    return replace(spec, terminal=True, env={**spec.env, "TERM": TERM})
