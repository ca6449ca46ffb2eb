"""The first lines of an attempt's log: what is made ready, and the rule after which the program's own output begins."""

from __future__ import annotations

from collections.abc import Iterator

from apps_catalog.launch.spec import PlanMount, RunPlan
from jobs.models import Job

RULE = "#" * 79  # to the letter: clients look for this line
START = "INIT[1]: "


def preface(job: Job, plan: RunPlan | None, machine: str = "") -> bytes:
    """A few lines that every job has; where the author asks for more (`verboseinit`), all that a program may wonder about.

    `machine` is the machine type of a stage that has one of its own. `plan` None: nothing runs in a container.
    """
    if plan is None:
        lines = [f"Initializing job {job.name}", "No program runs here: files are taken as they are"]
    else:
        machine = machine or job.machine_type.name
        lines = [*_short(job, plan, machine), *(_more(job, plan) if plan.verbose else ()), "Starting the program"]
    return "".join([*(f"{START}{line}\n" for line in lines), f"{RULE}\n"]).encode("utf-8", "replace")


def _short(job: Job, plan: RunPlan, machine: str) -> Iterator[str]:
    limits = plan.limits
    yield f"Initializing job {job.name}"
    gpus = f", {_count(limits.gpus, 'GPU')}" if limits.gpus else ""
    size = f"{_count(limits.cores, 'core')}, {limits.memory_mib} MiB{gpus}"
    yield f"Machine type {machine}: {size}; nodes: {plan.nodes}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _more(job: Job, plan: RunPlan) -> Iterator[str]:
    yield f"Image {plan.image}"
    yield f"User {plan.username} ({plan.uid}), group {plan.group} ({plan.gid}), working folder {plan.workdir}"
    for mount in plan.mounts:
        yield f"Mount {mount.target}: {_what(job, mount)}{', read only' if mount.readonly else ''}"
    for file in plan.files:
        yield f"File {file.path}: read only"
    yield f"Network: {plan.limits.network}; system folders: {'the job may write' if plan.writable_root else 'read only'}"
    yield f"Time limit: {plan.limits.walltime_s} s"


def _what(job: Job, mount: PlanMount) -> str:
    match mount.kind:
        case "vault":
            return f"vault {job.vault.name}" if job.vault else "vault"
        case "results":
            return "results, kept"
        case "home":
            return "home, gone afterwards"
        case "tmp":
            return "scratch in memory"
        case kind:
            return kind.replace("_", " ")
