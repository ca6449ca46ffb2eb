"""Drafts that don't come from a person's typing: a link with values in it, and an earlier job to edit and run again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from django.http import QueryDict

from apps_catalog.launch.parameters import Parameter
from apps_catalog.launch.spec import Command, Json, LaunchSpec, Submission
from jobs.forms.drafts import Draft, as_clock, first_command, plain, read_clock, read_nodes

LINK_PREFIX = "p."
MAX_REMARKS = 20


class Earlier(Protocol):
    """What is taken over from an earlier job."""

    number: int
    command: str
    parameters: Mapping[str, Json]
    label: str
    walltime_s: int
    vault_readonly: bool
    nodes: int
    notify: bool
    rerun_safe: bool


def from_query(query: QueryDict, spec: LaunchSpec, *, version: str) -> Draft:
    """The draft that a link asks for: `?p.<key>=<value>&machine=..&nodes=..&vault=..&label=..&walltime=HH:MM&command=..`."""
    remarks: list[str] = []
    wanted = query.get("command", "")
    command = first_command(spec, wanted)
    if wanted and command.key != wanted:
        remarks.append(f"App version {version} has no command '{wanted}'. '{command.name}' is shown instead.")
    parameters: dict[str, Json] = {}
    for name in query:
        if name.startswith(LINK_PREFIX):
            _take(
                command,
                name.removeprefix(LINK_PREFIX),
                query[name],
                parameters,
                remarks,
                f"App version {version} does not have",
            )
    walltime_s, faults = read_clock(query.get("walltime", ""))
    nodes, nodes_faults = read_nodes(plain(query, "nodes"))
    submission = Submission(
        command=command.key,
        parameters=parameters,
        machine=plain(query, "machine"),
        nodes=nodes,
        vault=plain(query, "vault"),
        vault_readonly=query.get("vault_readonly", "") in ("1", "true", "on"),
        label=plain(query, "label"),
        walltime_s=walltime_s,
    )
    return Draft(
        submission,
        clock=query.get("walltime", ""),
        nodes_text=plain(query, "nodes").strip()[:20],
        remarks=tuple(remarks[:MAX_REMARKS]),
        faults=(*faults, *nodes_faults),
    )


def from_job(
    job: Earlier, spec: LaunchSpec, *, version: str, machine: str, vault: str, usable_uploads: frozenset[str]
) -> Draft:
    """The draft that repeats a job. `vault` is "" where the person has no access to it any more."""
    remarks: list[str] = []
    command = first_command(spec, job.command)
    if command.key != job.command:
        remarks.append(f"App version {version} no longer has the command '{job.command}'. '{command.name}' is shown.")
    parameters: dict[str, Json] = {}
    for key, value in job.parameters.items():
        if isinstance(value, dict) and "upload" in value and value["upload"] not in usable_uploads:
            remarks.append(f"The file that job {job.number} had for '{_label(command, key)}' can't be used again.")
        else:
            _take(command, key, value, parameters, remarks, f"App version {version} no longer has")
    submission = Submission(
        command=command.key,
        parameters=parameters,
        machine=machine,
        nodes=job.nodes,
        vault=vault,
        vault_readonly=job.vault_readonly,
        label=job.label,
        walltime_s=job.walltime_s,
    )
    return Draft(
        submission,
        clock=as_clock(job.walltime_s),
        notify=job.notify,
        rerun_safe=job.rerun_safe,
        remarks=tuple(remarks[:MAX_REMARKS]),
    )


def _label(command: Command, key: str) -> str:
    parameter: Parameter | None = command.parameters.get(key)
    return parameter.label if parameter else key


def _take(command: Command, key: str, value: Json, into: dict[str, Json], remarks: list[str], words: str) -> None:
    """Takes a value over where the command asks for it, and says so where it doesn't."""
    parameter = command.parameters.get(key)
    if parameter is None:
        remarks.append(f"{words} the parameter '{key}'. It was left out.")
    elif parameter.fixed:
        remarks.append(f"'{parameter.label}' is set by the author of the app and can't be changed. It was left out.")
    else:
        into[key] = value
