"""From a good launch to the run plan: what exactly will be executed. The preview is this plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from apps_catalog.launch.authored import Author, Authored
from apps_catalog.launch.conditions import present_parameters
from apps_catalog.launch.connecting import connect_faults, connect_to, public_ports
from apps_catalog.launch.environment import job_environment, name_fault
from apps_catalog.launch.jobfiles import (
    CORES,
    GROUP,
    JOBENV,
    JOBINFO,
    NODES,
    PASSWD,
    RANDOM,
    START,
    VNC_PASSWORD,
    late_file,
)
from apps_catalog.launch.parameters import Const, Parameter, Upload
from apps_catalog.launch.spec import (
    Json,
    Launch,
    PlanConnect,
    PlanFile,
    PlanLimits,
    PlanMount,
    PlanVariable,
    RunPlan,
    Site,
)
from apps_catalog.launch.start import names_used
from apps_catalog.launch.substitutions import names_in
from portal.errors import Invalid

RESULTS = "/results"
DESKTOP_START = "/usr/local/bin/nimbix_desktop"  # where jarvice-desktop puts it in an image
SCRIPT_MODE = 0o555


@dataclass(frozen=True)
class _User:
    """Who the program is. As root (a profile that an operator grants) it is root of the image's own /etc/passwd."""

    name: str
    group: str
    uid: int
    gid: int
    home: str

    @classmethod
    def of(cls, site: Site) -> _User:
        if site.runs_as_root:
            return cls("root", "root", 0, 0, "/root")
        return cls(site.username, site.group, site.uid, site.gid, f"/home/{site.username}")


def plan(launch: Launch, site: Site) -> RunPlan:
    """The run plan of a launch on this installation. The same launch and site always give an equal plan.

    Raises Invalid where what the command serves can't be connected to as its author says.
    """
    user = _User.of(site)
    author = Author(launch, site, user.name)
    words = command_line(launch, site, author)
    variables = _variables(launch, site, author)
    expanded = tuple(index for index, word in enumerate(words) if word.expanded)
    known = _variable_names(launch)
    return RunPlan(
        image=site.image,
        argv=tuple(word.text for word in words),
        env=environment(launch, user),
        files=files(launch, site, variables, starts_by_script=bool(expanded)),
        mounts=mounts(site, user),
        uid=user.uid,
        gid=user.gid,
        workdir=user.home,
        limits=limits(launch, site),
        username=user.name,
        group=user.group,
        authored=tuple(index for index, word in enumerate(words) if word.late),
        expanded=expanded,
        variables=variables,
        nodes=launch.nodes,
        connect=_connect(launch, site, author),
        published=public_ports(launch.command),
        verbose=launch.command.verboseinit,
        runs_as_root=site.runs_as_root,
        writable_root=site.writable_root,
        names=tuple(sorted({name for index in expanded for name in names_used(words[index].text, known)})),
        tokens=dict(sorted(author.tokens.items())),
        withheld=tuple(sorted(author.withheld)),
    )


def needs_api_key(plan: RunPlan) -> bool:
    """Whether a job of this plan is to be given a key of its own: %APIKEY% stands in it, and may be filled in."""
    path = plan.connect.path if plan.connect else ""
    texts = (*(plan.argv[index] for index in plan.authored), *(v.value for v in plan.variables if v.authored), path)
    return "APIKEY" not in plan.withheld and any("APIKEY" in names_in(text) for text in texts)


def values(launch: Launch) -> Iterator[tuple[Parameter, Json]]:
    """Each parameter that takes part in this launch with its value, in the author's order."""
    for key, parameter in present_parameters(launch.command, launch.values).items():
        value = parameter.default if parameter.fixed else launch.values.get(key)
        if value is not None:
            yield parameter, value


def command_line(launch: Launch, site: Site, author: Author) -> tuple[Authored, ...]:
    """The desktop and mpirun where they are asked for, the words of `path`, the parameters passed by key, then the positional ones."""
    by_key: list[Authored] = []
    by_position: list[Authored] = []
    for parameter, value in values(launch):
        block = by_position if parameter.positional else by_key
        if not isinstance(parameter, Const):
            block.extend(map(Authored, parameter.words(value)))
        elif not parameter.variable and (word := author.word(parameter.text(value))).text:
            block.extend((word,) if parameter.positional else (Authored(parameter.key), word))
    before = (*_desktop(launch), *_mpirun(launch, site))
    return (*before, *map(Authored, launch.command.path), *by_key, *by_position)


def _desktop(launch: Launch) -> tuple[Authored, ...]:
    """What starts the desktop of an image that carries one, and the command in it; nothing where the path does so itself."""
    command = launch.command
    if (
        not command.desktop
        or command.webshell
        or command.path[0].rpartition("/")[2] == DESKTOP_START.rpartition("/")[2]
    ):
        return ()
    return (Authored(DESKTOP_START),)


