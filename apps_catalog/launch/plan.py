"""From a good launch to the run plan: what exactly will be executed. The preview is this plan."""

from __future__ import annotations

from collections.abc import Iterator

from apps_catalog.launch.environment import job_environment, name_fault
from apps_catalog.launch.parameters import Parameter, Upload
from apps_catalog.launch.spec import Json, Launch, PlanFile, PlanLimits, PlanMount, RunPlan, Site

HOME = "/home/slipway"
RUN_USER = "slipway"
RESULTS = "/results"
JOBENV = "/etc/JARVICE/jobenv.sh"


def plan(launch: Launch, site: Site) -> RunPlan:
    """The run plan of a launch on this installation. The same launch and site always give an equal plan."""
    return RunPlan(
        image=site.image,
        argv=command_line(launch),
        env=environment(launch, site),
        files=files(launch),
        mounts=mounts(site),
        uid=site.uid,
        gid=site.gid,
        workdir=HOME,
        limits=limits(launch, site),
    )


def values(launch: Launch) -> Iterator[tuple[Parameter, Json]]:
    """Each parameter that takes part in this launch with its value, in the author's order."""
    for key, parameter in launch.command.parameters.items():
        value = parameter.default if parameter.fixed else launch.values.get(key)
        if value is not None:
            yield parameter, value


def command_line(launch: Launch) -> tuple[str, ...]:
    """The words of `path`, then the parameters passed by key, then the positional ones."""
    by_key: list[str] = []
    by_position: list[str] = []
    for parameter, value in values(launch):
        (by_position if parameter.positional else by_key).extend(parameter.words(value))
    return (*launch.command.path, *by_key, *by_position)


def environment(launch: Launch, site: Site) -> dict[str, str]:
    """What the installation sets. What a definition sets goes to jobenv.sh alone."""
    return {
        "HOME": HOME,
        "USER": RUN_USER,
        "LOGNAME": RUN_USER,
        "RESULTS_DIR": RESULTS,
        "JOB_LABEL": launch.label,
    }


def variables(launch: Launch) -> dict[str, str]:
    """Name and value of each filled `variable` parameter; names that must not be set are left out."""
    filled = {
        parameter.key: parameter.text(value)
        for parameter, value in values(launch)
        if parameter.variable and value != "" and not isinstance(parameter, Upload)
    }
    return {name: text for name, text in filled.items() if text and not name_fault(name)}


def files(launch: Launch) -> tuple[PlanFile, ...]:
    """jobenv.sh and the uploaded file."""
    jobenv = PlanFile(JOBENV, text=job_environment(variables(launch)))
    uploads = (
        PlanFile(parameter.path, upload=value["upload"])
        if isinstance(value, dict)
        else PlanFile(parameter.path, base64=value)
        for parameter, value in values(launch)
        if isinstance(parameter, Upload) and value
    )
    return (jobenv, *uploads)


def mounts(site: Site) -> tuple[PlanMount, ...]:
    vault = () if site.vault.type == "NONE" else (PlanMount("vault", "/data", readonly=site.vault.readonly),)
    scratch = PlanMount("tmp", "/tmp")  # noqa: S108 - a folder of the container, not of this host
    return (PlanMount("home", HOME), PlanMount("results", RESULTS), *vault, scratch)


def limits(launch: Launch, site: Site) -> PlanLimits:
    """The size of the machine type, and the time limit asked for; else the author's, else the site's. Never over its most."""
    machine = site.machine
    walltime_s = launch.walltime_s or launch.command.walltime_s or site.walltime_default_s
    return PlanLimits(
        cores=machine.cores,
        memory_mib=machine.ram_mib,
        gpus=machine.gpus,
        pids=machine.pids,
        disk_mib=machine.disk_mib,
        walltime_s=min(walltime_s, site.walltime_max_s),
        network=machine.network,
    )
