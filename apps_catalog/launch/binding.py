"""From a run plan to what one job starts: the values that only that job has are filled in, by its worker, at its start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from apps_catalog.launch import jobfiles
from apps_catalog.launch.connecting import opened_path
from apps_catalog.launch.environment import job_environment
from apps_catalog.launch.spec import PlanFile, PlanVariable, RunPlan
from apps_catalog.launch.start import start_script
from apps_catalog.launch.substitutions import fill
from apps_catalog.launch.vnc_password import password_file


@dataclass(frozen=True)
class JobValues:
    """What one job alone has. The same job always has the same values, whichever process starts or adopts it.

    `random128` are 128 letters and digits; %RANDOM16% to %RANDOM128% are its beginnings. `hosts` are the names of its
    nodes, the master first. `api_key` is "" where the plan asks for none. `account` are the values of account
    variables. `public_ip` is the address of the host where its ports are published, `public_name` the name under which the
    portal shows what it serves; "" where there is none. `image_passwd` and `image_group` are those files of the image, "" where it has none. `base_url` is the
    path below which what a program serves is reached ("/" where it is reached directly), `connect_url` the address that
    people open ("" where there is nothing to connect to).
    """

    name: str
    random128: str
    password: str
    hosts: tuple[str, ...] = ("localhost",)
    private_ip: str = "127.0.0.1"
    public_ip: str = ""
    public_name: str = ""
    api_key: str = ""
    account: Mapping[str, str] = field(default_factory=dict)
    image_passwd: str = ""
    image_group: str = ""
    base_url: str = "/"
    connect_url: str = ""


def bind(plan: RunPlan, job: JobValues) -> RunPlan:
    """The plan with this job's values in its words, variables, link and files. Binding what is bound changes nothing.

    Words that a shell expands leave `argv` as `/bin/sh /etc/JARVICE/start.sh ...`; see start.py.
    """
    tokens = {name: value for name, value in {**_late_values(job), **plan.tokens}.items() if name not in plan.withheld}
    argv = list(plan.argv)
    for index in plan.authored:
        if index not in plan.expanded:
            argv[index] = fill(argv[index], tokens.get)
    variables = tuple(_bound(one, tokens, job) for one in plan.variables if not one.account or one.name in job.account)
    texts = {**_texts(plan, job), jobfiles.JOBENV: job_environment({one.name: one.value for one in variables})}
    words = tuple(argv)
    if plan.expanded:
        unset = set(plan.names) - {one.name for one in variables}
        texts[jobfiles.START], words = start_script(words, plan.expanded, tokens, plan.names, unset)
    return replace(
        plan,
        argv=words,
        files=tuple(_written(file, texts, job) for file in plan.files),
        variables=variables,
        connect=replace(plan.connect, path=opened_path(plan.connect, tokens)) if plan.connect else None,
        authored=(),
        expanded=(),
        names=(),
        tokens={},
    )


def _late_values(job: JobValues) -> dict[str, str]:
    return {
        "JOBNAME": job.name,
        "NIMBIXPASSWD": job.password,
        **{f"RANDOM{count}": job.random128[:count] for count in (16, 32, 64, 128)},
        "PUBLICADDR": job.public_ip or job.public_name,
        "APIKEY": job.api_key,
        "BASEURL": job.base_url,
        "CONNECTURL": job.connect_url,
    }


def _bound(variable: PlanVariable, tokens: Mapping[str, str], job: JobValues) -> PlanVariable:
    if variable.account:
        return replace(variable, value=job.account[variable.name], account=False)
    if variable.authored:
        return replace(variable, value=fill(variable.value, tokens.get), authored=False)
    return variable


def _texts(plan: RunPlan, job: JobValues) -> dict[str, str]:
    """Path -> text of the files that each job has of its own."""
    own = {"uid": plan.uid, "gid": plan.gid}
    return {
        jobfiles.JOBINFO: jobfiles.jobinfo(
            name=job.name, label=plan.env.get("JOB_LABEL", ""), private_ip=job.private_ip, public_ip=job.public_ip
        ),
        jobfiles.NODES: jobfiles.nodes(job.hosts),
        jobfiles.CORES: jobfiles.cores(job.hosts, plan.limits.cores),
        jobfiles.RANDOM: f"{job.random128}\n",
        jobfiles.PASSWD: jobfiles.passwd(job.image_passwd, username=plan.username, home=plan.env["HOME"], **own),
        jobfiles.GROUP: jobfiles.group(job.image_group, name=plan.group, gid=plan.gid),
    }


def _written(file: PlanFile, texts: Mapping[str, str], job: JobValues) -> PlanFile:
    if not file.late:
        return file
    if file.path == jobfiles.VNC_PASSWORD:
        return replace(file, text="", base64=password_file(job.password), late=False)
    return replace(file, text=texts[file.path], late=False)