def _mpirun(launch: Launch, site: Site) -> tuple[Authored, ...]:
    if not launch.command.mpirun:
        return ()
    return tuple(map(Authored, ("mpirun", "--hostfile", NODES, "-N", str(site.machine.cores))))


def environment(launch: Launch, user: _User) -> dict[str, str]:
    """What the installation sets. What a definition sets goes to jobenv.sh alone."""
    set_here = {
        "HOME": user.home,
        "USER": user.name,
        "LOGNAME": user.name,
        "RESULTS_DIR": RESULTS,
        "JOB_LABEL": launch.label,
    }
    if launch.command.mpirun and user.uid == 0:
        # Open MPI asks for both where its user is root; other MPIs don't know them.
        set_here |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return set_here


def _variables(launch: Launch, site: Site, author: Author) -> tuple[PlanVariable, ...]:
    """The lines of jobenv.sh: filled `variable` parameters, then account variables that no parameter has filled.

    So what was given for this job wins over what is set for the account. Names that must not be set are left out.
    """
    found: dict[str, PlanVariable] = {}
    for parameter, value in values(launch):
        if not parameter.variable or value == "" or isinstance(parameter, Upload) or name_fault(parameter.key):
            continue
        text = parameter.text(value)
        filled = author.text(text) if isinstance(parameter, Const) else Authored(text)
        if filled.text:
            found[parameter.key] = PlanVariable(parameter.key, filled.text, authored=filled.late)
    for name in launch.spec.variables_of(launch.command):
        if name in site.account and name not in found:
            found[name] = PlanVariable(name, account=True)
    return tuple(found.values())


def _variable_names(launch: Launch) -> frozenset[str]:
    """The names that a `$(name)` of the author's may mean, whether they have a value in this job or not."""
    parameters = launch.command.parameters.values()
    own = {one.key for one in parameters if one.variable and not isinstance(one, Upload) and not name_fault(one.key)}
    return frozenset(own | launch.spec.variables_of(launch.command).keys())


def _connect(launch: Launch, site: Site, author: Author) -> PlanConnect | None:
    """What one can connect to, with what is known filled into its path. Raises Invalid for what leads out of the job."""
    if faults := connect_faults(launch.command, site.url_template):
        raise Invalid(faults[0].message, faults=faults)
    found = connect_to(launch.command, site.url_template)
    return replace(found, path=author.url(found.path)) if found else None


def files(
    launch: Launch, site: Site, variables: tuple[PlanVariable, ...], *, starts_by_script: bool
) -> tuple[PlanFile, ...]:
    """jobenv.sh, the uploaded file, the author's script, and what each job has of its own."""
    jobenv = PlanFile(JOBENV, text=_jobenv_preview(variables), late=True)
    uploads = (
        PlanFile(parameter.path, upload=value["upload"])
        if isinstance(value, dict)
        else PlanFile(parameter.path, base64=value)
        for parameter, value in values(launch)
        if isinstance(parameter, Upload) and value
    )
    command = launch.command
    script = (PlanFile(command.path[0], text=command.cmdscript, mode=SCRIPT_MODE),) if command.cmdscript else ()
    users = () if site.runs_as_root else (PASSWD, GROUP)
    start = (START,) if starts_by_script else ()
    # A desktop may also be started by a path of the author's own, and nothing says so before it runs.
    desktop = (VNC_PASSWORD,) if (command.interactive or command.desktop) and not command.webshell else ()
    late = map(late_file, (JOBINFO, NODES, CORES, RANDOM, *desktop, *users, *start))
    return (jobenv, *uploads, *script, *late)


def _jobenv_preview(variables: tuple[PlanVariable, ...]) -> str:
    """jobenv.sh as far as it is known: tokens stand as they are, account variables without their value."""
    text = job_environment({one.name: one.value for one in variables if not one.account})
    account = (
        f"# {one.name} is set when the job starts; its value is not shown.\n" for one in variables if one.account
    )
    return text + "".join(account)


def mounts(site: Site, user: _User) -> tuple[PlanMount, ...]:
    vault = () if site.vault.type == "NONE" else (PlanMount("vault", "/data", readonly=site.vault.readonly),)
    scratch = PlanMount("tmp", "/tmp")  # noqa: S108 - a folder of the container, not of this host
    return (PlanMount("home", user.home), PlanMount("results", RESULTS), *vault, scratch)


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
        slave_memory_mib=machine.ram_mib if machine.slave_ram_mib is None else machine.slave_ram_mib,
        slave_gpus=machine.gpus if machine.slave_gpus is None else machine.slave_gpus,
    )


__all__ = ["JOBENV", "RESULTS", "needs_api_key", "plan"]
